// What ten classes in the plane can hold.

import { margins, psi } from "./equation.js";
import { CLASSES } from "./network.js";

/**
 * At best: evenly spaced, and each example on its own direction. The loss there, and whether that is within the
 * margin, ψ(0) ≥ cos 36°. `room.py` proves it, for any number and dimension.
 */
export function budget(settings) {
  const own = psi(0, { ...settings, naive: null });
  const others = Array.from({ length: CLASSES - 1 }, (_, j) => Math.cos((2 * Math.PI * (j + 1)) / CLASSES));
  const worst = settings.scale * Math.max(0, others[0] - own); // taken out of the sum: no overflow
  const terms = others.map((c) => Math.exp(settings.scale * (c - own) - worst));
  return {
    feasible: own >= others[0] - 1e-12,
    loss: worst + Math.log(terms.reduce((a, b) => a + b, Math.exp(-worst))),
  };
}

/** Whether the head asks for more than the right answer: its ψ is another than cos θ. */
export function hasMargin(settings) {
  if (settings.head === "own")
    return [0, 0.7, 1.5, 2.4, 3.1].some((t) => !(Math.abs(psi(t, settings) - Math.cos(t)) < 1e-9));
  return settings.head !== "softmax" && String(margins(settings)) !== "1,0,0";
}

/** Where m₁θ + m₂ passes π, and the plain cosine would turn back up; of a formula, of which that is no question, π. */
export function turningPoint(settings) {
  const [m1, m2] = margins(settings);
  return (Math.PI - m2) / m1;
}
