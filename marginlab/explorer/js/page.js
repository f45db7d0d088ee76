// The explorer of a built page: sliders, a worker that trains, and the view that draws.

import { prepare } from "./challenges.js";
import { makePresets, readOut, showControls, showWrong, STYLE } from "./controls.js";
import { Dock, DOCKED } from "./dock.js";
import { wrongWith } from "./formula.js";
import { makeGuess, told } from "./guess.js";
import { HANDED, HandIn } from "./handin.js";
import { HINTS, hintFor } from "./hints.js";
import { imagesFrom, sample, unpackFrame } from "./images.js";
import { fromAddress, read, toAddress } from "./link.js";
import { anew, goOn, inCommon, present, stagesOf } from "./moves.js";
import { say } from "./say.js";
import { SCENE, Scene } from "./scene.js";
import { complete } from "./settings.js";
import { makeShare, SHARE } from "./share.js";
import { IMAGES, MOST_MOVES, RECIPE } from "./tables.js";
import { createView } from "./view.js";
import { withhold } from "./withheld.js";
import { ended, joined } from "./words.js";

const PAUSE = 700; // ms without a key after which a formula is trained
const PICTURE = say`The picture is the last one that there was.`;
const share = (accuracy) => `${(100 * accuracy).toFixed(1)} %`;
const FEW = IMAGES.first.train.toLocaleString("en-US");

/** Steps of a run with some images; of one that goes on from another, those in which all of the margin is in. */
function stepsOf(which, goesOn) {
  const steps = Math.ceil((IMAGES[which].epochs * IMAGES[which].train) / RECIPE.batch);
  return goesOn ? steps - Math.ceil(RECIPE.anneal[1] * steps) : steps;
}

/** From a Blob: a page that is a file may start no worker from another file. */
function makeWorker(text) {
  const source = `${text}\n$worker.serve(self);`;
  return new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
}

// ---- An explorer ----

function fieldset(name) {
  const made = Object.assign(document.createElement("fieldset"), { className: "mlp" });
  made.setAttribute("aria-label", name);
  return made;
}

class Explorer {
  worker = null;
  run = 0;
  asked = 0;
  wrong = ""; // what of a link or a move could not be followed
  hint = ""; // what to look at, as a link says
  on = false; // whether a move goes on from the present weights
  arrived = true; // whether what is shown has come to its end, from which one can go on
  shown = 0; // of the stages of the settings those that need not be shown again
  stage = -1; // of the newest frame
  last = null; // the newest frame
  used = "all"; // the images of the run that is shown
  ready = false; // whether the worker has all of them
  given = {}; // of the files of images those that it was given
  guess = null; // the accuracy at which the reader thinks that it will end, a share
  judged = false; // whether a run has shown how near it was: it is no guess of the next one
  lost = ""; // what is told of a file of images that did not load
  psi = undefined; // the last formula of the reader's
  withheld = { hide: [], lock: [] }; // controls that a link hides or locks
  written = null; // settings with a formula that is drawn, and not trained yet
  pause = 0; // what will train it
  /** @type {null | { images: Uint8Array[], answer: (found: any) => void }} */
  guests = null; // images of another script of the page, and whom to tell where they lie

  constructor(root, name, { address, workerText, images, version }) {
    this.root = root;
    this.name = name;
    this.workerText = workerText;
    this.images = images;
    const brought = JSON.parse(root.querySelector("script").textContent);
    this.group = brought.group;
    this.short = brought.short;
    this.settings = complete(brought.settings);
    this.status = Object.assign(document.createElement("p"), { className: "mlp-status" });
    this.status.setAttribute("role", "status");
    const place = document.createElement("div");
    root.querySelector(".marginlab-still").remove();
    root.querySelector(".marginlab-numbers").before(place);
    nameNumbers(root);
    const lacking = ["Worker", "DecompressionStream"].filter((it) => !(it in self));
    const embed = lacking.length ? null : (drawn) => this.embed(drawn);
    const shown = sample();
    this.labels = shown.labels;
    this.view = createView(place, { ...shown, group: this.group, embed, short: this.short });
    this.controls = { near: fieldset(say`The margin`), far: fieldset(say`What to train`) };
    const presets = this.short ? [makePresets((query) => this.follow(read(query)))] : [];
    const guess = makeGuess((share) => {
      this.judged = false;
      this.view.guess((this.guess = share));
    });
    this.guessRow = guess.row;
    this.askAnew = guess.forget;
    this.view.near.append(this.controls.near, ...(this.short ? presets : [guess.row]), this.status);
    this.view.far.append(this.controls.far, ...(this.short ? [guess.row] : []));
    if (!this.short && !document.body.hasAttribute("data-alone"))
      root.querySelector("[data-do=code]").after(makeShare(() => this.shared(), address));
    this.handIn = this.short || lacking.length ? null : new HandIn(root.querySelector(".marginlab-numbers"), version);
    this.dock = new Dock(root);
    this.show(brought);
    if (lacking.length) this.giveUp(say`This browser cannot train here: it has no ${lacking.join(say` and no `)}.`);
    else this.listen();
  }

  /** A slider, or a choice, by its name. @returns {any} */
  control(name) {
    return this.root.querySelector(`.mlp [name=${name}]`);
  }

  /** The run that the page brings along. */
  show({ frames }) {
    this.view.reset(this.about(this.settings.moves.length));
    for (const frame of frames) this.view.push((this.last = unpackFrame(frame)));
    this.view.done(broughtBy(this.last));
    this.arrived = !this.last.died;
    this.showControls();
    this.say();
  }

  showControls(settings = present(this.settings)) {
    // A formula and its letters take the room of it, and all must be on a screen at once.
    this.guessRow.style.display = settings.head === "own" ? "none" : "";
    showControls(this.controls, settings, this.on);
    withhold(this.root, this.withheld);
  }

  /** What of this explorer a page of somebody else's may have. */
  shared() {
    const named = (control) => [control.name, control.closest("label").querySelector(".mlp-name").textContent];
    return { settings: this.settings, controls: [...this.root.querySelectorAll(".mlp [name]")].map(named) };
  }

  listen() {
    for (const controls of Object.values(this.controls)) {
      controls.addEventListener("pointerdown", () => this.wake());
      controls.addEventListener("input", ({ target }) => this.moved(/** @type {HTMLInputElement} */ (target)));
      controls.addEventListener("keydown", ({ target, key }) => {
        if (key === "Enter" && /** @type {HTMLInputElement} */ (target).name === "psi") this.trainWritten();
      });
    }
    document.addEventListener("marginlab-seed", (/** @type {CustomEvent} */ { detail }) => this.seeded(detail));
    addEventListener("hashchange", () => this.linked());
    // Who points at a symbol in the text sees what of the picture it is.
    this.root.addEventListener("marginlab-look", (/** @type {CustomEvent} */ { detail }) =>
      this.view.mark(Object.hasOwn(HINTS, detail) ? HINTS[detail].part : "", detail),
    );
    this.root.addEventListener("marginlab-embed", (/** @type {CustomEvent} */ { detail }) => this.invite(detail));
    this.linked(true);
  }

  moved({ name, value }) {
    this.wrong = "";
    this.look("");
    if (name === "psi") return this.wrote(value);
    this.trainWritten();
    if (name === "start") {
      this.on = value === "on";
      return this.say();
    }
    const { naive, seed, psi } = this.settings;
    if (name === "head") this.begin(complete({ head: value, naive, seed, psi: this.psi ?? psi }));
    else if (name === "naive") this.begin(anew(this.settings, { naive: value || null }));
    else if (name === "seed") this.begin(anew(this.settings, { seed: Number(value) }));
    else this.slid({ [name]: Number(value) });
    if (name === "head") this.showControls();
    else readOut(this.control(name), this.settings);
    if (name === "seed" && this.group) {
      const detail = { group: this.group, from: this, seed: this.settings.seed };
      document.dispatchEvent(new CustomEvent("marginlab-seed", { detail }));
    }
  }

  /** The reader writes a formula. What can be read is drawn at once, and trained at a pause or with Enter. */
  wrote(psi) {
    clearTimeout(this.pause);
    this.written = null;
    const wrong = wrongWith(psi);
    showWrong(this.controls.near, wrong);
    if (wrong) return;
    this.psi = psi;
    this.written = complete({ head: "own", naive: null, ...present(this.settings), psi });
    this.showControls(this.written);
    this.view.preview({ ...this.about(this.settings.moves.length), ...this.written });
    this.pause = setTimeout(() => this.trainWritten(), PAUSE);
  }

  /** Trains with the formula that is drawn, if it is another one. */
  trainWritten() {
    clearTimeout(this.pause);
    const { written } = this;
    this.written = null;
    if (written && written.psi !== this.settings.psi) this.begin(written);
  }

  /** Sliders of the head have other values: a run anew, or from here on. */
  slid(values) {
    const next = this.on ? goOn(this.settings, values, this.arrived) : anew(this.settings, values);
    if (!next) this.wrong = say`There may be ${MOST_MOVES} moves from one start: this one starts anew.`;
    this.begin(next ?? anew(this.settings, values));
  }

  /** Explorers of a group are compared: each has its own margin, and all have one seed. */
  seeded({ group, from, seed }) {
    if (!this.group || group !== this.group || from === this) return;
    const control = this.control("seed");
    control.value = seed;
    this.begin(anew(this.settings, { seed }));
    readOut(control, this.settings);
  }

  /** Whoever opens the page by a link sees the explorer; who reads on and uses one has it docked where it is out of sight. */
  linked(opened = false) {
    const { root } = this;
    const alone = (where) => root === document.querySelector(".marginlab-explorer") && !document.getElementById(where);
    const link = fromAddress(this.name, alone);
    if (!link) return opened && this.short ? this.view.play() : undefined;
    if (opened) root.scrollIntoView();
    else this.dock.use();
    this.follow(link);
  }

  /** Does what a link asks. Of one that names no head nothing can be taken: the run that is shown stays. */
  follow(link) {
    this.wrong = link.words;
    this.withheld = link.withheld ?? this.withheld;
    withhold(this.root, this.withheld);
    if (!link.settings) return this.say();
    const { moves, psi } = link.settings;
    const { seed = this.settings.seed, ...values } = link.values;
    this.on = link.on || moves.length > 0;
    const same = ["head", "naive", "psi"].every((name) => link.settings[name] === this.settings[name]);
    const goes = link.on && !moves.length && same;
    this.psi = psi ?? this.psi;
    this.written = null;
    if (goes && seed === this.settings.seed) this.slid(values);
    else this.begin(link.settings);
    this.look(link.look ?? hintFor(present(this.settings), this.settings.moves.length > 0));
    this.showControls();
  }

  /** The settings of a stage, with what the view draws of the schedule. */
  about(stage) {
    const stages = stagesOf(this.settings).slice(0, stage + 1);
    const settings = stages[stage];
    const anneal = stage || settings.head === "softmax" ? null : RECIPE.anneal;
    return { ...settings, stages, anneal, steps: stepsOf(this.used, stage > 0) };
  }

  /** Says what to look at, and marks it; "" for nothing. */
  look(name) {
    const { words, part } = (name && this.view.folded && HINTS[name].folded) || HINTS[name] || { words: "", part: "" };
    this.hint = words;
    this.view.mark(part, name);
    this.say();
  }

  /** What is being done; else what of a link could not be, and what to look at; else with which images. */
  say(doing = "") {
    const few = this.used === "first" && this.given.all ? say`With ${FEW} images; the others are coming.` : "";
    this.status.textContent = doing || joined([this.wrong, this.hint]) || few;
  }

  giveUp(text) {
    this.view.notice(`${text} ${PICTURE}`);
    for (const controls of Object.values(this.controls)) controls.disabled = true;
  }

  /** Starts the worker, once, and gives it the first images, with which it can train at once, and then all. */
  async wake() {
    if (!this.worker) {
      this.worker = makeWorker(this.workerText);
      this.worker.onmessage = ({ data }) => this.heard(data);
      this.worker.onerror = (event) =>
        this.giveUp(say`The worker that trains has failed: ${event.message || say`it did not start`}.`);
    }
    for (const which of Object.keys(IMAGES)) if (!(await this.give(which))) return;
  }

  /** Gives the worker a file of images, once. Returns whether it has it; where not, the reader is told. */
  give(which) {
    const post = (images) => {
      this.worker.postMessage({ which, images });
      this.lost = "";
      this.view.notice("");
      return true;
    };
    const told = (error) => {
      delete this.given[which];
      this.say();
      this.lost = `${error.message ?? error} ${PICTURE}`;
      this.view.notice(this.lost);
      if (this.used === "first" && this.root.dataset.state === "waiting") this.arrive();
      return false;
    };
    this.given[which] ??= this.images(which).then(post, told);
    return this.given[which];
  }

  /** Train with other settings. What the picture has shown to its end already, and is gone on from, is not shown again. */
  begin(settings) {
    const seen = this.arrived ? stagesOf(this.settings).length : this.shown;
    const all = stagesOf(settings).length;
    this.shown = inCommon(settings, this.settings) >= seen ? Math.min(seen, all - 1) : 0;
    this.settings = settings;
    this.arrived = false;
    this.changed();
  }

  /** Of many changes within one picture only the last counts. */
  changed() {
    this.run += 1;
    if (this.judged) this.askAnew();
    this.handIn?.waits();
    this.wake();
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame(async () => {
      const mine = this.run;
      toAddress(this.name, this.settings, this.withheld);
      // Who goes on from a run that was of all images waits for all.
      const which = this.ready || this.settings.moves.length ? "all" : "first";
      if (!this.ready)
        this.say(which === "all" ? say`Fetching the 70,000 images …` : say`Fetching the first ${FEW} images …`);
      if ((await this.give(which)) && mine === this.run) this.train(which);
    });
  }

  train(which) {
    this.began = performance.now();
    this.stage = -1;
    this.used = which;
    this.say();
    this.worker.postMessage({ run: this.run, settings: this.settings, which });
  }

  /** Where a drawn digit lies. The first picture is another's, who left no network: for that a run must begin. */
  embed(drawn) {
    if (this.worker && this.run) this.worker.postMessage({ drawn });
    else this.changed();
  }

  /**
   * Another script of the page has images, and is told where they lie: at once, and at the end of each later run. The
   * first picture left no network: for that a run must begin.
   */
  invite(guests) {
    this.guests = guests;
    if (this.root.dataset.state === "done") this.askFor();
    else if (!this.run) this.changed();
  }

  askFor() {
    if (this.guests) this.worker.postMessage({ guests: this.guests.images });
  }

  heard(data) {
    const { root } = this;
    if (data.drawn) return this.view.landed(data.drawn);
    if (data.guests) return this.guests.answer({ ...data.guests, directions: this.last.directions });
    if (data.ready) {
      this.ready ||= data.ready === "all";
      if (this.ready && root.dataset.state === "waiting") this.takeOver();
      return;
    }
    if (data.run !== this.run) return; // of a run that was abandoned
    if (data.frame) {
      root.dataset.state = "training";
      return this.came(data.frame);
    }
    if (!data.error) return this.finished();
    this.view.notice(say`Training failed: ${data.error}`);
    root.dataset.state = "failed";
  }

  came(frame) {
    if (frame.stage < this.shown) return this.say(say`Making the run again from which this one goes on …`);
    if (frame.stage !== this.stage) {
      this.say();
      this.view.notice(this.lost);
      this.view.reset(this.about(frame.stage));
    }
    this.stage = frame.stage;
    this.last = frame;
    this.view.push(frame);
  }

  finished() {
    const { accuracy, step, stage, died } = this.last;
    const seconds = ((performance.now() - this.began) / 1000).toFixed(1);
    const few = this.used === "first";
    const tested = IMAGES[this.used].test.toLocaleString("en-US");
    const after = stage ? say`${step} more steps` : say`${step} steps`;
    const steps = few ? say`${after} with ${FEW} images` : after;
    const right = say`${share(accuracy)} of the ${tested} test images right after ${steps}`;
    this.view.done(died ? ended(died) : say`${right}, in ${seconds} seconds.${told(this.guess, accuracy)}`);
    if (!few || died) this.tell();
    if (!few) this.handIn?.ended(this.settings, this.last);
    showNumbers(this.root, this.view.frames);
    if (!few || !this.given.all) return this.arrive();
    this.root.dataset.state = "waiting";
    if (this.ready) this.takeOver();
  }

  /** Whoever waits for runs hears of one that has ended, or died. */
  tell() {
    const detail = { settings: this.settings, frame: this.last, labels: this.labels };
    document.dispatchEvent(new CustomEvent("marginlab-run", { detail }));
  }

  /** The run is shown to its end, and no other takes its place. */
  arrive() {
    this.arrived = !this.last.died;
    this.judged = this.guess !== null && this.arrived;
    this.root.dataset.state = "done";
    this.askFor();
  }

  /** The same run with all images takes the place of that with the first. */
  takeOver() {
    this.run += 1;
    this.train("all");
  }
}

/** How the run went that the page brings along. */
function broughtBy({ accuracy, step, died }) {
  return died ? ended(died) : say`${share(accuracy)} of the 10,000 test images right after ${step} steps.`;
}

/** What the page brings is in English, its table of numbers too. */
function nameNumbers(root) {
  const names = [say`step`, say`training loss`, say`test images right`];
  root.querySelector(".marginlab-numbers summary").textContent = say`The numbers of this run`;
  root.querySelectorAll(".marginlab-numbers th").forEach((it, k) => (it.textContent = names[k]));
}

/** The table under an explorer has the numbers of the run that is shown. */
function showNumbers(root, frames) {
  const rows = frames.map(({ step, loss, accuracy }) => {
    const row = document.createElement("tr");
    for (const text of [step, Number.isFinite(loss) ? loss.toFixed(4) : "NaN", `${(100 * accuracy).toFixed(2)}%`])
      row.append(Object.assign(document.createElement("td"), { textContent: text }));
    return row;
  });
  root.querySelector(".marginlab-numbers tbody").replaceChildren(...rows);
}

/** An ordered list is the scene of the last explorer before it. */
function stage(list, explorers) {
  const before = ({ root }) => root.compareDocumentPosition(list) & Node.DOCUMENT_POSITION_FOLLOWING;
  const { dock, view } = explorers.findLast(before);
  new Scene(dock.home, list, view);
}

/**
 * Brings every explorer of the page to life. address: this script's; workerText: the modules of a worker; version: the
 * engine's, for receipts.
 */
export function start(address, workerText, version) {
  document.head.append(
    Object.assign(document.createElement("style"), { textContent: STYLE + DOCKED + SCENE + HANDED + SHARE }),
  );
  const images = imagesFrom(address);
  const roots = [...document.querySelectorAll(".marginlab-explorer")];
  roots.forEach((root, i) => (root.id = i ? `explorer-${i + 1}` : "explorer"));
  const explorers = roots.map((root) => new Explorer(root, root.id, { address, workerText, images, version }));
  for (const list of document.querySelectorAll("ol.marginlab-scene")) stage(list, explorers);
  prepare();
  // The same link again is no change of the address.
  document.addEventListener("click", (/** @type {any} */ { target }) => {
    const link = target.closest?.('a[href^="#explorer"]');
    if (link && link.hash === location.hash) dispatchEvent(new Event("hashchange"));
  });
}
