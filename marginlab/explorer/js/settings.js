// Settings that the sliders can have: of a head its own, the seed, and a way to break it.

import { FAMILY, FORMS } from "./tables.js";

export const SEED = { name: "seed", min: 0, max: 9, step: 1, unit: "(where it starts)", default: 0 };

/** The sliders of a head. */
export const slidersOf = (head) => [...FAMILY[head].sliders, SEED];

/** A slider's value that is nearest to what is given; NaN where that is no number. */
export function nearest({ min, max, step }, given) {
  const value = String(given ?? "").trim() === "" ? NaN : Number(given);
  if (!Number.isFinite(value)) return NaN;
  const steps = Math.round((Math.min(Math.max(value, min), max) - min) / step);
  // 0.1 + 2 · 0.1 is no 0.3 for a computer: twelve digits are.
  return Number((min + steps * step).toPrecision(12));
}

/**
 * The settings of a run from its start: of a head's own each on a step in its range, and its default where none is given.
 * moves: what was moved after it, as in moves.js.
 */
export function complete({ head, naive, moves = [], ...given }) {
  /** @type {any} */
  const settings = { head, naive: head !== "softmax" && Object.hasOwn(FORMS, naive ?? "") ? naive : null };
  for (const slider of slidersOf(head)) {
    const value = nearest(slider, given[slider.name]);
    settings[slider.name] = Number.isNaN(value) ? slider.default : value;
  }
  return { ...settings, moves };
}
