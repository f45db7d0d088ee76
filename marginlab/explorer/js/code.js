// The Python that makes a run in a notebook.

import { FAMILY } from "./tables.js";

/** stages: the settings of a run from the start, and of each that goes on from the one before it. */
export function code(stages) {
  const [{ head, seed = 0, naive = null }] = stages;
  const given = (stage) => FAMILY[head].sliders.map(({ name }) => `${name}=${stage[name]}`);
  const run = (stage, i) => `result = trainer.retrain(${[...given(stage), ...(i ? ['start="on"'] : [])].join(", ")})\n`;
  const runs = stages.map(run).join("");
  if (!naive) return `from marginlab import Trainer\n\ntrainer = Trainer("${head}", seed=${seed}, frames=20)\n${runs}`;
  return `from marginlab import Trainer
from marginlab.explorer.naive import naive_head

head = naive_head("${head}", "${naive}")
trainer = Trainer(head, seed=${seed}, frames=20)
${runs}`;
}
