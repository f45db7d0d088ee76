// The network: 196 pixels -> 96 -> 48 -> 2, ReLU between.

import { plain } from "./loops.js";
import { cos, log } from "./mathematics.js";

export const CLASSES = 10;
export const PIXELS = 196; // 14 × 14: each the mean of 2 × 2 of MNIST's, in 16 shades

/** Images, two pixels a byte, with their labels, as lists of the pixels that are not blank. */
export function unpack(bytes, labels, { array } = plain) {
  const n = labels.length;
  const shade = (i) => (i % 2 ? bytes[i >> 1] & 15 : bytes[i >> 1] >> 4);
  const start = new Uint32Array(n + 1);
  for (let i = 0; i < n * PIXELS; i++) start[Math.floor(i / PIXELS) + 1] += Number(shade(i) > 0);
  for (let i = 0; i < n; i++) start[i + 1] += start[i];
  const pixel = array(Uint8Array, start[n]);
  const value = array(Float32Array, start[n]);
  for (let i = 0, at = 0; i < n * PIXELS; i++) {
    if (shade(i) === 0) continue;
    pixel[at] = i % PIXELS;
    value[at++] = shade(i) / 15;
  }
  return { n, labels, start, pixel, value };
}

/** An image of 28 × 28, 0 to 255, as `unpack` takes it: means of 2 × 2 in 16 shades, two a byte. */
export function pack(image) {
  const shade = (i) => {
    const at = 56 * Math.floor(i / 14) + 2 * (i % 14);
    return Math.round((image[at] + image[at + 1] + image[at + 28] + image[at + 29]) / 68);
  };
  return Uint8Array.from({ length: PIXELS / 2 }, (_, i) => (shade(2 * i) << 4) | shade(2 * i + 1));
}

/** Views into one flat array of all weights: so the optimiser is one loop. */
export function layers(flat, [a, b]) {
  const sizes = { w1: PIXELS * a, b1: a, w2: a * b, b2: b, w3: b * 2, b3: 2, w: CLASSES * 2, b: CLASSES };
  let at = 0;
  return Object.fromEntries(Object.entries(sizes).map(([name, n]) => [name, flat.subarray(at, (at += n))]));
}

export function countWeights([a, b]) {
  return (PIXELS + 1) * a + (a + 1) * b + (b + 1) * 2 + 3 * CLASSES;
}

/** A generator of numbers in [0, 1) from a seed: mulberry32. */
export function random(seed) {
  let state = (seed * 0x9e3779b9 + 0x6d2b79f5) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Weights to begin with, as Keras begins: uniform by Glorot, biases 0, directions normal of spread 0.05. */
export function begin(weights, hidden, next) {
  const fans = { w1: [PIXELS, hidden[0]], w2: hidden, w3: [hidden[1], 2] };
  for (const [name, [from, to]] of Object.entries(fans)) {
    const limit = Math.sqrt(6 / (from + to));
    weights[name].forEach((_, i, w) => (w[i] = limit * (2 * next() - 1)));
  }
  const normal = () => Math.sqrt(-2 * log(1 - next())) * cos(2 * Math.PI * next());
  weights.w.forEach((_, i, w) => (w[i] = 0.05 * normal()));
}

/** The way there and back of up to `room` images at a time; k are the weights, g their gradients. */
export function network(k, g, [A, B], room, kernels) {
  const { array } = kernels;
  const work = {
    one: array(Float32Array, A),
    two: array(Float32Array, B),
    on: array(Uint8Array, room * A), // which of the first hidden units are on
    h1: array(Float32Array, room * A), // what those have
    d1: array(Float32Array, room * A),
    h2: array(Float32Array, room * B),
    xy: array(Float64Array, 2), // an embedding, or the gradient in it
    count: new Uint32Array(room),
  };
  return { forward: forwardOf(k, work, A, B, kernels), backward: backwardOf(k, g, work, A, B, kernels) };
}

/** Of a network the way there: embeddings x (n × 2) of the images order[from], order[from + 1], … */
function forwardOf(k, { one, two, on, h1, h2, xy, count }, A, B, { gather, positive, toPlane }) {
  return ({ start, pixel, value }, order, from, n, x) => {
    for (let i = 0; i < n; i++) {
      const image = order[from + i];
      one.set(k.b1);
      gather(one, k.w1, pixel, value, start[image], start[image + 1], A);
      const end = positive(on, h1, i * A, one, A);
      count[i] = end - i * A;
      two.set(k.b2);
      gather(two, k.w2, on, h1, i * A, end, B);
      xy.set(k.b3);
      toPlane(xy, two, k.w3, B);
      h2.set(two, i * B);
      x[2 * i] = xy[0];
      x[2 * i + 1] = xy[1];
    }
  };
}

/** And back: from gradients gx (n × 2) in the embeddings of the way there to gradients in the weights, added to g. */
function backwardOf(k, g, { one, two, on, h1, d1, h2, xy, count }, A, B, { scatter, dots, fromPlane }) {
  return ({ start, pixel, value }, order, from, n, gx) => {
    for (let i = 0; i < n; i++) {
      const image = order[from + i];
      for (const j of [0, 1]) {
        xy[j] = gx[2 * i + j];
        g.b3[j] += xy[j];
      }
      fromPlane(two, h2, i * B, k.w3, xy, g.b2, g.w3, B);
      const end = i * A + count[i];
      scatter(g.w2, on, h1, i * A, end, two, B);
      dots(d1, k.w2, on, i * A, end, two, B);
      one.fill(0);
      for (let q = i * A; q < end; q++) {
        one[on[q]] = d1[q];
        g.b1[on[q]] += d1[q];
      }
      scatter(g.w1, pixel, value, start[image], start[image + 1], one, A);
    }
  };
}
