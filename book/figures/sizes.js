// Calculators of chapter 7: what a head needs, and what devices exchange.

import { memory, sent } from "./margins.js";
import { Sketch, along, slider, ticks } from "./sketch.js";
import { bytes, grouped, short } from "./words.js";

const DIM = 512;
const CARD = 80e9; // bytes of the accelerator that the chapter speaks of
const tens = (powers) => powers.map((n) => 10 ** n);
const CLASSES = { from: 1e3, to: 1e8, log: true, name: "classes", ticks: ticks(tens([3, 4, 5, 6, 7, 8]), short) };
const whole = (v) => Number(Math.round(v).toPrecision(2));

/** Two amounts of bytes against the number of classes: of(classes, DIM, batch) gives them by name. */
function calculator({ hint, of, names, batch, y, at, words, limit = 0 }) {
  const classes = slider("classes", "classes", [1e3, 1e8, 100], 1e5, (v) => grouped(whole(v)), true);
  const images = slider("batch", "images in a batch", [32, 8192, 8], batch, (v) => grouped(Math.round(v)), true);
  return {
    hint,
    sliders: [classes, images],
    draw(values, { look }) {
      const [count, many] = [whole(values.classes), Math.round(values.batch)];
      const sketch = new Sketch({ look, x: CLASSES, y: { ...y, log: true } });
      const here = of(count, DIM, many);
      const rows = Object.entries(names).map(([key, name], k) => ({
        name,
        colour: look.palette[k],
        points: along(CLASSES, 10).map((c) => [c, of(c, DIM, many)[key]]),
        here: here[key],
      }));
      if (limit) {
        const level = [CLASSES.from, CLASSES.to].map((c) => [c, limit]);
        sketch.curve(level, look.ink, { "stroke-width": 1.4, "stroke-dasharray": "5 3" });
        sketch.text(sketch.box.left + 6, sketch.Y(limit) - 5, bytes(limit));
      }
      sketch.series(rows, count, at(sketch.box));
      const head = `${grouped(count)} classes of ${DIM} dimensions, ${grouped(many)} images a step:`;
      return sketch.told(`${head} ${words(here)}`);
    },
  };
}

export const held = calculator({
  hint: "Find where the directions alone fill an accelerator of 80 GB, and the batch at which the logits weigh more.",
  of: memory,
  names: { directions: "directions, gradient, Adam", logits: "logits, three times" },
  batch: 128,
  y: { from: 1e5, to: 1e13, name: "memory, at the least", ticks: ticks(tens([6, 8, 10, 12]), bytes) },
  at: ({ bottom }) => [150, bottom - 26],
  limit: CARD,
  words({ directions, logits }) {
    const all = directions + logits;
    const fits = all > CARD ? "80 GB do not hold that." : "That fits into 80 GB.";
    return `${bytes(directions)} for directions and ${bytes(logits)} for logits, together ${bytes(all)} at the least. ${fits}`;
  },
});

export const exchanged = calculator({
  hint: "Copy the directions to every device, or spread them over all. With few classes and a large batch, which is less?",
  of: sent,
  names: { spread: "directions spread", copied: "directions copied" },
  batch: 1024,
  y: {
    from: 1e5,
    to: 1e12,
    name: "exchanged in a step, on each device",
    ticks: ticks(tens([5, 7, 9, 11]), bytes),
  },
  at: ({ top }) => [60, top + 8],
  words({ copied, spread }) {
    const times = Math.max(copied, spread) / Math.min(copied, spread);
    const less = copied > spread ? "less" : "more";
    const factor = times < 1.05 ? "about the same" : `${short(times)} times ${less}`;
    return `copied directions bring ${bytes(copied)} to each device, spread ones ${bytes(spread)}, ${factor}.`;
  },
});
