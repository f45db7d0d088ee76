// All figures that move, by their names.

import { directions } from "./circle.js";
import { lowest, stretch } from "./losses.js";
import { digitByDigit, guards, half } from "./precision.js";
import { asks, pastPi, patches } from "./psi.js";
import { exchanged, held } from "./sizes.js";

/**
 * Each {hint, sliders, draw(values, {look, data}), handles?}; draw gives {high, marks, says, handles?}.
 * A slider: {name, label, from, to, steps, log?, start, says(value, data)}.
 * @type {Record<string, any>}
 */
export const FIGURES = {
  "digit-by-digit": digitByDigit,
  stretch,
  lowest,
  "past-pi": pastPi,
  directions,
  guards,
  patches,
  asks,
  memory: held,
  exchanged,
  half,
};

/** The values at which the sliders stand at first. */
export const first = (name) => Object.fromEntries(FIGURES[name].sliders.map((it) => [it.name, it.start]));
