// What float32 and half precision make of a cosine. Every operation is rounded as the type rounds it.

/** @typedef {[number, number, number, number]} Vectors */

const f = Math.fround;

/** Two vectors of length 1 in float32, theta radians apart, the second at turn: [x₀, x₁, w₀, w₁]. */
export const pair = (theta, turn) =>
  /** @type {Vectors} */ ([Math.cos(turn + theta), Math.sin(turn + theta), Math.cos(turn), Math.sin(turn)].map(f));

/** x̂ and ‖x‖ in float32, the steps being those of `geometry.unit`: [x̂₀, x̂₁, ‖x‖]. */
function unit(x0, x1) {
  const size = Math.max(Math.abs(x0), Math.abs(x1)) || 1;
  const [s0, s1] = [f(x0 / size), f(x1 / size)];
  const root = f(Math.sqrt(f(f(s0 * s0) + f(s1 * s1)))) || 1;
  return [f(s0 / root), f(s1 / root), f(size * root)];
}

const dot = (a, b) => f(f(a[0] * b[0]) + f(a[1] * b[1]));

/** x̂, ŵ, their cosine, the rejection x̂ - c ŵ and its length, the sine. */
function parts([x0, x1, w0, w1]) {
  const [x, w] = [unit(x0, x1), unit(w0, w1)];
  const c = dot(x, w);
  const rest = [0, 1].map((k) => f(x[k] - f(c * w[k])));
  const [r0, r1, s] = unit(rest[0], rest[1]);
  return { x, w, c, r: [r0, r1], s: rest[0] || rest[1] ? s : 0 };
}

/** cos θ, sin θ and θ = atan2(sin θ, cos θ), as `geometry` measures them, in float32. */
export const cosine = (vectors) => parts(vectors).c;
export const sine = (vectors) => parts(vectors).s;
export function measured(vectors) {
  const { c, s } = parts(vectors);
  return f(Math.atan2(s, c));
}

/** The angle by the arccos of the cosine, in radians; NaN where rounding has brought the cosine above 1. */
export const throughCosine = (vectors) => f(Math.acos(cosine(vectors)));

/** The angle of these very vectors. A product of two float32 is exact in float64, so only one rounding is left. */
export const truth = ([x0, x1, w0, w1]) => Math.atan2(Math.abs(x0 * w1 - x1 * w0), x0 * w0 + x1 * w1);

/** 1 - ε as float32 has it: the highest cosine that a clip lets through. */
export const top = (epsilon) => f(1 - epsilon);

/** A gradient in x̂ as one in x: what is along x̂ goes. */
function inX(g, x) {
  const along = dot(g, x);
  return [0, 1].map((k) => f(f(g[k] - f(along * x[k])) / x[2]));
}

/**
 * The gradient of cos(θ + m) in x by the chain rule through a clip and the arccos, in float32: [g₀, g₁].
 * A clipped cosine is a constant, and passes nothing; at a cosine of 1 the derivative is infinite, and ∞ - ∞ is NaN.
 */
export function clippedGradient(vectors, m, epsilon) {
  const [x0, x1, ...w] = vectors;
  const x = unit(x0, x1);
  const c = dot(x, w); // w is of length 1 as far as float32 knows, and is not divided again: so does the chapter
  const held = f(Math.min(Math.max(c, -top(epsilon)), top(epsilon)));
  const slope = f(f(Math.sin(f(f(Math.acos(held)) + f(m)))) / f(Math.sqrt(f(1 - f(held * held)))));
  const byC = held === c ? slope : 0;
  return inX([f(byC * w[0]), f(byC * w[1])], x);
}

/** The same gradient through the measured sine, by the chain rule through atan2 and the rejection, in float32. */
export function measuredGradient(vectors, m) {
  const { x, w, c, r, s } = parts(vectors);
  const fall = -f(Math.abs(Math.sin(f(f(Math.atan2(s, c)) + f(m)))));
  const one = f(f(s * s) + f(c * c));
  const byS = f(fall * f(c / one));
  const byR = [f(byS * r[0]), f(byS * r[1])];
  const byC = f(f(fall * f(-s / one)) - dot(byR, w));
  return inX(
    [0, 1].map((k) => f(byR[k] + f(byC * w[k]))),
    x,
  );
}

/** The same in float64, of these very vectors: sin(θ + m)/‖x‖, at right angles to x and towards w. */
export function trueGradient([x0, x1, w0, w1], m) {
  const length = Math.hypot(x0, x1);
  const way = Math.sign(x0 * w1 - x1 * w0);
  const size = Math.sin(truth([x0, x1, w0, w1]) + m) / length;
  return [(-way * size * x1) / length, (way * size * x0) / length];
}

/** How far one gradient is from another, as a share of the other's length. @param {number[]} a @param {number[]} b */
export const off = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) / Math.hypot(...b);

/** A number to so many binary digits, ties to the even neighbour: 24 float32, 11 float16, 8 bfloat16, in their usual range. */
export function toBits(v, bits) {
  if (v === 0) return v;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(v))) - bits + 1);
  const [low, part] = [Math.floor(v / unit), v / unit - Math.floor(v / unit)];
  const up = part > 0.5 || (part === 0.5 && low % 2 !== 0);
  return (low + Number(up)) * unit;
}

/** The angle that is read from a cosine of so many binary digits, in radians. */
export const readBack = (theta, bits) => Math.acos(toBits(Math.cos(theta), bits));
