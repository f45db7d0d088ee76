// A course: a run from the start, and then its moves, each going on from where the run before it has ended.

import { train } from "./engine.js";
import { stagesOf } from "./moves.js";
import { RECIPE } from "./tables.js";

/**
 * Of settings as in moves.js the frames of each stage, with its number as `stage`; and null in between, as `train` does.
 * Whoever goes on takes the last part of the recipe once more: the steps in which all of the margin is in.
 *
 * kept: [{key, weights}], the ends of the stages of the course before this one, and afterwards of this one. What both
 * have in common is not trained again; but the last stage is, to be seen.
 */
export function* follow(data, settings, options = {}, kept = []) {
  const stages = stagesOf(settings);
  let weights;
  for (let stage = 0; stage < stages.length; stage++) {
    const key = JSON.stringify([data.train.n, stages.slice(0, stage + 1)]);
    const known = kept[stage]?.key === key;
    if (known && stage < stages.length - 1) {
      weights = kept[stage].weights;
      continue;
    }
    if (!known) kept.length = stage;
    const from = stage ? { weights, from: RECIPE.anneal[1] } : {};
    weights = yield* numbered(stage, train(data, stages[stage], { ...options, ...from }));
    if (!weights) return; // it died
    kept[stage] = { key, weights };
  }
}

function* numbered(stage, run) {
  let next = run.next();
  for (; !next.done; next = run.next()) yield next.value && { ...next.value, stage };
  return next.value;
}
