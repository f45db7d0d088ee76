// The one equation, ψ(θ) = ucos(m₁θ + m₂) - m₃, or the reader's own in its place; its gradients, and its naive forms.

import { dual, known, ucos } from "./formula.js";
import { acos, atan2, cos, sin } from "./mathematics.js";
import { FAMILY, FORMS } from "./tables.js";

// Of each head the names of its settings that are m₁, m₂ and m₃; undefined where it has none.
/** @type {Record<string, (string | undefined)[]>} */
const NAMES = Object.create(null); // own names only: "constructor" is no head
for (const [head, { sliders }] of Object.entries(FAMILY)) {
  NAMES[head] = [0, 1, 2].map((place) => sliders.find((it) => it.place === place)?.name);
}

/** [m₁, m₂, m₃] of a head: multiplier, radians, cosine units. */
export function margins(settings) {
  const names = NAMES[settings.head];
  if (!names) throw new Error(`head must be one of ${Object.keys(NAMES).join(", ")}, got ${settings.head}`);
  const [m1, m2, m3] = names;
  return [m1 ? settings[m1] : 1, m2 ? settings[m2] : 0, m3 ? settings[m3] : 0];
}

// The naive forms. Each is fed the same angle or cosine as the cure, and goes wrong by itself.

/** The naive form that settings.naive names, or null for the cure. */
export function formOf({ naive }) {
  if (naive === null || naive === undefined || naive === "") return null;
  if (!Object.hasOwn(FORMS, naive))
    throw new Error(`naive must be one of ${Object.keys(FORMS).join(", ")}, got ${naive}`);
  return FORMS[naive];
}

const clipped = (c, { clip }) => (clip ? Math.min(Math.max(c, clip[0]), clip[1]) : c);
const wave = (phi, form) => (form && !form.unrolled ? cos(phi) : ucos(phi));

/** ψ(θ), by the cured form or by the naive one that settings.naive names. */
export function psi(theta, settings) {
  if (settings.head === "own") return dual(known(settings.psi), theta, settings)[0];
  const [m1, m2, m3] = margins(settings);
  const form = formOf(settings);
  if (form?.acos) theta = acos(clipped(cos(theta), form));
  return wave(m1 * theta + m2, form) - m3;
}

/** dψ/dθ, of a θ that has been through no clip: -m₁|sin φ| for the cure, -m₁ sin φ where nothing is unrolled. */
export function slope(theta, settings) {
  if (settings.head === "own") return dual(known(settings.psi), theta, settings)[1];
  const [m1, m2] = margins(settings);
  const form = formOf(settings);
  const rise = sin(m1 * theta + m2);
  return -m1 * (form && !form.unrolled ? rise : Math.abs(rise));
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
  const form = formOf(settings);
  if (form?.acos) return throughAcos(x, w, settings, form);
  const c = x[0] * w[0] + x[1] * w[1];
  const s = unit(x[0] - c * w[0], x[1] - c * w[1])[2];
  const theta = s === 0 && c === 0 ? Math.PI / 2 : atan2(s, c);
  const fall = -slope(theta, settings);
  const tx = tangent(x, w, c);
  const tw = tangent(w, x, c);
  const byX = fall / (x[2] || 1); // moving x by ε along its tangent turns it by ε/‖x‖
  const byW = fall / (w[2] || 1);
  return { c, psi: psi(theta, settings), theta, gx: [byX * tx[0], byX * tx[1]], gw: [byW * tw[0], byW * tw[1]] };
}

/** The naive route, in the float32 that training runs in, step by step as a framework differentiates it. */
function throughAcos(x, w, settings, form) {
  const f = Math.fround;
  const [x0, x1, w0, w1] = [f(x[0]), f(x[1]), f(w[0]), f(w[1])];
  const c = f(f(x0 * w0) + f(x1 * w1));
  const held = f(clipped(c, form));
  const theta = f(acos(held)); // NaN where rounding has brought c past 1
  const byC = held === c ? f(slope(theta, settings) * f(-1 / f(Math.sqrt(f(1 - f(c * c)))))) : 0; // ∞ at c = 1
  const [m1, m2, m3] = margins(settings);
  const backward = (u0, u1, v0, v1, length) => {
    const g0 = f(byC * v0);
    const g1 = f(byC * v1);
    const along = f(f(g0 * u0) + f(g1 * u1));
    return [f((g0 - f(along * u0)) / (length || 1)), f((g1 - f(along * u1)) / (length || 1))]; // ∞ - ∞ is NaN
  };
  return {
    c,
    theta,
    psi: wave(m1 * theta + m2, form) - m3,
    gx: backward(x0, x1, w0, w1, x[2]),
    gw: backward(w0, w1, x0, x1, w[2]),
  };
}
