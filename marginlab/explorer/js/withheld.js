// Controls that a link hides or locks: &hide=scale,naive&lock=seed. For an explorer in a page of somebody else's, where
// less is to be moved. What is hidden is neither read out nor reached by keys; what is locked shows its value.

import { SEED } from "./settings.js";
import { FAMILY } from "./tables.js";

const ALL = Object.values(FAMILY).flatMap(({ sliders }) => sliders.map(({ name }) => name));

/** The names of all controls that an explorer may have. */
export const CONTROLS = [...new Set(["head", "naive", "start", "guess", "psi", ...ALL, SEED.name])];

/**
 * What a link withholds, of its "hide" and its "lock": {withheld: {hide, lock}, or null where it says neither, words: what
 * of it there is not}.
 */
export function readWithheld(hide, lock) {
  if (hide === undefined && lock === undefined) return { withheld: null, words: [] };
  const split = (text = "") => [...new Set(text.split(",").filter(Boolean))];
  const named = [...new Set([...split(hide), ...split(lock)])];
  const known = (text) => split(text).filter((name) => CONTROLS.includes(name));
  return {
    withheld: { hide: known(hide), lock: known(lock) },
    words: named.filter((name) => !CONTROLS.includes(name)),
  };
}

/** The same as a link says it, in parts of a query. */
export const writeWithheld = (withheld) =>
  Object.entries(withheld).flatMap(([what, names]) => (names.length ? [`${what}=${names.join(",")}`] : []));

/** Hides and locks controls that stand in root; what was locked before, and is no more, can be moved again. */
export function withhold(root, { hide, lock }) {
  for (const control of root.querySelectorAll(".mlp [name]")) {
    control.closest("label").hidden = hide.includes(control.name);
    const locked = lock.includes(control.name);
    if (locked !== control.hasAttribute("data-locked")) control.disabled = locked;
    control.toggleAttribute("data-locked", locked);
  }
  for (const group of root.querySelectorAll("fieldset.mlp")) group.hidden = !group.querySelector("label:not([hidden])");
}
