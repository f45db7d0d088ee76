// What a frame says: angles, answers, regions, and where a naive form does harm. No canvas here.
//
// settings: {head, margin | m1, m2, m3, scale, seed, naive, steps?: of a whole run, anneal?: [from, to], in shares of it,
//            stages?: the settings of the runs from the start to this one, where it goes on from another}
// frame:    {step, loss, accuracy, embeddings: Float32Array(2n), directions: Float32Array(2C), died,
//            linear?: Float32Array(3C)}   rows (w_x, w_y, b) of plain softmax, whose regions are no sectors
// died:     null | {step, example, label, at: [x, y], theta, why}: the training image that ended the run
//
// Angles are in radians.

import { psi, target, unit } from "./equation.js";

const { PI, abs, atan2, cos, floor, hypot, max, min, sin } = Math;
export const TURN = 2 * PI;

/**
 * How hard the true logit pulls an embedding of length 1 at angle θ towards its class, for a scale of 1:
 * -dψ/dθ as training computes it. Below 0 it pushes away; a naive form may make it infinite or NaN.
 */
export function pull(theta, settings) {
  const at = 5.84; // of the class direction: at this angle rounding is at its worst
  const [x, w] = [at + theta, at].map((t) => unit(cos(t), sin(t)));
  const [g0, g1] = target(x, w, settings).gx;
  return g0 * sin(at + theta) - g1 * cos(at + theta);
}

/** The annealing a at the last step before a frame, from 0 to 1. */
export function annealing(step, { anneal, steps }) {
  if (!anneal || !steps) return 1;
  return min(max(((step - 1) / steps - anneal[0]) / (anneal[1] - anneal[0]), 0), 1);
}

/** The lengths ‖x‖ of the embeddings that have one, from the shortest to the longest. */
function lengthsOf(embeddings) {
  const lengths = [];
  for (let i = 0; i < embeddings.length; i += 2) {
    const length = hypot(embeddings[i], embeddings[i + 1]);
    if (Number.isFinite(length)) lengths.push(length);
  }
  return lengths.sort((p, q) => p - q);
}

/**
 * How much of the true logit is the head's at the moment of a frame; the rest is cos θ. Training blends
 * a·scale·ψ + (1 - a)·‖x‖·cos θ: so it goes by the lengths too, of which this takes the middle one.
 */
export function blend(frame, settings) {
  const a = annealing(frame.step, settings);
  if (a === 0 || a === 1) return a;
  const lengths = lengthsOf(frame.embeddings);
  const middle = lengths[lengths.length >> 1];
  return (a * settings.scale) / (a * settings.scale + (1 - a) * middle);
}

/** ψ, and the pull, as they are when `share` of the true logit is the head's. Of a NaN also none at all is NaN. */
export const psiAt = (theta, settings, share) => share * psi(theta, settings) + (1 - share) * cos(theta);
export const pullAt = (theta, settings, share) => share * pull(theta, settings) + (1 - share) * sin(theta);

/** Angle of each embedding to its own class, (n,), in [0, π]; NaN where there is none. */
export function angles(frame, labels) {
  return Float64Array.from(labels, (y, i) => {
    const [x0, x1] = [frame.embeddings[2 * i], frame.embeddings[2 * i + 1]];
    const [w0, w1] = [frame.directions[2 * y], frame.directions[2 * y + 1]];
    // In the plane the rejection of x from w is their cross product: no acos here either.
    return atan2(abs(x0 * w1 - x1 * w0), x0 * w0 + x1 * w1);
  });
}

/** Logits without margin of point i: scale·cos θ_j, or w_j·x + b_j for plain softmax (else its cos θ_j). */
export function logits(frame, i, settings) {
  const [x, y] = [frame.embeddings[2 * i], frame.embeddings[2 * i + 1]];
  const length = hypot(x, y) || 1;
  return Array.from({ length: frame.directions.length / 2 }, (_, j) => {
    if (frame.linear) return frame.linear[3 * j] * x + frame.linear[3 * j + 1] * y + frame.linear[3 * j + 2];
    return ((frame.directions[2 * j] * x + frame.directions[2 * j + 1] * y) / length) * (settings.scale ?? 1);
  });
}

/** The class that point i is taken for; -1 for none. */
export function answer(frame, i, settings) {
  const values = logits(frame, i, settings);
  return values.indexOf(max(...values));
}

/** Where each class points, (C,). */
export function turnsOf(directions) {
  return Array.from({ length: directions.length / 2 }, (_, j) => atan2(directions[2 * j + 1], directions[2 * j]));
}

/** Rows (w_x, w_y, b) whose largest value of w·x + b is the answer. */
export function rowsOf(frame) {
  const row = (_, k) => (k % 3 < 2 ? frame.directions[floor(k / 3) * 2 + (k % 3)] : 0);
  return frame.linear ?? Float32Array.from({ length: (frame.directions.length / 2) * 3 }, row);
}

/** The part of a convex polygon where side(p) >= 0. */
function cut(polygon, side) {
  return polygon.flatMap((p, k) => {
    const q = polygon[(k + 1) % polygon.length];
    const [a, b] = [side(p), side(q)];
    const crossing = () => [p[0] + (a / (a - b)) * (q[0] - p[0]), p[1] + (a / (a - b)) * (q[1] - p[1])];
    return [...(a >= 0 ? [p] : []), ...(a >= 0 !== b >= 0 ? [crossing()] : [])];
  });
}

/** Where each class is the answer, within the disc of radius r: a convex polygon [[x, y], …] a class. */
export function regions(rows, r) {
  const count = rows.length / 3;
  const disc = Array.from({ length: 90 }, (_, k) => [r * cos((k / 90) * TURN), r * sin((k / 90) * TURN)]);
  return Array.from({ length: count }, (_, i) => {
    let polygon = disc;
    for (let j = 0; j < count && polygon.length; j++) {
      if (i === j) continue;
      const [dx, dy, db] = [0, 1, 2].map((k) => rows[3 * i + k] - rows[3 * j + k]);
      polygon = cut(polygon, ([x, y]) => dx * x + dy * y + db);
    }
    return polygon;
  });
}

/** Classes that are the answer somewhere within the disc of radius r, and nowhere at its rim. */
export function inland(polygons, r) {
  const within = (polygon) => polygon.length > 0 && polygon.every(([x, y]) => hypot(x, y) < 0.99 * r);
  return polygons.flatMap((polygon, j) => (within(polygon) ? [j] : []));
}

/**
 * No-man's-land: where an embedding is classified rightly, but not by the margin as far as it has come in,
 * ψ(θ_y) < cos θ_j. Wedges [from, to], found at every half degree. By the cured ψ: the margin that was asked for.
 */
export function bands(directions, settings, share = 1) {
  const turns = turnsOf(directions);
  const wedges = [];
  const count = 720;
  const step = TURN / count;
  const cured = { ...settings, naive: null };
  for (let k = 0; k < count; k++) {
    const at = (k + 0.5) * step;
    const away = turns.map((t) => abs(atan2(sin(at - t), cos(at - t)))).sort((a, b) => a - b);
    if (psiAt(away[0], cured, share) >= cos(away[1]) - 1e-9) continue;
    const last = wedges.at(-1);
    if (last && abs(last[1] - k * step) < 1e-9) last[1] = (k + 1) * step;
    else wedges.push([k * step, (k + 1) * step]);
  }
  return wedges;
}

/** The size of the plane's disc in the embeddings' unit: nearly all points lie within. */
export function extent(embeddings) {
  const lengths = lengthsOf(embeddings);
  return 1.12 * (lengths[floor(0.985 * (lengths.length - 1))] || 1);
}

/** How many embeddings lie outside of that disc, and are shown on its rim. */
export function outside(embeddings) {
  const reach = extent(embeddings);
  return lengthsOf(embeddings).filter((length) => length > 0.995 * reach).length;
}

/** Values in order, made to rise by at least nothing: who would come before the one ahead shares a place at their mean. */
function rising(values) {
  const blocks = [];
  for (const value of values) {
    blocks.push({ sum: value, size: 1 });
    for (let b = blocks.length - 1; b > 0; b--) {
      if (blocks[b].sum / blocks[b].size > blocks[b - 1].sum / blocks[b - 1].size) break;
      const { sum, size } = blocks.pop();
      blocks[b - 1].sum += sum;
      blocks[b - 1].size += size;
    }
  }
  return blocks.flatMap(({ sum, size }) => Array(size).fill(sum / size));
}

/** Spread angles so that neighbours are `gap` apart or more, moving them as little as may be (by least squares). */
export function spread(turns, gap) {
  const order = turns.flatMap((t, i) => (Number.isFinite(t) ? [i] : [])).sort((a, b) => turns[a] - turns[b]);
  const n = order.length;
  const out = [...turns];
  if (n < 2) return out;
  gap = min(gap, TURN / n);
  // Cut the circle where it is widest: what is left is a row, whose k-th is k gaps from the first or more.
  const opening = (k) => turns[order[(k + 1) % n]] - turns[order[k]] + (k === n - 1 ? TURN : 0);
  const at = order.map((_, k) => k).reduce((best, k) => (opening(k) > opening(best) ? k : best), 0);
  const row = order.map((_, k) => order[(at + 1 + k) % n]);
  const around = (k) => (at + 1 + k >= n ? TURN : 0);
  const wish = row.map((i, k) => turns[i] + around(k) - k * gap);
  const level = rising(wish);
  // And the last must not come round to the first.
  const room = TURN - n * gap;
  const low = (level[0] + level[n - 1] - room) / 2;
  const tight = level[n - 1] - level[0] > room;
  row.forEach((i, k) => {
    const to = tight ? min(max(level[k], low), low + room) : level[k];
    if (to !== wish[k]) out[i] = to + k * gap - around(k);
  });
  return out;
}

/** Whether a frame has something to show. */
export const finite = (frame) => Number.isFinite(frame.embeddings[0]) && Number.isFinite(frame.directions[0]);

/** The moment between two frames: where points are on their way from one to the next. */
export function between(a, b, share) {
  const mix = (u, v) => u.map((value, k) => value + share * (v[k] - value));
  const directions = mix(a.directions, b.directions);
  for (let k = 0; k < directions.length; k += 2) {
    const length = hypot(directions[k], directions[k + 1]) || 1;
    directions[k] /= length;
    directions[k + 1] /= length;
  }
  const linear = a.linear && mix(a.linear, b.linear);
  return { ...(share < 0.5 ? a : b), embeddings: mix(a.embeddings, b.embeddings), directions, linear };
}

// ---- What a naive form does ----

/** What becomes of a pull: "lost" where it is no finite number, "none" where there is none, "away", or "" where it pulls. */
export function fate(naive, cured, most = Infinity) {
  if (!(abs(naive) <= most && abs(naive) < Infinity)) return "lost";
  if (naive === 0 && cured > 1e-3) return "none";
  return naive < -1e-3 ? "away" : "";
}

/** Of each embedding what becomes of its pull in a naive form, (n,); before the margin comes in only what is lost. */
export function fates({ embeddings, directions }, labels, thetas, settings, share) {
  const cured = { ...settings, naive: null };
  return Array.from(labels, (y, i) => {
    const x = unit(embeddings[2 * i], embeddings[2 * i + 1]);
    const w = unit(directions[2 * y], directions[2 * y + 1]);
    const side = x[0] * w[1] - x[1] * w[0] < 0 ? -1 : 1;
    const [g0, g1] = target(x, w, settings).gx;
    const kind = fate(side * (g1 * x[0] - g0 * x[1]) * x[2], pull(thetas[i], cured));
    return share > 0 || kind === "lost" ? kind : "";
  });
}

/** Whether a naive form fails next to 0, where only a logarithmic axis shows it. */
export const failsNear0 = ({ naive }) => naive === "acos" || naive === "clip";
export const SMALLEST = PI / 180_000; // 0.001°
const NEAR = Array.from({ length: 361 }, (_, k) => SMALLEST * (PI / SMALLEST) ** (k / 360));
export const SAMPLES = Array.from({ length: 361 }, (_, k) => (k / 360) * PI);

const MOST = 12; // beyond it a formula is not drawn

/** What of some values is drawn. */
export const within = (values) => values.filter((v) => abs(v) <= MOST);

/**
 * The pull over θ, cured and naive, and the stretches [from, to, fate] where the naive one does harm. What is lost at
 * some angles near 0 or π, by the luck of rounding, is one stretch.
 */
export function pulls(settings, share) {
  const thetas = failsNear0(settings) ? NEAR : SAMPLES.slice(1, -1);
  const cured = thetas.map((t) => pullAt(t, { ...settings, naive: null }, share));
  const naive = settings.naive ? thetas.map((t) => pullAt(t, settings, share)) : [];
  // The axis is of the whole margin, and so it stays as it is while the margin comes in.
  const whole = thetas.map((t) => pull(t, { ...settings, naive: null }));
  const top = settings.head === "own" ? 1.1 * max(1, ...within(whole)) : 1.1 * max(...whole);
  const kinds = naive.map((p, k) => fate(p, cured[k], 1.001 * top));
  const harms = [];
  kinds.forEach((kind, k) => {
    if (!kind) return;
    const last = harms.at(-1);
    const near = k > 0 && kinds[k - 1] === kind;
    const sameEnd = kind === "lost" && last?.[2] === kind && last[0] < PI / 2 === thetas[k] < PI / 2;
    if (near || sameEnd) last[1] = thetas[k];
    else harms.push([thetas[k], thetas[k], kind]);
  });
  return { thetas, cured, naive, top, harms, shown: naive.map((p, k) => (kinds[k] === "lost" ? Number.NaN : p)) };
}
