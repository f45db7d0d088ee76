// The Python that makes a run in a notebook.

import { FAMILY } from "./tables.js";

export function code({ head, seed = 0, naive = null, ...rest }) {
  const given = FAMILY[head].sliders.map(({ name }) => `${name}=${rest[name]}`).join(", ");
  const end = `result = trainer.retrain(${given})\n`;
  if (!naive) {
    return `from marginlab import Trainer\n\ntrainer = Trainer("${head}", seed=${seed}, frames=20)\n${end}`;
  }
  return `from marginlab import Trainer
from marginlab.explorer.naive import naive_head

head = naive_head("${head}", "${naive}")
trainer = Trainer(head, seed=${seed}, frames=20)
${end}`;
}
