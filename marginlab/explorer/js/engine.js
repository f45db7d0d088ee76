// The trainer in the page: the same network, heads, optimiser and schedule as marginlab/training.py, in plain JavaScript.

import { digestOf } from "./digest.js";
import { formOf, slope, target, unit } from "./equation.js";
import { headGradients } from "./head.js";
import { plain } from "./loops.js";
import { acos, cos, pow } from "./mathematics.js";
import { begin, CLASSES, countWeights, layers, network, random, unpack } from "./network.js";
import { RECIPE, WHY } from "./tables.js";

const FRAMES = 100; // that a run yields

// ---- The optimiser: Adam under one cycle ----

/** The rate of step t (from 0): up for a tenth of the steps, then down as a cosine. */
export function rateAt(t, steps, top) {
  const warmup = Math.floor(steps / 10);
  return t < warmup ? (top * t) / warmup : (top / 2) * (1 + cos((Math.PI * (t - warmup)) / (steps - warmup)));
}

/** How much of the margin is in at step t (from 0): 0 to 1 between two shares of the run, 1 without any. */
export function annealedAt(t, steps, anneal) {
  return anneal ? Math.min(Math.max((t / steps - anneal[0]) / (anneal[1] - anneal[0]), 0), 1) : 1;
}

/** What `adam` of loops.js takes at step t (from 0). */
const adamAt = (t, rate, beta2) => [
  (rate * Math.sqrt(1 - pow(beta2, t + 1))) / (1 - pow(0.9, t + 1)),
  0.1,
  1 - beta2,
  1e-7,
];

// ---- The loop ----

/**
 * Trains, and yields a Frame every so many steps; in between it yields null, so that a caller can look up. Returns the
 * weights at the end, flat; of a run that died none.
 * data: {train, test, sample}: two `unpack`ed sets, and which test images the frames show.
 * options: of the recipe, {steps, frames, kernels}; weights to begin with, and from which share of the whole run;
 * and to retrace another's run the order (of the images). onReader is given two functions that also work after the end,
 * by the weights as they then are: one embeds one packed image, the other all test images: {embeddings, labels}.
 *
 * @param {any} data
 * @param {any} settings
 * @param {any} options
 */
export function* train(data, settings, options = {}) {
  const { epochs, batch, rate, beta2, anneal, frames } = { ...RECIPE, frames: FRAMES, ...options };
  const { train: images } = data;
  const steps = options.steps ?? Math.ceil((epochs * images.n) / batch);
  // The unguarded acos dies within tens of steps: look at it more often.
  const every = settings.naive === "acos" ? 5 : Math.max(1, Math.ceil(steps / frames));
  const first = Math.ceil((options.from ?? 0) * steps);
  const model = beginRun(data, settings, { ...RECIPE, ...options });
  const { k, slopes, next } = model;
  const order = options.order ?? Uint32Array.from({ length: images.n }, (_, i) => i);
  let place = order.length;
  const x = new Float64Array(2 * batch);
  const labels = new Uint8Array(batch);
  const losses = [];
  const look = (step, died = null) =>
    lookAt(model, data, settings, { step, whole: step === steps - first && !died, died, losses });

  for (let t = first; t < steps; t++) {
    if (place + batch > order.length) {
      if (!options.order) shuffle(order, next);
      place = 0;
    }
    for (let i = 0; i < batch; i++) labels[i] = images.labels[order[place + i]];
    model.forward(images, order, place, batch, x);
    const hit = headGradients(x, k.w, k.b, labels, settings, annealedAt(t, steps, anneal), batch);
    const bad = firstBad(hit);
    if (bad >= 0) {
      const at = [x[2 * bad], x[2 * bad + 1]];
      const step = t + 1 - first;
      yield look(step, { step, example: order[place + bad], ...death(at, k.w, labels[bad], settings) });
      return;
    }
    for (const array of [hit.gx, hit.gw, hit.gb]) for (let i = 0; i < array.length; i++) array[i] /= batch;
    model.g.fill(0);
    slopes.w.set(hit.gw);
    slopes.b.set(hit.gb);
    model.backward(images, order, place, batch, hit.gx);
    model.descend(adamAt(t, rateAt(t, steps, rate), beta2));
    place += batch;
    losses.push(hit.losses.reduce((sum, loss) => sum + loss, 0) / batch);
    if ((t + 1) % every === 0 || t + 1 === steps) yield look(t + 1 - first);
    else if (t % 4 === 0) yield null;
  }
  return model.all.slice();
}

/** Weights, the optimiser's memory, and the ways through the network, as a run begins with them. */
function beginRun({ test }, settings, { batch, hidden, weights, kernels = plain, onReader }) {
  const next = random(settings.seed ?? 0);
  kernels.rewind?.();
  const all = kernels.array(Float32Array, countWeights(hidden));
  const g = kernels.array(Float32Array, all.length);
  const [m, v] = [0, 1].map(() => kernels.array(Float32Array, all.length));
  const by = kernels.array(Float64Array, 4);
  const descend = (now) => {
    by.set(now);
    kernels.adam(all, g, m, v, by);
  };
  const k = layers(all, hidden);
  const slopes = layers(g, hidden);
  begin(k, hidden, next);
  if (weights) all.set(weights);
  const room = Math.max(batch, 250);
  const { forward, backward } = network(k, slopes, hidden, room, kernels);
  const x = new Float64Array(2 * room);
  /** Embeddings of test images. */
  const embed = (indices) => {
    const out = new Float32Array(2 * indices.length);
    for (let from = 0; from < indices.length; from += room) {
      const n = Math.min(room, indices.length - from);
      forward(test, indices, from, n, x);
      out.set(x.subarray(0, 2 * n), 2 * from);
    }
    return out;
  };
  const reader = network(k, slopes, hidden, 1, plain);
  const read = (image) => {
    const out = new Float32Array(2);
    reader.forward(unpack(image, [0]), [0], 0, 1, out);
    return out;
  };
  onReader?.(read, () => ({ embeddings: embed(everyOf(test)), labels: test.labels }));
  return { all, g, k, slopes, next, forward, backward, descend, embed };
}

/** The indices of all images. */
const everyOf = ({ n }) => Uint32Array.from({ length: n }, (_, i) => i);

/**
 * A Frame: {step, loss, accuracy, embeddings, directions, died, linear?}. It takes the losses since the last one.
 * The accuracy of a whole run's last frame is of all 10,000 images, the others' of those that they show. A run's last
 * frame has a digest of the weights too.
 */
function lookAt({ all, k, embed }, { test, sample }, settings, { step, whole, died, losses }) {
  const embeddings = embed(sample);
  const directions = Float32Array.from({ length: 2 * CLASSES }, (_, i) => unit(k.w[i & ~1], k.w[i | 1])[i & 1]);
  const softmax = settings.head === "softmax";
  const rows = softmax ? k : { w: directions, b: k.b };
  const everyone = whole && everyOf(test);
  const accuracy = everyone
    ? share(embed(everyone), everyone, test.labels, rows)
    : share(embeddings, sample, test.labels, rows);
  const total = losses.reduce((sum, loss) => sum + loss, 0);
  /** @type {any} */
  const out = { step, loss: died ? Number.NaN : total / losses.length, accuracy, embeddings, directions, died };
  losses.length = 0;
  if (whole || died) out.weights = digestOf(all);
  if (!softmax) return out;
  return { ...out, linear: Float32Array.from(Array.from(k.b).flatMap((b, j) => [k.w[2 * j], k.w[2 * j + 1], b])) };
}

function shuffle(order, next) {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}

/** Share of the images whose largest logit is their own: w·x + b, without a margin. */
function share(embeddings, shown, labels, { w, b }) {
  let right = 0;
  for (let i = 0; i < shown.length; i++) {
    let best = -Infinity;
    let answer = -1;
    for (let j = 0; j < CLASSES; j++) {
      const f = embeddings[2 * i] * w[2 * j] + embeddings[2 * i + 1] * w[2 * j + 1] + b[j];
      if (f > best) [best, answer] = [f, j];
    }
    right += Number(answer === labels[shown[i]]);
  }
  return right / shown.length;
}

// ---- The end of a run that went wrong ----

/** The first example whose loss or gradient is no finite number, or -1. */
const firstBad = ({ losses, gx }) => losses.findIndex((loss, i) => !Number.isFinite(loss + gx[2 * i] + gx[2 * i + 1]));

/** Of the example that ended a run: its label, where it was, its angle to its own class, and why. */
function death(at, w, label, settings) {
  const [x, v] = [unit(at[0], at[1]), unit(w[2 * label], w[2 * label + 1])];
  if (settings.head === "softmax") return { label, at, theta: null, why: WHY.other };
  const { theta } = target(x, v, { ...settings, naive: null });
  return { label, at, theta, why: why(target(x, v, settings).c, settings) };
}

/** In words, why a run ended in NaN, c being the cosine as the naive form had it. */
export function why(c, settings) {
  const form = formOf(settings);
  const atAnEnd = form?.acos && !form.clip && Math.abs(c) >= 1;
  if (!atAnEnd) return WHY.other;
  const flat = slope(Math.fround(acos(c)), settings) === 0;
  const kind = Math.abs(c) > 1 ? "beyond" : flat ? "flat" : "steep";
  return WHY[kind].replace("{c}", String(Number(c.toPrecision(8))).replace("-", "−"));
}
