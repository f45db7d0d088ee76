// The Python that makes a run in a notebook.

import { numbersOf } from "./settings.js";

/** stages: the settings of a run from the start, and of each that goes on from the one before it. */
export function code(stages) {
  const [{ head, psi, seed = 0, naive = null }] = stages;
  const given = (stage) => numbersOf({ head, psi }).map(({ name }) => `${name}=${stage[name]}`);
  const run = (stage, i) => `result = trainer.retrain(${[...given(stage), ...(i ? ['start="on"'] : [])].join(", ")})\n`;
  const runs = stages.map(run).join("");
  if (head === "own")
    return `from marginlab import Trainer, heads

head = heads.from_formula(${JSON.stringify(psi)})
trainer = Trainer(head, seed=${seed}, frames=20)
${runs}`;
  if (!naive) return `from marginlab import Trainer\n\ntrainer = Trainer("${head}", seed=${seed}, frames=20)\n${runs}`;
  return `from marginlab import Trainer
from marginlab.explorer.naive import naive_head

head = naive_head("${head}", "${naive}")
trainer = Trainer(head, seed=${seed}, frames=20)
${runs}`;
}
