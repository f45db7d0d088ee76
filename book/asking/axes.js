// Axes, their numbers in words, and what lies between two of them. No page here.
//
// axis: {from, to, name, unit?, digits?, log?, ticks?}, as in asking.yml

import { say } from "../../marginlab/explorer/js/say.js";

const { abs, log10, max, min, round } = Math;

/** A number of an axis as a share of its length, from 0 to 1; and back. */
export const share = ({ from, to, log }, v) => (log ? log10(v / from) / log10(to / from) : (v - from) / (to - from));
export const valueAt = ({ from, to, log }, part) => (log ? from * (to / from) ** part : from + part * (to - from));
export const within = (part) => max(0, min(1, part));

const plain = (v) => String(v).replace("-", "−");

/** A number as people read it: on a logarithmic axis to two digits (a tiny or huge one to three), elsewhere to as many decimals as the axis has. */
export function said({ log, digits = 0, unit = "" }, v) {
  if (!log) return plain(Number(v.toFixed(digits)).toFixed(digits)) + unit;
  if (v !== 0 && (abs(v) < 1e-3 || abs(v) >= 1e5)) {
    const [head, power] = v.toExponential(2).split("e");
    return `${Number(head) === 1 ? "" : `${Number(head)}·`}10${[...plain(Number(power))].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)] ?? "⁻").join("")}${unit}`;
  }
  return plain(Number(v.toPrecision(v >= 1 ? max(2, String(round(v)).length) : 2))) + unit;
}

/** Numbers to be written along an axis. */
export function ticks({ from, to, log, ticks: given }) {
  if (given) return given;
  if (!log) return [0, 1, 2, 3, 4].map((k) => from + (k / 4) * (to - from));
  const [low, high] = [Math.ceil(log10(from) - 1e-9), Math.floor(log10(to) + 1e-9)];
  const step = Math.ceil((high - low) / 4);
  return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, k) => 10 ** (low + k * step));
}

/** The gap between two numbers of an axis, in words: "42° too wide"; "" where none is seen. words: [too little, too much] */
export function gap(axis, guess, right, words) {
  if (said(axis, guess) === said(axis, right)) return "";
  const way = words[guess < right ? 0 : 1];
  if (!axis.log) return say`${said(axis, abs(guess - right))} ${way}`;
  const times = max(guess, right) / min(guess, right);
  return say`${Number(times.toPrecision(2))} times ${way}`;
}

/** The same in a sentence. */
export function numberGap(axis, guess, right, words) {
  const off = gap(axis, guess, right, words);
  return off
    ? say`You said ${said(axis, guess)}, it is ${said(axis, right)}: ${off}.`
    : say`You said ${said(axis, guess)}, and so it is.`;
}

/** Of two points, [x, y]. */
export function pointGap({ x, y }, guess, right) {
  const parts = [gap(x, guess[0], right[0], [say`too far to the left`, say`too far to the right`])];
  parts.push(gap(y, guess[1], right[1], [say`too low`, say`too high`]));
  const [at, is] = [guess, right].map(([a, b]) => `(${said(x, a)}, ${said(y, b)})`);
  const off = parts.filter(Boolean).join(say` and `);
  return off ? say`You said ${at}, it is ${is}: ${off}.` : say`You said ${at}, and so it is.`;
}

/** Of two curves at the same places: guess, [y, …], and right, [[x, y], …]. It tells of the place where they differ most. */
export function curveGap({ x, y }, guess, right, words) {
  const off = right.map(([, v], k) => abs(guess[k] - v));
  const k = off.indexOf(max(...off));
  const close = off.filter((v) => v <= 0.05 * (y.to - y.from)).length;
  const many = say`At ${close} of ${off.length} places you are within a twentieth of the axis.`;
  const most = gap(y, guess[k], right[k][1], words);
  if (!most) return say`${many} Nowhere does a gap show.`;
  const place = `${x.name} ${said(x, right[k][0])}`;
  return say`${many} Furthest off, at ${place}: you said ${said(y, guess[k])}, it is ${said(y, right[k][1])}, so yours is ${most}.`;
}

/** Heights where none was drawn, from those beside them: (number | null)[] to number[]. At least one must be there. */
export function filled(heights) {
  const there = heights.flatMap((v, k) => (v === null ? [] : [k]));
  return heights.map((v, k) => {
    if (v !== null) return v;
    const [before, after] = [there.findLast((j) => j < k), there.find((j) => j > k)];
    if (before === undefined) return heights[/** @type {number} */ (after)];
    if (after === undefined) return heights[before];
    const part = (k - before) / (after - before);
    return (1 - part) * heights[before] + part * heights[after];
  });
}
