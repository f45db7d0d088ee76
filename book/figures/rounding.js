// What float32 and half precision make of a cosine. Every operation is rounded as the type rounds it.

/** @typedef {[number, number, number, number]} Vectors */

const f = Math.fround;

/** Two vectors of length 1 in float32, theta radians apart, the second at turn: [x₀, x₁, w₀, w₁]. */
export const pair = (theta, turn) =>
  /** @type {Vectors} */ ([Math.cos(turn + theta), Math.sin(turn + theta), Math.cos(turn), Math.sin(turn)].map(f));

/** x·w in float32. */
export const cosine = ([x0, x1, w0, w1]) => f(f(x0 * w0) + f(x1 * w1));

/** The length of the rejection x - c w, in float32. */
export function sine([x0, x1, w0, w1]) {
  const c = cosine([x0, x1, w0, w1]);
  const [r0, r1] = [f(x0 - f(c * w0)), f(x1 - f(c * w1))];
  return f(Math.sqrt(f(f(r0 * r0) + f(r1 * r1))));
}

/** The angle of these very vectors. A product of two float32 is exact in float64, so only one rounding is left. */
export const truth = ([x0, x1, w0, w1]) => Math.atan2(Math.abs(x0 * w1 - x1 * w0), x0 * w0 + x1 * w1);

/** The angle by the arccos of the cosine, in radians; NaN where rounding has brought the cosine above 1. */
export const throughCosine = (vectors) => f(Math.acos(cosine(vectors)));

/** The angle by the atan2 of sine and cosine, in radians. */
export const measured = (vectors) => f(Math.atan2(sine(vectors), cosine(vectors)));

/** 1 - ε as float32 has it: the highest cosine that a clip lets through. */
export const top = (epsilon) => f(1 - epsilon);

/**
 * The gradient of cos(θ + m) in x by the chain rule through a clip and the arccos, in float32: [g₀, g₁].
 * A clipped cosine is a constant, and passes nothing; at a cosine of 1 the derivative is infinite, and ∞ - ∞ is NaN.
 */
export function clippedGradient([x0, x1, w0, w1], m, epsilon) {
  const c = cosine([x0, x1, w0, w1]);
  const held = f(Math.min(Math.max(c, -top(epsilon)), top(epsilon)));
  const slope = f(f(Math.sin(f(f(Math.acos(held)) + f(m)))) / f(Math.sqrt(f(1 - f(held * held)))));
  const byC = held === c ? slope : 0;
  const [g0, g1] = [f(byC * w0), f(byC * w1)];
  const along = f(f(g0 * x0) + f(g1 * x1));
  return [f(g0 - f(along * x0)), f(g1 - f(along * x1))];
}

/** The same gradient by the measured angle: sin(θ + m) along the tangent, in float32. */
export function measuredGradient([x0, x1, w0, w1], m) {
  const all = /** @type {Vectors} */ ([x0, x1, w0, w1]);
  const c = cosine(all);
  const [t0, t1] = [f(w0 - f(c * x0)), f(w1 - f(c * x1))];
  const long = f(Math.sqrt(f(f(t0 * t0) + f(t1 * t1)))) || 1;
  const size = f(Math.sin(f(measured(all) + f(m))));
  return [f(size * f(t0 / long)), f(size * f(t1 / long))];
}

/** The same in float64, of these very vectors: sin(θ + m), at right angles to x and towards w. */
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
