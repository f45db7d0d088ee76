// The explorer of a built page: sliders, a worker that trains, and the view that draws. page.py joins this to the other
// modules, and says what `here` is (this script's address), and `engineModule` and the like (a module as a function).

import { CLASSES, RECIPE, budget } from "./engine.js";
import { HEADS, NAIVE, TITLES, createView } from "./view.js";

const STEPS = (60000 * RECIPE.epochs) / RECIPE.batch;
const SEED = { name: "seed", min: 0, max: 9, step: 1, unit: "(where it starts)", default: 0 };
const STYLE = `
.marginlab-explorer { container-type: inline-size; }
.mlp { display: grid; gap: 4px 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr));
  max-width: 1050px; min-width: 0; border: 0; margin: 0 0 7px;
  padding: 5px; /* for the rings of what has the focus: a cell cuts off what is outside */
  font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.mlp label { display: grid; grid-template-columns: 5.4em minmax(0, 1fr); gap: 0 10px; align-items: center;
  min-height: 44px; }
.mlp .mlp-name { font-weight: 650; }
.mlp input, .mlp select { width: 100%; min-width: 0; margin: 0; font: inherit; }
.mlp input { accent-color: #1a74cf; height: 20px; margin: 4px 0; }
.mlp select { height: 34px; color: inherit; background: transparent; padding: 0 6px;
  border: 1px solid #8b909a; border-radius: 6px; }
.mlp select option { color: #2b2d33; background: #ffffff; }
.mlp output { grid-column: 2; font-size: 13px; opacity: 0.85; font-variant-numeric: tabular-nums; }
.mlp :is(input, select):focus-visible { outline: 2px solid #1a74cf; outline-offset: 2px; }
html[data-theme="dark"] .mlp input { accent-color: #6db5ff; }
html[data-theme="dark"] .mlp :is(input, select):focus-visible { outline-color: #6db5ff; }
/* Room for the longest of its usual words: they come and go, and the picture stays where it is. */
.mlp-status { margin: 0 0 6px; padding: 0 5px; max-width: 1050px; font-size: 14px; line-height: 20px; min-height: 20px; }
@container (max-width: 880px) { .mlp-status { min-height: 40px; } }
@container (max-width: 460px) { .mlp-status { min-height: 54px; font-size: 13px; line-height: 18px; } }
.marginlab-numbers { margin-top: 10px; }
@media print { .mlp { display: none; } }
`;

// ---- The images: one script, added on the first touch of a control, and not before ----

let images;
function fetchImages() {
  images ??= new Promise((done, fail) => {
    const script = document.createElement("script");
    script.src = new URL("marginlab-mnist.js", here).href;
    script.onload = () => done(self.marginlabImages);
    script.onerror = () => {
      images = undefined; // the next touch tries again
      fail(new Error(`The images did not load: ${script.src}`));
    };
    document.head.append(script);
  });
  return images;
}

function makeWorker() {
  // From a Blob: a page that is a file may start no worker from another file.
  const text = `const engine = (${engineModule})(), kernels = (${kernelsModule})(), worker = (${workerModule})();
    worker.serve(self, kernels.simd() ?? undefined);`;
  return new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
}

// ---- What the page brings along ----

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

function unpackFrame({ reach, embeddings, directions, linear, ...rest }) {
  const shares = new Int16Array(bytes(embeddings).buffer);
  const coordinates = Float32Array.from(shares, (v) => (v / 32767) * reach);
  const frame = { ...rest, died: null, directions: Float32Array.from(directions), embeddings: coordinates };
  return linear ? { ...frame, linear: Float32Array.from(linear) } : frame;
}

function sample() {
  const pairs = bytes(self.marginlabSample.images);
  const shade = (_, i) => (i % 2 ? pairs[i >> 1] & 15 : pairs[i >> 1] >> 4);
  const labels = Uint8Array.from(self.marginlabSample.labels, Number);
  return { labels, images: Uint8Array.from({ length: 2 * pairs.length }, shade) };
}

// ---- The state in the address, so that a link shows this very run: #explorer?head=arcface&margin=0.5&scale=30&seed=0 ----
//
// Anybody may write a link. Of what it says only what the sliders could say too is taken, by own properties alone (an
// object has "constructor" as well); for the rest there is a sentence.

const LINK = /^(explorer(?:-\d+)?)\?(.*)$/s;
const quoted = (text) => `“${text.length > 30 ? `${text.slice(0, 30)}…` : text}”`;

/** The sliders of a head. */
const slidersOf = (head) => [...HEADS[head], SEED];

/** null where the address says nothing to this explorer; else {settings, or null for none, and words on what is wrong}. */
function fromAddress(name, alone) {
  const [, where, query] = LINK.exec(location.hash.slice(1)) ?? [];
  if (where === undefined) return null;
  // An explorer that this page does not have is answered for by its first.
  if (where !== name) return alone(where) ? { settings: null, words: `This page has no ${quoted(where)}.` } : null;
  return read(new URLSearchParams(query));
}

/** What a link asks for, as settings that the sliders can have, and in words what of it there is not. */
export function read(asked) {
  const words = [];
  const head = asked.get("head");
  if (head === null || !Object.hasOwn(HEADS, head)) {
    const wrong = head === null ? "names no head" : `names a head that there is not, ${quoted(head)}`;
    return { settings: null, words: `The link ${wrong}. So this is the explorer as it was.` };
  }
  const given = {};
  const known = ["head", "naive", ...slidersOf(head).map(({ name }) => name)];
  for (const name of new Set(asked.keys())) {
    const [value, ...more] = asked.getAll(name);
    if (!known.includes(name)) words.push(`${quoted(name)} is no setting of ${TITLES[head]}`);
    else given[name] = value;
    if (more.length) words.push(`${quoted(name)} is said more than once, and the first counts`);
  }
  const settings = complete(given);
  if (given.naive && settings.naive === null) words.push(`there is no way to break ${TITLES[head]} called ${quoted(given.naive)}`);
  for (const { name } of slidersOf(head)) {
    if (given[name] === undefined || (given[name].trim() !== "" && Number(given[name]) === settings[name])) continue;
    words.push(`${name} cannot be ${quoted(given[name])}, and is ${settings[name]}`);
  }
  return { settings, words: words.length ? `Not all of the link could be followed: ${words.join("; ")}.` : "" };
}

/** Settings that the sliders can have: of a head's own, each on a step in its range, and its default where none is given. */
function complete({ head, naive, ...given }) {
  const settings = { head, naive: head !== "softmax" && Object.hasOwn(NAIVE, naive ?? "") ? naive : null };
  for (const { name, min, max, step, default: usual } of slidersOf(head)) {
    const value = given[name] === undefined || String(given[name]).trim() === "" ? NaN : Number(given[name]);
    const steps = Math.round((Math.min(Math.max(value, min), max) - min) / step);
    // 0.1 + 2 · 0.1 is no 0.3 for a computer: twelve digits are.
    settings[name] = Number.isFinite(value) ? Number((min + steps * step).toPrecision(12)) : usual;
  }
  return settings;
}

function toAddress(name, settings) {
  const entries = Object.entries(settings).filter(([, value]) => value !== null);
  history.replaceState(history.state, "", `#${name}?${new URLSearchParams(entries)}`);
}

// ---- An explorer ----

function limits(settings) {
  if (settings.head === "softmax") return "";
  const { feasible, loss } = budget(settings);
  if (feasible) return "";
  return `No arrangement of ${CLASSES} classes in the plane can satisfy this margin; `
    + `at scale ${settings.scale} the best possible loss is ${loss.toPrecision(3)}.`;
}

function bringToLife(root, name) {
  const { settings: first, words, frames, group } = JSON.parse(root.querySelector("script").textContent);
  root.querySelector(".marginlab-still").remove();
  const table = root.querySelector(".marginlab-numbers");
  const controls = Object.assign(document.createElement("fieldset"), { className: "mlp marginlab-controls" });
  controls.setAttribute("aria-label", "What to train");
  const status = Object.assign(document.createElement("p"), { className: "mlp-status" });
  status.setAttribute("role", "status");
  const place = document.createElement("div");
  table.before(controls, status, place);
  const lacking = ["Worker", "DecompressionStream"].filter((it) => !(it in self));
  const view = createView(place, { ...sample(), heads: HEADS, group, embed: lacking.length ? null : embed });

  let settings = complete(first);
  let worker;
  let run = 0;
  let asked = 0;
  let began;
  let wrong = ""; // what of a link could not be followed
  let fresh = false; // whether the next frame is the first of its run
  let last;

  view.reset(about());
  for (const frame of frames) view.push(unpackFrame(frame));
  view.done(words);
  controlsFor();
  say();

  if (lacking.length) return giveUp(`This browser cannot train here: it has no ${lacking.join(" and no ")}.`);

  controls.addEventListener("pointerdown", wake);
  controls.addEventListener("input", ({ target }) => {
    wrong = "";
    if (target.name === "head") settings = complete({ head: target.value, naive: settings.naive, seed: settings.seed });
    else if (target.name === "naive") settings = { ...settings, naive: target.value || null };
    else settings = { ...settings, [target.name]: Number(target.value) };
    if (target.name === "head") controlsFor();
    else readOut(target);
    if (target.name === "seed" && group) {
      document.dispatchEvent(new CustomEvent("marginlab-seed", { detail: { group, from: root, seed: settings.seed } }));
    }
    changed();
  });
  // Explorers of a group are compared: each has its own margin, and all have one seed.
  document.addEventListener("marginlab-seed", ({ detail }) => {
    if (!group || detail.group !== group || detail.from === root) return;
    settings = { ...settings, seed: detail.seed };
    controls.elements.seed.value = settings.seed;
    readOut(controls.elements.seed);
    changed();
  });
  const linked = () => {
    const link = fromAddress(name, (where) => root === document.querySelector(".marginlab-explorer") && !document.getElementById(where));
    if (!link) return;
    wrong = link.words;
    root.scrollIntoView();
    // Of a link that names no head nothing can be taken: the run that is shown stays.
    if (!link.settings) return say();
    settings = link.settings;
    controlsFor();
    changed();
  };
  addEventListener("hashchange", linked);
  linked();

  /** Sliders of the head, with their values. */
  function controlsFor() {
    const options = (texts) =>
      Object.entries(texts).map(([value, text]) => `<option value="${value}">${text}</option>`).join("");
    const row = (text, inner) => `<label><span class="mlp-name">${text}</span>${inner}</label>`;
    const slider = ({ name: its, min, max, step }) =>
      row(its, `<input type="range" name="${its}" min="${min}" max="${max}" step="${step}"><output></output>`);
    const held = document.activeElement?.name;
    controls.innerHTML = [
      row("head", `<select name="head">${options(TITLES)}</select>`),
      ...HEADS[settings.head].map(slider),
      slider(SEED),
      row("break it", `<select name="naive">${options({ "": "no: ψ as it should be", ...NAIVE })}</select>`),
    ].join("");
    for (const control of controls.querySelectorAll("input, select")) {
      control.value = settings[control.name] ?? "";
      readOut(control);
    }
    controls.elements.naive.disabled = settings.head === "softmax"; // it has no angle to break
    controls.elements[held]?.focus();
  }

  /** The settings, with what the view draws of the schedule. */
  function about() {
    return { ...settings, anneal: settings.head === "softmax" ? null : RECIPE.anneal, steps: STEPS };
  }

  /** What there is to say of the settings; or what is being done. */
  function say(doing = "") {
    status.textContent = doing || [wrong, limits(settings)].filter(Boolean).join(" ");
  }

  function readOut(control) {
    if (control.type !== "range") return;
    const { step, unit } = slidersOf(settings.head).find((it) => it.name === control.name);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    const text = `${Number(control.value).toFixed(digits)} ${unit}`;
    control.nextElementSibling.textContent = text;
    control.setAttribute("aria-valuetext", text);
  }

  function giveUp(text) {
    view.notice(`${text} The picture is the last one that there was.`);
    controls.disabled = true;
  }

  /** Fetch the images and start the worker, once. */
  async function wake() {
    if (worker) return;
    try {
      worker = makeWorker();
      worker.onmessage = heard;
      worker.onerror = (event) => giveUp(`The worker that trains has failed: ${event.message || "it did not start"}.`);
      say("Fetching the 70,000 images …");
      worker.postMessage({ images: await fetchImages() });
      say();
      view.notice("");
    } catch (error) {
      worker?.terminate();
      worker = undefined;
      say();
      view.notice(`${error.message ?? error} The picture is the last one that there was.`);
    }
  }

  /** Train with the settings as they are now; of many moves within one picture only the last counts. */
  function changed() {
    run += 1;
    say();
    wake();
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(async () => {
      const mine = run;
      toAddress(name, settings);
      await images?.catch(() => {});
      if (!worker || mine !== run) return;
      began = performance.now();
      fresh = true;
      worker.postMessage({ run, settings });
    });
  }

  /** Where a drawn digit lies. The first picture is another's, who left no network: for that a run must begin. */
  function embed(drawn) {
    if (worker && run) worker.postMessage({ drawn });
    else changed();
  }

  function heard({ data }) {
    if (data.drawn) return view.landed(data.drawn);
    if (data.run !== run) return; // of a run that was abandoned
    if (data.error) {
      view.notice(`Training failed: ${data.error}`);
    } else if (data.frame) {
      if (fresh) {
        view.notice("");
        view.reset(about());
      }
      fresh = false;
      last = data.frame;
      view.push(last);
    } else {
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      const right = `${(100 * last.accuracy).toFixed(1)} % of the 10,000 test images right`;
      view.done(last.died ? `The run ended in NaN at step ${last.died.step}. ${last.died.why}`
        : `${right} after ${last.step} steps, in ${seconds} seconds.`);
    }
    root.dataset.state = data.error ? "failed" : data.frame ? "training" : "done";
  }
}

document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }));
const roots = [...document.querySelectorAll(".marginlab-explorer")];
roots.forEach((root, i) => (root.id = i ? `explorer-${i + 1}` : "explorer"));
for (const root of roots) bringToLife(root, root.id);
