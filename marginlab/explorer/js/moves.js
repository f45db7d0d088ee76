// From here on: what was moved after a run from the start, each move going on from where the run before it has ended.
//
// settings: {head, naive, seed, the head's own as they were at the start, moves: [{margin: 0.5}, {margin: 0.8, scale: 20}]}

import { nearest, numbersOf } from "./settings.js";
import { FAMILY, MOST_MOVES } from "./tables.js";

const quoted = (text) => `“${text.length > 30 ? `${text.slice(0, 30)}…` : text}”`;

/** The settings of the run from the start, and of each that goes on from it. */
export function stagesOf({ moves, ...start }) {
  const stages = [start];
  for (const move of moves) stages.push({ ...stages.at(-1), ...move });
  return stages;
}

/** The settings as they are after all moves. */
export const present = (settings) => stagesOf(settings).at(-1);

/** The settings from which a run starts anew, with these values in place of their own. */
export const anew = (settings, values) => ({ ...present(settings), ...values, moves: [] });

/**
 * The settings after another move. Only from the end of a run one can go on, so that the moves alone say what comes of
 * them: where a run has not arrived yet, it is itself that moves. null where there are as many moves as there may be.
 */
export function goOn(settings, values, arrived) {
  const { moves } = settings;
  if (arrived) return moves.length < MOST_MOVES ? { ...settings, moves: [...moves, values] } : null;
  if (!moves.length) return { ...settings, ...values };
  return { ...settings, moves: [...moves.slice(0, -1), { ...moves.at(-1), ...values }] };
}

/** How many of the stages of some settings are those of others, from the start on. */
export function inCommon(settings, others) {
  const [ours, theirs] = [settings, others].map((it) => stagesOf(it).map((stage) => JSON.stringify(stage)));
  const k = ours.findIndex((stage, i) => stage !== theirs[i]);
  return k < 0 ? ours.length : k;
}

/** Moves as an address has them: margin:0.5;margin:0.8,scale:20 */
export function writeMoves(moves) {
  const pairs = (move) => Object.entries(move).map(([name, value]) => `${name}:${value}`);
  return moves.map((move) => pairs(move).join(",")).join(";");
}

/** The moves that an address has for some settings, and in words what of them there is not; from the first wrong one on they are left out. */
export function readMoves(text, settings) {
  const { title } = FAMILY[settings.head];
  const sliders = numbersOf(settings);
  const [moves, words] = [[], []];
  const left = (part, what) => {
    words.push(`${quoted(part)} ${what}, and from there on the moves are left out`);
    return { moves, words };
  };
  for (const part of text.split(";")) {
    if (moves.length === MOST_MOVES) return left(part, `is one more than the ${MOST_MOVES} moves that there may be`);
    const move = {};
    for (const pair of part.split(",")) {
      const [name, given, ...rest] = pair.split(":");
      const slider = sliders.find((it) => it.name === name);
      const value = slider ? nearest(slider, given) : NaN;
      if (Number.isNaN(value) || rest.length || Object.hasOwn(move, name)) return left(pair, `is no move of ${title}`);
      if (Number(given) !== value) words.push(`${name} cannot be moved to ${quoted(given)}, and moves to ${value}`);
      move[name] = value;
    }
    moves.push(move);
  }
  return { moves, words };
}
