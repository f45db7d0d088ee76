// The state in the address, so that a link shows this very run: #explorer?head=arcface&margin=0.5&scale=30&seed=0
//
// Anybody may write a link. Of what it says only what the sliders could say too is taken, by own properties alone (an
// object has "constructor" as well); for the rest there is a sentence.

import { FAMILY, FORMS } from "./tables.js";

export const SEED = { name: "seed", min: 0, max: 9, step: 1, unit: "(where it starts)", default: 0 };
const LINK = /^(explorer(?:-\d+)?)\?(.*)$/s;
const quoted = (text) => `“${text.length > 30 ? `${text.slice(0, 30)}…` : text}”`;

/** The sliders of a head. */
export const slidersOf = (head) => [...FAMILY[head].sliders, SEED];

/** null where the address says nothing to this explorer; else {settings, or null for none, and words on what is wrong}. */
export function fromAddress(name, alone) {
  const [, where, query] = LINK.exec(location.hash.slice(1)) ?? [];
  if (where === undefined) return null;
  // An explorer that this page does not have is answered for by its first.
  if (where !== name) return alone(where) ? { settings: null, words: `This page has no ${quoted(where)}.` } : null;
  return read(new URLSearchParams(query));
}

/** What a link asks for, as settings that the sliders can have, and in words what of it there is not. */
export function read(asked) {
  const words = [];
  const head = asked.get("head");
  if (head === null || !Object.hasOwn(FAMILY, head)) {
    const wrong = head === null ? "names no head" : `names a head that there is not, ${quoted(head)}`;
    return { settings: null, words: `The link ${wrong}. So this is the explorer as it was.` };
  }
  /** @type {any} */
  const given = {};
  const known = ["head", "naive", ...slidersOf(head).map(({ name }) => name)];
  for (const name of new Set(asked.keys())) {
    const [value, ...more] = asked.getAll(name);
    if (!known.includes(name)) words.push(`${quoted(name)} is no setting of ${FAMILY[head].title}`);
    else given[name] = value;
    if (more.length) words.push(`${quoted(name)} is said more than once, and the first counts`);
  }
  const settings = complete(given);
  if (given.naive && settings.naive === null)
    words.push(`there is no way to break ${FAMILY[head].title} called ${quoted(given.naive)}`);
  for (const { name } of slidersOf(head)) {
    if (given[name] === undefined || (given[name].trim() !== "" && Number(given[name]) === settings[name])) continue;
    words.push(`${name} cannot be ${quoted(given[name])}, and is ${settings[name]}`);
  }
  return { settings, words: words.length ? `Not all of the link could be followed: ${words.join("; ")}.` : "" };
}

/** Settings that the sliders can have: of a head's own, each on a step in its range, and its default where none is given. */
export function complete({ head, naive, ...given }) {
  const settings = { head, naive: head !== "softmax" && Object.hasOwn(FORMS, naive ?? "") ? naive : null };
  for (const { name, min, max, step, default: usual } of slidersOf(head)) {
    const value = given[name] === undefined || String(given[name]).trim() === "" ? NaN : Number(given[name]);
    const steps = Math.round((Math.min(Math.max(value, min), max) - min) / step);
    // 0.1 + 2 · 0.1 is no 0.3 for a computer: twelve digits are.
    settings[name] = Number.isFinite(value) ? Number((min + steps * step).toPrecision(12)) : usual;
  }
  return settings;
}

export function toAddress(name, settings) {
  const entries = Object.entries(settings).filter(([, value]) => value !== null);
  history.replaceState(history.state, "", `#${name}?${new URLSearchParams(entries)}`);
}
