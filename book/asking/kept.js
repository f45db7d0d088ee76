// What a reader has done, in this browser alone. Storage may be forbidden, or hold nonsense: then it is as if there were none.

import { saveText } from "../../marginlab/explorer/js/save.js";

const KEY = "marginlab-progress";
/**
 * Of each part what is kept: answers to questions, the first of them and how many, what was predicted, hints of
 * sheets that were opened, prompts of the review, the place last read.
 */
const PARTS = ["questions", "firsts", "predictions", "hints", "prompts", "place"];
const isPlain = (it) => it !== null && typeof it === "object" && !Array.isArray(it);

let memory = null; // what is known where nothing can be kept

/** All that is kept, every part an object. @returns {Record<string, any>} */
export function all() {
  if (memory) return memory;
  let found = null;
  try {
    found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    // as if there were none
  }
  return cleaned(found);
}

/** Only the parts that are known, and only as objects. */
export function cleaned(found) {
  const part = (name) => (isPlain(found) && Object.hasOwn(found, name) && isPlain(found[name]) ? found[name] : {});
  return Object.fromEntries(PARTS.map((name) => [name, part(name)]));
}

/** What is kept under a name in a part; undefined for nothing. */
export function get(part, name) {
  const found = all()[part];
  return Object.hasOwn(found, name) ? found[name] : undefined;
}

export function set(part, name, value) {
  const now = all();
  replace({ ...now, [part]: { ...now[part], [name]: value } });
}

/** Puts another whole in the place of what is kept, and tells the page. */
export function replace(whole) {
  const now = cleaned(whole);
  try {
    localStorage.setItem(KEY, JSON.stringify(now));
    memory = null;
  } catch {
    memory = now; // the page works, and forgets
  }
  document.dispatchEvent(new CustomEvent("marginlab-kept"));
}

/** Gives the reader a file of JSON. @param {string} name @param {object} content */
export const saveJson = (name, content) => saveText(name, JSON.stringify(content, null, 1), "application/json");
