// The state in the address, so that a link shows this very run: #explorer?head=arcface&margin=0.5&scale=30&seed=0, and
// where one went on from there &moves=margin:0.6;margin:0.7,scale:20. A link in the text may say less, and what to look
// at: #explorer?head=arcface&margin=0.8&look=loss. With start=on it is a move that goes on from what is there. With
// hide=scale,naive and lock=seed controls are not there, or do not move: withheld.js.
//
// Anybody may write a link. Of what it says only what the sliders could say too is taken, by own properties alone (an
// object has "constructor" as well); for the rest there is a sentence.

import { HINTS } from "./hints.js";
import { readMoves, writeMoves } from "./moves.js";
import { wrongWith } from "./formula.js";
import { complete, slidersOf } from "./settings.js";
import { FAMILY } from "./tables.js";
import { readWithheld, writeWithheld } from "./withheld.js";

const LINK = /^(explorer(?:-\d+)?)\?(.*)$/s;
const quoted = (text) => `“${text.length > 30 ? `${text.slice(0, 30)}…` : text}”`;

/** null where the address says nothing to this explorer; else what `read` gives, without settings where there are none. */
export function fromAddress(name, alone) {
  const [, where, query] = LINK.exec(location.hash.slice(1)) ?? [];
  if (where === undefined) return null;
  // An explorer that this page does not have is answered for by its first.
  if (where !== name) return alone(where) ? { settings: null, words: `This page has no ${quoted(where)}.` } : null;
  return read(query);
}

/** Of a query each name's values, in their order; what is no escape stays as it is. */
function pairsOf(query) {
  const plain = (text) => {
    try {
      return decodeURIComponent(text.replaceAll("+", " "));
    } catch {
      return text;
    }
  };
  // A formula has signs of its own: a + in it is one, unless it is a space after all.
  const formula = (text) => {
    const kept = plain(text.replaceAll("+", "%2B"));
    return wrongWith(kept) ? plain(text) : kept;
  };
  const pairs = new Map();
  for (const part of query.split("&").filter(Boolean)) {
    const [name, ...rest] = part.split("=");
    const values = pairs.get(plain(name)) ?? [];
    pairs.set(plain(name), [...values, (plain(name) === "psi" ? formula : plain)(rest.join("="))]);
  }
  return pairs;
}

/**
 * What a link asks for: {settings, values: those of the sliders that it names, on: whether to go on with them from the
 * present weights, look: what it says to look at, as in hints.js, withheld: controls that are hidden or locked, as in
 * withheld.js, words: what of it there is not}.
 */
export function read(query) {
  const pairs = pairsOf(query);
  const asked = (name) => pairs.get(name)?.[0];
  const { withheld, words: strange } = readWithheld(asked("hide"), asked("lock"));
  const words = strange.length ? [`there is no control called ${quoted(strange.join(", "))}`] : [];
  const head = asked("head");
  if (head === undefined || !Object.hasOwn(FAMILY, head)) {
    const wrong = head === undefined ? "names no head" : `names a head that there is not, ${quoted(head)}`;
    const usual = `The link ${wrong}. So this is the explorer as it was.`;
    return { settings: null, withheld, words: [usual, ...words.map((it) => `And ${it}.`)].join(" ") };
  }
  const { title } = FAMILY[head];
  const psi = asked("psi");
  const usual = complete({ head, naive: null, psi });
  const sliders = slidersOf(usual);
  const own = head === "own" ? ["psi"] : [];
  const known = ["head", "naive", "moves", "start", "look", "hide", "lock", ...own, ...sliders.map(({ name }) => name)];
  for (const [name, values] of pairs) {
    if (!known.includes(name)) words.push(`${quoted(name)} is no setting of ${title}`);
    if (values.length > 1) words.push(`${quoted(name)} is said more than once, and the first counts`);
  }
  const { moves, words: wrong } = asked("moves") ? readMoves(asked("moves"), usual) : { moves: [], words: [] };
  const given = Object.fromEntries(sliders.map(({ name }) => [name, asked(name)]));
  const settings = complete({ head, naive: asked("naive"), psi, moves, ...given });
  if (own.length && psi !== undefined && psi !== settings.psi)
    words.push(`ψ cannot be ${quoted(psi)}, for ${wrongWith(psi)}; it is ${settings.psi}`);
  if (asked("naive") && settings.naive === null)
    words.push(`there is no way to break ${title} called ${quoted(asked("naive"))}`);
  const named = sliders.filter(({ name }) => pairs.has(name)).map(({ name }) => name);
  for (const name of named) {
    if (asked(name).trim() !== "" && Number(asked(name)) === settings[name]) continue;
    words.push(`${name} cannot be ${quoted(asked(name))}, and is ${settings[name]}`);
  }
  if (pairs.has("start") && !["anew", "on"].includes(asked("start")))
    words.push(`start cannot be ${quoted(asked("start"))}: it is anew or on`);
  if (pairs.has("look") && !Object.hasOwn(HINTS, asked("look")))
    words.push(`there is nothing to look at called ${quoted(asked("look"))}`);
  words.push(...wrong);
  return {
    settings,
    values: Object.fromEntries(named.map((name) => [name, settings[name]])),
    on: asked("start") === "on",
    look: Object.hasOwn(HINTS, asked("look") ?? "") ? asked("look") : null,
    withheld,
    words: words.length ? `Not all of the link could be followed: ${words.join("; ")}.` : "",
  };
}

/** Settings as a link has them, and what is withheld. Names and numbers need no escape, a formula does. */
export function write({ moves, ...start }, withheld = {}) {
  const escaped = { ...start, ...(start.psi && { psi: encodeURIComponent(start.psi) }) };
  const entries = Object.entries(escaped).filter(([, value]) => value !== null);
  if (moves.length) entries.push(["moves", writeMoves(moves)]);
  return [...entries.map((entry) => entry.join("=")), ...writeWithheld(withheld)].join("&");
}

/** Puts an explorer's settings into the address, without a step in the history. */
export function toAddress(name, settings, withheld = {}) {
  history.replaceState(history.state, "", `#${name}?${write(settings, withheld)}`);
}
