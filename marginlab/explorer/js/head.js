// A head: embeddings and class directions to losses and gradients.

import { target, unit } from "./equation.js";
import { exp, log } from "./mathematics.js";
import { CLASSES } from "./network.js";

/**
 * Cross-entropy of each example, and the gradients of their sum.
 * x (n × 2), w (10 × 2) and b (10, softmax only) are flat arrays; a is the annealing, from 0 to 1:
 * logits are a·(the head's) + (1 - a)·‖x‖cos θ, by which classes can still pass each other early on.
 */
export function headGradients(x, w, b, labels, settings, a = 1, n = labels.length) {
  const out = {
    losses: new Float64Array(n),
    gx: new Float64Array(2 * n),
    gw: new Float64Array(2 * CLASSES),
    gb: new Float64Array(CLASSES),
  };
  if (settings.head === "softmax") plain(out, x, w, b, labels, n);
  else byAngle(out, x, w, labels, settings, a, n);
  return out;
}

function plain(out, x, w, b, labels, n) {
  const p = new Float64Array(CLASSES);
  for (let i = 0; i < n; i++) {
    const [x0, x1] = [x[2 * i], x[2 * i + 1]];
    for (let j = 0; j < CLASSES; j++) p[j] = x0 * w[2 * j] + x1 * w[2 * j + 1] + b[j];
    out.losses[i] = crossEntropy(p, labels[i]);
    let g0 = 0;
    let g1 = 0;
    for (let j = 0; j < CLASSES; j++) {
      const g = p[j];
      g0 += g * w[2 * j];
      g1 += g * w[2 * j + 1];
      out.gw[2 * j] += g * x0;
      out.gw[2 * j + 1] += g * x1;
      out.gb[j] += g;
    }
    out.gx[2 * i] = g0;
    out.gx[2 * i + 1] = g1;
  }
}

function byAngle(out, x, w, labels, settings, a, n) {
  const byNorm = settings.scale === "norm";
  const units = Array.from({ length: CLASSES }, (_, j) => unit(w[2 * j], w[2 * j + 1]));
  const cosines = new Float64Array(CLASSES);
  const p = new Float64Array(CLASSES);
  for (let i = 0; i < n; i++) {
    const y = labels[i];
    const u = unit(x[2 * i], x[2 * i + 1]);
    const r = u[2];
    const s = byNorm ? r : settings.scale;
    const size = a * s + (1 - a) * r;
    for (let j = 0; j < CLASSES; j++) {
      cosines[j] = u[0] * units[j][0] + u[1] * units[j][1];
      p[j] = size * cosines[j];
    }
    const hit = target(u, units[y], settings);
    p[y] = a * s * hit.psi + (1 - a) * r * cosines[y];
    out.losses[i] = crossEntropy(p, y); // leaves in p the slopes p_j - [j = y]
    let g0 = 0;
    let g1 = 0;
    for (let j = 0; j < CLASSES; j++) {
      const g = p[j];
      const [v0, v1, length] = units[j];
      const c = cosines[j];
      const own = j === y;
      const across = g * ((own ? 0 : a * s) + (1 - a) * r); // reaches x and w through cos θ
      const along = g * ((byNorm ? a * (own ? hit.psi : c) : 0) + (1 - a) * c); // reaches x through ‖x‖
      const turnX = r && across / r; // a zero vector has no angle, and no gradient
      const turnW = length && across / length;
      g0 += turnX * (v0 - c * u[0]) + along * u[0];
      g1 += turnX * (v1 - c * u[1]) + along * u[1];
      let h0 = turnW * (u[0] - c * v0);
      let h1 = turnW * (u[1] - c * v1);
      if (own) {
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
}

/** log Σ exp(f_j) - f_y, with the largest logit taken out of the sum. In place of f it leaves dloss/df. */
function crossEntropy(f, y) {
  let top = -Infinity;
  for (let j = 0; j < f.length; j++) if (f[j] > top) top = f[j];
  const own = f[y];
  let total = 0;
  for (let j = 0; j < f.length; j++) {
    f[j] = exp(f[j] - top);
    total += f[j];
  }
  for (let j = 0; j < f.length; j++) f[j] = f[j] / total - (j === y ? 1 : 0);
  return log(total) + top - own;
}
