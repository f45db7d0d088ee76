// The trainer in the page: the same network, heads, optimiser and schedule as marginlab/training.py, in plain JavaScript.
// Read it from the top: the one equation, a head, the network, the optimiser, the loop.

export const CLASSES = 10;
export const PIXELS = 196; // 14 × 14: each the mean of 2 × 2 of MNIST's, in 16 shades
export const RECIPE = { epochs: 5, batch: 120, rate: 0.02, beta2: 0.95, anneal: [0.2, 0.7], hidden: [96, 48], frames: 100 };

// ---- The one equation: ψ(θ) = ucos(m₁θ + m₂) - m₃ ----

/** [m₁, m₂, m₃] of a head: multiplier, radians, cosine units. */
export function margins({ head, margin, m1, m2, m3 }) {
  if (head === "sphereface") return [margin, 0, 0];
  if (head === "cosface") return [1, 0, margin];
  if (head === "arcface") return [1, margin, 0];
  if (head === "combined") return [m1, m2, m3];
  return [1, 0, 0]; // normface
}

/** The cosine unrolled: falls for all φ ≥ 0, where cos φ would turn back up at π. */
export function ucos(phi) {
  const k = Math.floor(phi / Math.PI);
  return (k % 2 === 0 ? 1 : -1) * Math.cos(phi) - 2 * k;
}

// The naive forms. Each is fed the same angle or cosine as the cure, and goes wrong by itself.
const NOT_UNROLLED = { __proto__: null, "no-unroll": true, "demo-clip": true };
const CLIPPED = {
  __proto__: null, // own names only: "constructor" is no form
  acos: (c) => c,
  clip: (c) => Math.min(Math.max(c, -1 + 1e-5), 1 - 1e-5),
  // Meant to keep the angle in [0, π]; but what it clips is the cosine, so all beyond 90° is read as 90°.
  "demo-clip": (c) => Math.min(Math.max(c, 0), 1 - 1e-5),
};

/** ψ(θ), by the cured form or by the naive one that settings.naive names. */
export function psi(theta, settings) {
  const [m1, m2, m3] = margins(settings);
  const clip = CLIPPED[settings.naive];
  if (clip) theta = Math.acos(clip(Math.cos(theta)));
  const phi = m1 * theta + m2;
  return (NOT_UNROLLED[settings.naive] ? Math.cos(phi) : ucos(phi)) - m3;
}

/** dψ/dθ, of a θ that has been through no clip: -m₁|sin φ| for the cure, -m₁ sin φ where nothing is unrolled. */
function slope(theta, settings) {
  const [m1, m2] = margins(settings);
  const sin = Math.sin(m1 * theta + m2);
  return -m1 * (NOT_UNROLLED[settings.naive] ? sin : Math.abs(sin));
}

/** x̂ and ‖x‖ as [x̂₀, x̂₁, ‖x‖]. The zero vector stays zero; no square overflows or vanishes. */
export function unit(x0, x1) {
  const size = Math.max(Math.abs(x0), Math.abs(x1)) || 1;
  x0 /= size;
  x1 /= size;
  const length = Math.sqrt(x0 * x0 + x1 * x1);
  return [x0 / (length || 1), x1 / (length || 1), size * length];
}

/** The unit vector at x̂, at right angles to it, towards ŵ; zero where x̂ and ŵ lie on one line. */
function tangent(x, w, c) {
  const rest = unit(w[0] - c * x[0], w[1] - c * x[1]);
  return x[2] === 0 || rest[2] <= 4e-16 ? [0, 0] : rest; // 4e-16 is rounding, and no direction
}

/**
 * ψ of the angle between x and w, both as `unit` gives them, with its gradients in x and w.
 * θ = atan2(sine, cosine), the sine measured as the length of x̂ - cos θ ŵ: acos is never called.
 */
export function target(x, w, settings) {
  if (CLIPPED[settings.naive]) return throughAcos(x, w, settings);
  const c = x[0] * w[0] + x[1] * w[1];
  const s = unit(x[0] - c * w[0], x[1] - c * w[1])[2];
  const theta = s === 0 && c === 0 ? Math.PI / 2 : Math.atan2(s, c);
  const fall = -slope(theta, settings);
  const tx = tangent(x, w, c);
  const tw = tangent(w, x, c);
  const byX = fall / (x[2] || 1); // moving x by ε along its tangent turns it by ε/‖x‖
  const byW = fall / (w[2] || 1);
  return { theta, psi: psi(theta, settings), gx: [byX * tx[0], byX * tx[1]], gw: [byW * tw[0], byW * tw[1]] };
}

/** The naive route, in the float32 that training runs in, step by step as a framework differentiates it. */
function throughAcos(x, w, settings) {
  const f = Math.fround;
  const [x0, x1, w0, w1] = [f(x[0]), f(x[1]), f(w[0]), f(w[1])];
  const c = f(f(x0 * w0) + f(x1 * w1));
  const clipped = f(CLIPPED[settings.naive](c));
  const theta = f(Math.acos(clipped)); // NaN where rounding has brought c past 1
  const byC = clipped === c ? f(slope(theta, settings) * f(-1 / f(Math.sqrt(f(1 - f(c * c)))))) : 0; // ∞ at c = 1
  const [m1, m2, m3] = margins(settings);
  const phi = m1 * theta + m2;
  const backward = (u0, u1, v0, v1, length) => {
    const g0 = f(byC * v0);
    const g1 = f(byC * v1);
    const along = f(f(g0 * u0) + f(g1 * u1));
    return [f((g0 - f(along * u0)) / (length || 1)), f((g1 - f(along * u1)) / (length || 1))]; // ∞ - ∞ is NaN
  };
  return {
    theta,
    psi: (NOT_UNROLLED[settings.naive] ? Math.cos(phi) : ucos(phi)) - m3,
    gx: backward(x0, x1, w0, w1, x[2]),
    gw: backward(w0, w1, x0, x1, w[2]),
  };
}

// ---- A head: embeddings and class directions to losses and gradients ----

/**
 * Cross-entropy of each example, and the gradients of their sum.
 * x (n × 2), w (10 × 2) and b (10, softmax only) are flat arrays; a is the annealing, from 0 to 1:
 * logits are a·(the head's) + (1 - a)·‖x‖cos θ, by which classes can still pass each other early on.
 */
export function headGradients(x, w, b, labels, settings, a = 1, n = labels.length) {
  const out = { losses: new Float64Array(n), gx: new Float64Array(2 * n), gw: new Float64Array(2 * CLASSES) };
  out.gb = new Float64Array(CLASSES);
  const plain = settings.head === "softmax";
  const byNorm = settings.scale === "norm";
  const units = Array.from({ length: CLASSES }, (_, j) => unit(w[2 * j], w[2 * j + 1]));
  const cosines = new Float64Array(CLASSES);
  const p = new Float64Array(CLASSES);
  for (let i = 0; i < n; i++) {
    const y = labels[i];
    const [x0, x1] = [x[2 * i], x[2 * i + 1]];
    const u = unit(x0, x1);
    const r = u[2];
    const s = byNorm ? r : settings.scale;
    let hit;
    if (plain) {
      for (let j = 0; j < CLASSES; j++) p[j] = x0 * w[2 * j] + x1 * w[2 * j + 1] + b[j];
    } else {
      const size = a * s + (1 - a) * r;
      for (let j = 0; j < CLASSES; j++) {
        cosines[j] = u[0] * units[j][0] + u[1] * units[j][1];
        p[j] = size * cosines[j];
      }
      hit = target(u, units[y], settings);
      p[y] = a * s * hit.psi + (1 - a) * r * cosines[y];
    }
    out.losses[i] = crossEntropy(p, y); // leaves in p the slopes p_j - [j = y]
    let g0 = 0;
    let g1 = 0;
    for (let j = 0; j < CLASSES; j++) {
      const g = p[j];
      if (plain) {
        g0 += g * w[2 * j];
        g1 += g * w[2 * j + 1];
        out.gw[2 * j] += g * x0;
        out.gw[2 * j + 1] += g * x1;
        out.gb[j] += g;
        continue;
      }
      const [v0, v1, length] = units[j];
      const c = cosines[j];
      const true_ = j === y;
      const across = g * ((true_ ? 0 : a * s) + (1 - a) * r); // reaches x and w through cos θ
      const along = g * ((byNorm ? a * (true_ ? hit.psi : c) : 0) + (1 - a) * c); // reaches x through ‖x‖
      const turnX = r && across / r; // a zero vector has no angle, and no gradient
      const turnW = length && across / length;
      g0 += turnX * (v0 - c * u[0]) + along * u[0];
      g1 += turnX * (v1 - c * u[1]) + along * u[1];
      let h0 = turnW * (u[0] - c * v0);
      let h1 = turnW * (u[1] - c * v1);
      if (true_) {
        g0 += g * a * s * hit.gx[0];
        g1 += g * a * s * hit.gx[1];
        h0 += g * a * s * hit.gw[0];
        h1 += g * a * s * hit.gw[1];
      }
      out.gw[2 * j] += h0;
      out.gw[2 * j + 1] += h1;
    }
    out.gx[2 * i] = g0;
    out.gx[2 * i + 1] = g1;
  }
  return out;
}

/** log Σ exp(f_j) - f_y, with the largest logit taken out of the sum. In place of f it leaves dloss/df. */
function crossEntropy(f, y) {
  const top = Math.max(...f);
  const own = f[y];
  let total = 0;
  for (let j = 0; j < f.length; j++) total += f[j] = Math.exp(f[j] - top);
  for (let j = 0; j < f.length; j++) f[j] = f[j] / total - (j === y ? 1 : 0);
  return Math.log(total) + top - own;
}

// ---- The network: 196 pixels -> 96 -> 48 -> 2, ReLU between ----

/**
 * Three in four pixels are blank, and half of the ReLUs are off. So a vector is kept as the list of its entries that are
 * not 0, index[q] and value[q] for from <= q < to, and meets only those rows of a matrix w, each of n numbers, that count.
 * kernels.js has these three again, four numbers at a time.
 */
export const plain = {
  array: (Type, n) => new Type(n),
  /** y += Σ_q value[q] · w[index[q]] */
  gather(y, w, index, value, from, to, n) {
    for (let q = from; q < to; q++) for (let j = 0; j < n; j++) y[j] += value[q] * w[index[q] * n + j];
  },
  /** w[index[q]] += value[q] · y */
  scatter(w, index, value, from, to, y, n) {
    for (let q = from; q < to; q++) for (let j = 0; j < n; j++) w[index[q] * n + j] += value[q] * y[j];
  },
  /** value[q] = w[index[q]] · y */
  dots(value, w, index, from, to, y, n) {
    for (let q = from; q < to; q++) {
      value[q] = 0;
      for (let j = 0; j < n; j++) value[q] += w[index[q] * n + j] * y[j];
    }
  },
};

/** Images, two pixels a byte, with their labels, as lists of the pixels that are not blank. */
export function unpack(bytes, labels, { array } = plain) {
  const n = labels.length;
  const shade = (i) => (i % 2 ? bytes[i >> 1] & 15 : bytes[i >> 1] >> 4);
  const start = new Uint32Array(n + 1);
  for (let i = 0; i < n * PIXELS; i++) start[Math.floor(i / PIXELS) + 1] += shade(i) > 0;
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
function layers(flat, [a, b]) {
  const sizes = { w1: PIXELS * a, b1: a, w2: a * b, b2: b, w3: b * 2, b3: 2, w: CLASSES * 2, b: CLASSES };
  let at = 0;
  return Object.fromEntries(Object.entries(sizes).map(([name, n]) => [name, flat.subarray(at, (at += n))]));
}

function countWeights([a, b]) {
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
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Weights to begin with, as Keras begins: uniform by Glorot, biases 0, directions normal of spread 0.05. */
function begin(weights, hidden, next) {
  const fans = { w1: [PIXELS, hidden[0]], w2: hidden, w3: [hidden[1], 2] };
  for (const [name, [from, to]] of Object.entries(fans)) {
    const limit = Math.sqrt(6 / (from + to));
    weights[name].forEach((_, i, w) => (w[i] = limit * (2 * next() - 1)));
  }
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  weights.w.forEach((_, i, w) => (w[i] = 0.05 * normal()));
}

/** The way there and back of up to `room` images at a time; k are the weights, g their gradients. */
function network(k, g, [A, B], room, { array, gather, scatter, dots }) {
  const one = array(Float32Array, A);
  const two = array(Float32Array, B);
  const on = array(Uint8Array, room * A); // which of the first hidden units are on
  const h1 = array(Float32Array, room * A); // what those have
  const d1 = array(Float32Array, room * A);
  const h2 = new Float32Array(room * B);
  const count = new Uint32Array(room);

  /** Embeddings x (n × 2) of the images order[from], order[from + 1], … */
  function forward({ start, pixel, value }, order, from, n, x) {
    for (let i = 0; i < n; i++) {
      const image = order[from + i];
      one.set(k.b1);
      gather(one, k.w1, pixel, value, start[image], start[image + 1], A);
      let end = i * A;
      for (let j = 0; j < A; j++) {
        if (!(one[j] <= 0)) {
          on[end] = j;
          h1[end++] = one[j];
        }
      }
      count[i] = end - i * A;
      two.set(k.b2);
      gather(two, k.w2, on, h1, i * A, end, B);
      let x0 = k.b3[0];
      let x1 = k.b3[1];
      for (let l = 0; l < B; l++) {
        if (two[l] < 0) two[l] = 0;
        x0 += two[l] * k.w3[2 * l];
        x1 += two[l] * k.w3[2 * l + 1];
      }
      h2.set(two, i * B);
      x[2 * i] = x0;
      x[2 * i + 1] = x1;
    }
  }

  /** From gradients gx (n × 2) in the embeddings of `forward` back to gradients in the weights, added to g. */
  function backward({ start, pixel, value }, order, from, n, gx) {
    for (let i = 0; i < n; i++) {
      const image = order[from + i];
      const x0 = gx[2 * i];
      const x1 = gx[2 * i + 1];
      g.b3[0] += x0;
      g.b3[1] += x1;
      for (let l = 0; l < B; l++) {
        const h = h2[i * B + l];
        g.w3[2 * l] += h * x0;
        g.w3[2 * l + 1] += h * x1;
        two[l] = h > 0 ? k.w3[2 * l] * x0 + k.w3[2 * l + 1] * x1 : 0;
        g.b2[l] += two[l];
      }
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
  }
  return { forward, backward };
}

// ---- The optimiser: Adam under one cycle ----

/** The rate of step t (from 0): up for a tenth of the steps, then down as a cosine. */
export function rateAt(t, steps, top) {
  const warmup = Math.floor(steps / 10);
  return t < warmup ? (top * t) / warmup : (top / 2) * (1 + Math.cos((Math.PI * (t - warmup)) / (steps - warmup)));
}

function adam(weights, g, m, v, t, rate, beta2) {
  const size = (rate * Math.sqrt(1 - beta2 ** (t + 1))) / (1 - 0.9 ** (t + 1));
  for (let i = 0; i < weights.length; i++) {
    const slope = g[i];
    const mean = (m[i] += (slope - m[i]) * 0.1);
    const square = (v[i] += (slope * slope - v[i]) * (1 - beta2));
    weights[i] -= (mean * size) / (Math.sqrt(square) + 1e-7);
  }
}

// ---- The loop ----

/**
 * Trains, and yields a Frame every so many steps; in between it yields null, so that a caller can look up.
 * data: {train, test, sample}: two `unpack`ed sets, and which test images the frames show.
 * options: of RECIPE, and to retrace another's run its weights (flat) and order (of the images). onReader is given a
 * function that embeds one packed image by the weights as they then are, also after the end.
 */
export function* train(data, settings, options = {}) {
  const { epochs, batch, rate, beta2, anneal, hidden, frames } = { ...RECIPE, ...options };
  const { train: images, test, sample } = data;
  const steps = options.steps ?? Math.ceil((epochs * images.n) / batch);
  // The unguarded acos dies within tens of steps: look at it more often.
  const every = settings.naive === "acos" ? 5 : Math.max(1, Math.ceil(steps / frames));
  const next = random(settings.seed ?? 0);

  const kernels = options.kernels ?? plain;
  kernels.rewind?.();
  const all = kernels.array(Float32Array, countWeights(hidden));
  const g = kernels.array(Float32Array, all.length);
  const [m, v] = [new Float32Array(all.length), new Float32Array(all.length)];
  const k = layers(all, hidden);
  const slopes = layers(g, hidden);
  begin(k, hidden, next);
  if (options.weights) all.set(options.weights);
  const order = options.order ?? Uint32Array.from({ length: images.n }, (_, i) => i);
  let place = order.length;

  const room = Math.max(batch, 250);
  const { forward, backward } = network(k, slopes, hidden, room, kernels);
  const x = new Float64Array(2 * room);
  const labels = new Uint8Array(batch);
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
  options.onReader?.((image) => {
    const out = new Float32Array(2);
    reader.forward(unpack(image, [0]), [0], 0, 1, out);
    return out;
  });

  const everyone = Uint32Array.from({ length: test.n }, (_, i) => i);
  let total = 0;
  let since = 0;
  const frame = (step, died = null) => {
    const embeddings = embed(sample);
    const directions = Float32Array.from({ length: 2 * CLASSES }, (_, i) => unit(k.w[i & ~1], k.w[i | 1])[i & 1]);
    const softmax = settings.head === "softmax";
    const rows = softmax ? k : { w: directions, b: k.b };
    // The last frame's accuracy is of all 10,000 images, the others' of those that they show.
    const whole = step === steps && !died;
    const accuracy = whole
      ? share(embed(everyone), everyone, test.labels, rows)
      : share(embeddings, sample, test.labels, rows);
    const out = { step, loss: died ? NaN : total / since, accuracy, embeddings, directions, died };
    if (softmax) out.linear = Float32Array.from(Array.from(k.b).flatMap((b, j) => [k.w[2 * j], k.w[2 * j + 1], b]));
    total = since = 0;
    return out;
  };

  for (let t = 0; t < steps; t++) {
    if (place + batch > order.length) {
      if (!options.order) shuffle(order, next);
      place = 0;
    }
    for (let i = 0; i < batch; i++) labels[i] = images.labels[order[place + i]];
    forward(images, order, place, batch, x);
    const a = anneal ? Math.min(Math.max((t / steps - anneal[0]) / (anneal[1] - anneal[0]), 0), 1) : 1;
    const { losses, gx, gw, gb } = headGradients(x, k.w, k.b, labels, settings, a, batch);
    const bad = losses.findIndex((loss, i) => !Number.isFinite(loss + gx[2 * i] + gx[2 * i + 1]));
    if (bad >= 0) {
      yield frame(t + 1, { step: t + 1, example: order[place + bad], why: why(losses[bad], settings) });
      return;
    }
    for (const array of [gx, gw, gb]) for (let i = 0; i < array.length; i++) array[i] /= batch;
    g.fill(0);
    slopes.w.set(gw);
    slopes.b.set(gb);
    backward(images, order, place, batch, gx);
    adam(all, g, m, v, t, rateAt(t, steps, rate), beta2);
    place += batch;
    total += losses.reduce((sum, loss) => sum + loss, 0) / batch;
    since += 1;
    if ((t + 1) % every === 0 || t + 1 === steps) yield frame(t + 1);
    else if (t % 4 === 0) yield null;
  }
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
    right += answer === labels[shown[i]];
  }
  return right / shown.length;
}

/**
 * What ten classes in the plane can hold at best, evenly spaced and each example on its own direction: the loss there,
 * and whether that is within the margin, ψ(0) ≥ cos 36°. `budget.py` proves it, for any number and dimension.
 */
export function budget(settings) {
  const own = psi(0, { ...settings, naive: null });
  const others = Array.from({ length: CLASSES - 1 }, (_, j) => Math.cos((2 * Math.PI * (j + 1)) / CLASSES));
  const worst = settings.scale * Math.max(0, others[0] - own); // taken out of the sum: no overflow
  const terms = others.map((c) => Math.exp(settings.scale * (c - own) - worst));
  return { feasible: own >= others[0] - 1e-12, loss: worst + Math.log(terms.reduce((a, b) => a + b, Math.exp(-worst))) };
}

/** In words, why a run ended in NaN. */
function why(loss, { naive }) {
  if (naive === "acos" || naive === "clip" || naive === "demo-clip") {
    return Number.isNaN(loss)
      ? "In float32 its cosine came out above 1, where acos has no value."
      : "In float32 its cosine came out as 1, where acos has slope -1/√(1 - c²) = -∞; and ∞ - ∞ is NaN.";
  }
  return "The loss or its gradient is no finite number.";
}
