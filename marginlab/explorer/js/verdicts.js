// What can be said of a ψ of one's own before it trains: does it fall, does it fit, is its pull finite, does its angle turn?

import { psi, slope } from "./equation.js";
import { dual, known } from "./formula.js";
import { CLASSES } from "./network.js";
import { say } from "./say.js";

const { PI, abs, cos } = Math;
const STEPS = 720; // in which θ is looked at from 0 to π: every quarter of a degree
const THETAS = Array.from({ length: STEPS + 1 }, (_, k) => (k / STEPS) * PI);
const ROUNDING = 1e-9;
const degrees = (t) => `${((t * 180) / PI).toFixed(1)}°`;
const number = (v) => v.toFixed(3).replace("-", "−");

/** The stretches [from, to] of [0, π] in which a test of the k-th step holds. */
function stretches(holds) {
  const found = [];
  for (let k = 0; k < STEPS; k++) {
    if (!holds(k)) continue;
    if (found.at(-1)?.[1] === THETAS[k]) found.at(-1)[1] = THETAS[k + 1];
    else found.push([THETAS[k], THETAS[k + 1]]);
  }
  return found;
}

function named(found) {
  const said = found.slice(0, 2).map(([from, to]) => say`from ${degrees(from)} to ${degrees(to)}`);
  return said.join(say` and `) + (found.length > 2 ? say`, and elsewhere` : "");
}

function falls(settings) {
  const values = THETAS.map((t) => psi(t, settings));
  const lost = stretches((k) => !Number.isFinite(values[k]) || !Number.isFinite(values[k + 1]));
  if (lost.length) return { good: false, words: say`ψ has no finite value ${named(lost)}.` };
  const not = stretches((k) => values[k + 1] >= values[k]);
  if (!not.length) return { good: true, words: say`ψ falls all the way, from 0° to 180°.` };
  return { good: false, words: say`ψ does not fall ${named(not)}.` };
}

function fits(settings) {
  const [own, others] = [psi(0, settings), cos((2 * PI) / CLASSES)];
  const good = own >= others - 1e-12;
  const value = Number.isFinite(own) ? number(own) : say`no number`;
  const words = good
    ? say`Ten classes fit: ψ(0) is ${value}, ≥ cos 36°.`
    : say`Ten classes do not fit: ψ(0) is ${value}, < cos 36°.`;
  return { good, words };
}

function finite(settings) {
  const ends = [0, PI].map((t) => ({ at: degrees(t).replace(".0", ""), pull: -slope(t, settings) }));
  const lost = ends.filter(({ pull }) => !Number.isFinite(pull));
  if (lost.length)
    return { good: false, words: say`Its pull is not finite at ${lost.map(({ at }) => at).join(say` and at `)}.` };
  const said = ends.map(({ at, pull }) => say`${number(abs(pull) < 5e-4 ? 0 : pull)} at ${at}`).join(say`, `);
  return { good: true, words: say`Its pull is finite: ${said}.` };
}

/** Of each cos and ucos of an angle with θ in it, {op, beyond: whether that angle is beyond [0, π]} at a θ. */
function turnsAt(theta, settings) {
  const found = [];
  dual(known(settings.psi), theta, settings, (op, angle, moves) => {
    if (moves && (op === "cos" || op === "ucos"))
      found.push({ op, beyond: !(angle > -ROUNDING && angle < PI + ROUNDING) });
  });
  return found;
}

/** Where the k-th of them first leaves [0, π]; null if it never does. */
function leaves(k, settings) {
  const beyond = (theta) => turnsAt(theta, settings)[k].beyond;
  const at = THETAS.findIndex(beyond);
  if (at < 1) return at < 0 ? null : 0;
  let [low, high] = [THETAS[at - 1], THETAS[at]];
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    if (beyond(middle)) high = middle;
    else low = middle;
  }
  return high;
}

function stays(settings) {
  const found = turnsAt(0, settings).map(({ op }, k) => ({ op, at: leaves(k, settings) }));
  if (!found.length) return { good: null, words: say`No cos or ucos of an angle is in it.` };
  const left = found.filter(({ at }) => at !== null);
  if (!left.length) return { good: true, words: say`Its angle stays within [0, π].` };
  const { op, at } = left.find((it) => it.op === "cos") ?? left[0];
  return op === "cos"
    ? { good: false, words: say`Its angle leaves [0, π] at ${degrees(at)}: cos turns back.` }
    : { good: null, words: say`Its angle leaves [0, π] at ${degrees(at)}: ucos falls on.` };
}

/** Of the reader's own ψ: [{good: true, false, or null where it is neither, words}]. */
export const verdicts = (settings) => [falls, fits, finite, stays].map((judge) => judge(settings));
