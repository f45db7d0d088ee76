// The explorer of a built page: sliders, a worker that trains, and the view that draws.

import { makePresets, readOut, showControls, STYLE } from "./controls.js";
import { Dock, DOCKED } from "./dock.js";
import { HINTS, hintFor } from "./hints.js";
import { fromAddress, read, toAddress } from "./link.js";
import { anew, goOn, inCommon, present, stagesOf } from "./moves.js";
import { complete } from "./settings.js";
import { MOST_MOVES, RECIPE } from "./tables.js";
import { createView } from "./view.js";
import { ended } from "./words.js";

const STEPS = (60000 * RECIPE.epochs) / RECIPE.batch;
const STEPS_ON = STEPS - Math.ceil(RECIPE.anneal[1] * STEPS); // of a run that goes on from another
const PICTURE = "The picture is the last one that there was.";

// ---- What comes with the page, and what is fetched ----

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
/** @type {any} */
const shared = self; // into which the scripts of images put them

/** A frame as the page has it, in some 6 kB, as one that can be drawn. */
function unpackFrame({ reach, embeddings, directions, linear, ...rest }) {
  const shares = new Int16Array(bytes(embeddings).buffer);
  const coordinates = Float32Array.from(shares, (v) => (v / 32767) * reach);
  const frame = { ...rest, died: null, directions: Float32Array.from(directions), embeddings: coordinates };
  return linear ? { ...frame, linear: Float32Array.from(linear) } : frame;
}

function sample() {
  const pairs = bytes(shared.marginlabSample.images);
  const shade = (_, i) => (i % 2 ? pairs[i >> 1] & 15 : pairs[i >> 1] >> 4);
  const labels = Uint8Array.from(shared.marginlabSample.labels, Number);
  return { labels, images: Uint8Array.from({ length: 2 * pairs.length }, shade) };
}

/** Fetches all images, once: a script, added on the first touch of a control, and not before. */
function imagesFrom(address) {
  let images;
  return () => {
    images ??= new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = new URL("marginlab-mnist.js", address).href;
      script.onload = () => done(shared.marginlabImages);
      script.onerror = () => {
        images = undefined; // the next touch tries again
        fail(new Error(`The images did not load: ${script.src}`));
      };
      document.head.append(script);
    });
    return images;
  };
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

  constructor(root, name, { workerText, images }) {
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
    const lacking = ["Worker", "DecompressionStream"].filter((it) => !(it in self));
    const embed = lacking.length ? null : (drawn) => this.embed(drawn);
    this.view = createView(place, { ...sample(), group: this.group, embed, short: this.short });
    this.controls = { near: fieldset("The margin"), far: fieldset("What to train") };
    const presets = this.short ? [makePresets((query) => this.follow(read(query)))] : [];
    this.view.near.append(this.controls.near, ...presets, this.status);
    this.view.far.append(this.controls.far);
    this.dock = new Dock(root);
    this.show(brought);
    if (lacking.length) this.giveUp(`This browser cannot train here: it has no ${lacking.join(" and no ")}.`);
    else this.listen();
  }

  /** A slider, or a choice, by its name. @returns {any} */
  control(name) {
    return this.root.querySelector(`.mlp [name=${name}]`);
  }

  /** The run that the page brings along. */
  show({ frames, words }) {
    this.view.reset(this.about(this.settings.moves.length));
    for (const frame of frames) this.view.push((this.last = unpackFrame(frame)));
    this.view.done(words);
    this.showControls();
    this.say();
  }

  showControls() {
    showControls(this.controls, present(this.settings), this.on);
  }

  listen() {
    for (const controls of Object.values(this.controls)) {
      controls.addEventListener("pointerdown", () => this.wake());
      controls.addEventListener("input", ({ target }) => this.moved(/** @type {HTMLInputElement} */ (target)));
    }
    document.addEventListener("marginlab-seed", (/** @type {CustomEvent} */ { detail }) => this.seeded(detail));
    addEventListener("hashchange", () => this.linked());
    this.linked(true);
  }

  moved({ name, value }) {
    this.wrong = "";
    this.look("");
    if (name === "start") {
      this.on = value === "on";
      return this.say();
    }
    const { naive, seed } = this.settings;
    if (name === "head") this.begin(complete({ head: value, naive, seed }));
    else if (name === "naive") this.begin(anew(this.settings, { naive: value || null }));
    else if (name === "seed") this.begin(anew(this.settings, { seed: Number(value) }));
    else this.slid({ [name]: Number(value) });
    if (name === "head") this.showControls();
    else readOut(this.control(name), this.settings.head);
    if (name === "seed" && this.group) {
      const detail = { group: this.group, from: this, seed: this.settings.seed };
      document.dispatchEvent(new CustomEvent("marginlab-seed", { detail }));
    }
  }

  /** Sliders of the head have other values: a run anew, or from here on. */
  slid(values) {
    const next = this.on ? goOn(this.settings, values, this.arrived) : anew(this.settings, values);
    if (!next) this.wrong = `There may be ${MOST_MOVES} moves from one start: this one starts anew.`;
    this.begin(next ?? anew(this.settings, values));
  }

  /** Explorers of a group are compared: each has its own margin, and all have one seed. */
  seeded({ group, from, seed }) {
    if (!this.group || group !== this.group || from === this) return;
    const control = this.control("seed");
    control.value = seed;
    this.begin(anew(this.settings, { seed }));
    readOut(control, this.settings.head);
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
    if (!link.settings) return this.say();
    const { head, naive, moves } = link.settings;
    const { seed = this.settings.seed, ...values } = link.values;
    this.on = link.on || moves.length > 0;
    const goes = link.on && !moves.length && head === this.settings.head && naive === this.settings.naive;
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
    return { ...settings, stages, anneal, steps: stage ? STEPS_ON : STEPS };
  }

  /** Says what to look at, and marks it; "" for nothing. */
  look(name) {
    this.hint = name && HINTS[name].words;
    this.view.mark(name && HINTS[name].part);
    this.say();
  }

  /** What is being done; else what of a link could not be, and what to look at. */
  say(doing = "") {
    this.status.textContent = doing || [this.wrong, this.hint].filter(Boolean).join(" ");
  }

  giveUp(text) {
    this.view.notice(`${text} ${PICTURE}`);
    for (const controls of Object.values(this.controls)) controls.disabled = true;
  }

  /** Fetch the images and start the worker, once. */
  async wake() {
    if (this.worker) return;
    try {
      this.worker = makeWorker(this.workerText);
      this.worker.onmessage = ({ data }) => this.heard(data);
      this.worker.onerror = (event) =>
        this.giveUp(`The worker that trains has failed: ${event.message || "it did not start"}.`);
      this.say("Fetching the 70,000 images …");
      this.worker.postMessage({ images: await this.images() });
      this.say();
      this.view.notice("");
    } catch (error) {
      this.worker?.terminate();
      this.worker = null;
      this.say();
      this.view.notice(`${error.message ?? error} ${PICTURE}`);
    }
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
    this.say();
    this.wake();
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame(async () => {
      const mine = this.run;
      toAddress(this.name, this.settings);
      await this.images().catch(() => {});
      if (!this.worker || mine !== this.run) return;
      this.began = performance.now();
      this.stage = -1;
      this.worker.postMessage({ run: mine, settings: this.settings });
    });
  }

  /** Where a drawn digit lies. The first picture is another's, who left no network: for that a run must begin. */
  embed(drawn) {
    if (this.worker && this.run) this.worker.postMessage({ drawn });
    else this.changed();
  }

  heard(data) {
    if (data.drawn) return this.view.landed(data.drawn);
    if (data.run !== this.run) return; // of a run that was abandoned
    if (data.error) this.view.notice(`Training failed: ${data.error}`);
    else if (data.frame) this.came(data.frame);
    else this.finished();
    this.root.dataset.state = data.error ? "failed" : data.frame ? "training" : "done";
  }

  came(frame) {
    if (frame.stage < this.shown) return this.say("Making the run again from which this one goes on …");
    if (frame.stage !== this.stage) {
      this.say();
      this.view.notice("");
      this.view.reset(this.about(frame.stage));
    }
    this.stage = frame.stage;
    this.last = frame;
    this.view.push(frame);
  }

  finished() {
    const { accuracy, step, stage, died } = this.last;
    this.arrived = !died;
    const seconds = ((performance.now() - this.began) / 1000).toFixed(1);
    const steps = `${step}${stage ? " more" : ""} steps`;
    const right = `${(100 * accuracy).toFixed(1)} % of the 10,000 test images right after ${steps}`;
    this.view.done(died ? ended(died) : `${right}, in ${seconds} seconds.`);
  }
}

/** Brings every explorer of the page to life. address: this script's; workerText: the modules of a worker. */
export function start(address, workerText) {
  document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE + DOCKED }));
  const images = imagesFrom(address);
  const roots = [...document.querySelectorAll(".marginlab-explorer")];
  roots.forEach((root, i) => (root.id = i ? `explorer-${i + 1}` : "explorer"));
  for (const root of roots) new Explorer(root, root.id, { workerText, images });
  // The same link again is no change of the address.
  document.addEventListener("click", (/** @type {any} */ { target }) => {
    const link = target.closest?.('a[href^="#explorer"]');
    if (link && link.hash === location.hash) dispatchEvent(new Event("hashchange"));
  });
}
