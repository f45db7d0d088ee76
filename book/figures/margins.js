// The one equation, and what it says of losses, of room and of what is asked for. Angles in radians.

const { PI, abs, cos, sin } = Math;

/** (-1)^k cos φ - 2k, k = ⌊φ/π⌋: the unrolled cosine, which falls for every φ. */
export function ucos(phi) {
  const k = Math.floor(phi / PI);
  return (k % 2 === 0 ? 1 : -1) * cos(phi) - 2 * k;
}

/** ψ(θ) = ucos(m₁θ + m₂) - m₃ */
export const psi = (theta, [m1, m2, m3]) => ucos(m1 * theta + m2) - m3;

/** What public code puts in the place of ψ past π, for ArcFace with margin m. */
export const PATCHES = {
  fallback: (theta, m) => (theta < PI - m ? cos(theta + m) : cos(theta) - m * sin(m)),
  "easy margin": (theta, m) => (cos(theta) > 0 ? cos(theta + m) : cos(theta)),
  "held at π": (theta, m) => cos(Math.min(theta + m, PI)),
};

/** How far ψ jumps, up being positive: of the fallback at π - m, of easy margin at 90°. */
export const JUMPS = {
  fallback: (m) => 1 - cos(m) - m * sin(m),
  "easy margin": (m) => sin(m),
};

/** Further from its own direction than this an image at θ must be from another's; NaN where no angle is enough. */
export function asked(theta, margins) {
  const value = psi(theta, margins);
  return abs(value) <= 1 ? Math.acos(value) - theta : Number.NaN;
}

/** 1 - cos without the cancellation. */
const gap = (angle) => 2 * sin(angle / 2) ** 2;

/** Lowest loss without a margin, in nats: classes spread evenly over the circle, or all equally far apart. */
export function floor(classes, scale, plane) {
  const far = { angles: [2 * Math.asin(Math.sqrt(classes / (2 * (classes - 1))))], counts: [classes - 1] };
  const around = Array.from({ length: classes - 1 }, (_, j) => (2 * PI * (j + 1)) / classes);
  const { angles, counts } = plane ? { angles: around, counts: around.map(() => 1) } : far;
  return Math.log1p(angles.reduce((sum, angle, k) => sum + counts[k] * Math.exp(-scale * gap(angle)), 0));
}

/** Mean losses in nats of embeddings stretched by a factor, by a head w without bias: of those right, wrong, and all. */
export function stretched({ x, y, w }, factor) {
  const sums = [0, 0];
  const counts = [0, 0];
  for (const [k, [x0, x1]] of x.entries()) {
    const logits = w.map(([w0, w1]) => factor * (x0 * w0 + x1 * w1));
    const most = Math.max(...logits);
    const loss = Math.log(logits.reduce((sum, v) => sum + Math.exp(v - most), 0)) + most - logits[y[k]];
    const group = logits.indexOf(most) === y[k] ? 0 : 1;
    sums[group] += loss;
    counts[group] += 1;
  }
  const [right, wrong] = sums.map((sum, k) => sum / counts[k]);
  return { right, wrong, mean: (sums[0] + sums[1]) / x.length, count: counts[0] };
}

/**
 * The room of classes at these angles on the circle: of each the largest margin of CosFace that it can have, the angle
 * where an image has it, and its neighbours.
 *
 * An image at φ from its direction, with a neighbour at b ahead, has cos φ - cos(φ - b) = 2 sin(b/2) sin(b/2 - φ), and with
 * one at a behind 2 sin(a/2) sin(a/2 + φ). They meet between the two neighbours, at φ = (b - a)/2, where both are
 * 2 sin(a/2) sin(b/2). No φ has more, unless a gap is wider than π: then the neighbour across it does not count, and the
 * best is the top of the other, which is the same with π in the place of that gap.
 */
export function room(angles) {
  const turns = angles.map(wrapped);
  const order = turns.map((_, k) => k).sort((i, j) => turns[i] - turns[j] || i - j);
  const found = [];
  for (const [place, k] of order.entries()) {
    const before = order[(place || order.length) - 1];
    const after = order[(place + 1) % order.length];
    const a = turns[k] - turns[before] + (place ? 0 : 2 * PI);
    const b = turns[after] - turns[k] + (place < order.length - 1 ? 0 : 2 * PI);
    const [low, high] = [Math.min(a, PI), Math.min(b, PI)];
    const margin = 2 * sin(low / 2) * sin(high / 2);
    found[k] = { margin, at: turns[k] + (high - low) / 2, before, after };
  }
  return found;
}

/** An angle as one from 0 to 2π. */
export const wrapped = (angle) => ((angle % (2 * PI)) + 2 * PI) % (2 * PI);

/** Of sorted angles, in tenths of a degree, how many are past π when multiplied by m. */
export const past = (tenths, m) => tenths.filter((v) => v * m > 1800).length;

/** Bytes that training holds for a head of these classes: directions, gradient and Adam's two, and three times the logits. */
export const memory = (classes, dim, batch) => ({ directions: 16 * classes * dim, logits: 12 * batch * classes });

/** Bytes of what devices exchange in a step, on each: directions copied, or spread over them. */
export const sent = (classes, dim, batch) => ({ copied: 8 * classes * dim, spread: 8 * batch * dim + 20 * batch });
