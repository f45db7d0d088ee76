// Figures of losses: chapters 1 and 2.

import { floor, stretched } from "./margins.js";
import { say } from "../../marginlab/explorer/js/say.js";
import { HALO, Sketch, along, slider, tenth, ticks } from "./sketch.js";
import { fixed, grouped, short } from "./words.js";

export const stretch = {
  hint: say`Make all embeddings longer, then shorter. No decision changes; watch who gains and who pays.`,
  sliders: [slider("factor", say`stretched by`, [0.25, 4, 80], 1, (v) => fixed(v, 2), true)],
  draw({ factor }, { look, data }) {
    const x = { from: 0.25, to: 4, log: true, name: say`stretched by`, ticks: ticks([0.25, 0.5, 1, 2, 4]) };
    const y = { from: 0.005, to: 20, log: true, name: say`mean loss`, ticks: ticks([0.01, 0.1, 1, 10]) };
    const sketch = new Sketch({ look, x, y, top: 286, high: 216 });
    plane(sketch, data, factor);
    data.curves ??= along(x, 40).map((v) => [v, stretched(data, v)]); // the same at every move of the slider
    const here = stretched(data, factor);
    const [, brick, navy, , violet] = look.palette;
    const groups = [
      ["right", say`those right`, violet],
      ["mean", say`all`, navy],
      ["wrong", say`those wrong`, brick],
    ].map(([key, name, colour]) => ({
      name,
      colour,
      points: data.curves.map(([v, it]) => [v, it[key]]),
      here: here[key],
    }));
    sketch.series(groups, factor, [60, sketch.box.bottom - 44]);
    return sketch.told(balance(factor, here, data));
  },
};

/** The embeddings, in a window that does not stretch with them. */
function plane(sketch, { x, y, reach }, factor) {
  const { look } = sketch;
  const [middle, level, radius] = [170, 124, 116];
  for (let digit = 0; digit < 10; digit += 1) {
    const all = x.filter((_, k) => y[k] === digit);
    const inside = all
      .map(([a, b]) => [(a * factor) / reach, (b * factor) / reach])
      .filter(([a, b]) => Math.max(Math.abs(a), Math.abs(b)) <= 1);
    const d = inside.map(([a, b]) => `M${tenth(middle + a * radius)} ${tenth(level - b * radius)}h0`).join("");
    sketch.add("path", { d, stroke: look.palette[digit], "stroke-width": 3, "stroke-linecap": "round", fill: "none" });
    const [a, b] = [0, 1].map((i) => all.reduce((sum, point) => sum + point[i], 0));
    const edge = (radius - 9) / Math.hypot(a, b);
    sketch.text(middle + a * edge - 3, level - b * edge + 4, digit, HALO);
  }
  const frame = { x: middle - radius, y: level - radius, width: 2 * radius, height: 2 * radius };
  sketch.add("rect", { ...frame, fill: "none", stroke: look.faint });
}

function balance(factor, { right, wrong, mean, count }, { x }) {
  const first = say`Stretched by ${fixed(factor, 2)}: ${count} of ${grouped(x.length)} images are right, as at any length.`;
  return say`${first} Mean loss of those right ${short(right)}, of those wrong ${short(wrong)}, of all ${fixed(mean, 3)}.`;
}

export const lowest = {
  hint: say`Ask how large a scale must be for two classes, for ten, for a hundred.`,
  sliders: [
    slider("classes", say`classes`, [2, 100, 98], 10, (v) => fixed(v, 0)),
    slider("scale", say`scale`, [0.5, 128, 160], 8, (v) => short(v, 3), true),
  ],
  draw({ classes, scale }, { look }) {
    const count = Math.round(classes);
    const x = { from: 0.5, to: 128, log: true, name: say`scale`, ticks: ticks([0.5, 2, 8, 32, 128]) };
    const y = { from: 0, to: 5, name: say`lowest possible loss`, ticks: ticks([0, 1, 2, 3, 4, 5]) };
    const sketch = new Sketch({ look, x, y });
    const [flat, far] = [true, false].map((plane) => ({
      name: plane ? say`in the plane` : say`all equally far apart`,
      colour: look.colours.normface,
      points: along(x, 80).map((v) => [v, floor(count, v, plane)]),
      here: floor(count, scale, plane),
    }));
    sketch.series([flat, far], scale, [180, sketch.box.top + 8]);
    const sure = ({ here }) => say`${short(here)}, a probability of ${fixed(100 * Math.exp(-here), 1)} %`;
    const most = count > 3 ? say`; all equally far apart, in ${count - 1} dimensions, ${sure(far)}` : "";
    return sketch.told(
      say`${count} classes at scale ${short(scale, 3)}: the lowest loss in the plane is ${sure(flat)}${most}.`,
    );
  },
};
