// Settings that the sliders can have: of a head its own, the seed, and a way to break it.

import { parse, wrongWith } from "./formula.js";
import { FAMILY, FORMS, OWN_PSI } from "./tables.js";

export const SEED = { name: "seed", min: 0, max: 9, step: 1, unit: "(where it starts)", default: 0 };

/** The sliders of a head's numbers; of the reader's own those of the letters that its formula has. */
export function numbersOf({ head, psi }) {
  const { sliders } = FAMILY[head];
  if (head !== "own") return sliders;
  const { letters } = parse(psi);
  return sliders.filter(({ name }) => name === "scale" || letters.includes(name));
}

/** All sliders of some settings. */
export const slidersOf = (settings) => [...numbersOf(settings), SEED];

/** Whether there is a way to break a head: it must have an angle, and a formula of the family. */
export const breakable = (head) => head !== "softmax" && head !== "own";

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
 * psi: the formula of the reader's own head. moves: what was moved after it, as in moves.js.
 */
export function complete({ head, naive, psi, moves = [], ...given }) {
  /** @type {any} */
  const settings = { head, naive: breakable(head) && Object.hasOwn(FORMS, naive ?? "") ? naive : null };
  if (head === "own") settings.psi = typeof psi === "string" && !wrongWith(psi) ? psi : OWN_PSI;
  for (const slider of slidersOf(settings)) {
    const value = nearest(slider, given[slider.name]);
    settings[slider.name] = Number.isNaN(value) ? slider.default : value;
  }
  return { ...settings, moves };
}
