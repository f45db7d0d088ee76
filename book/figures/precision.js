// Figures of what float32 and half precision do to an angle: chapters 0, 5 and 7.

import {
  clippedGradient,
  cosine,
  measured,
  measuredGradient,
  off,
  pair,
  readBack,
  throughCosine,
  top,
  trueGradient,
  truth,
} from "./rounding.js";
import { say } from "../../marginlab/explorer/js/say.js";
import { HALO, Sketch, along, slider, ticks } from "./sketch.js";
import { fixed, short } from "./words.js";

const tens = (powers) => powers.map((n) => 10 ** n);
const ANGLE = {
  from: 1e-6,
  to: 1,
  log: true,
  name: say`angle θ (rad)`,
  ticks: ticks(tens([-6, -5, -4, -3, -2, -1, 0]), short),
};
const angles = (start) => slider("angle", say`angle θ`, [1e-6, 1, 240], start, (v) => `${short(v, 3)} rad`, true);
const percent = (v) => (Number.isNaN(v) ? "NaN" : `${short(100 * v)} %`);

/** Errors of both ways at an angle; a difference of 0 is drawn at the foot. */
function errors(theta, turn) {
  const vectors = pair(theta, turn);
  const right = truth(vectors);
  return {
    cosine: cosine(vectors),
    right,
    back: throughCosine(vectors),
    byCosine: Math.abs(throughCosine(vectors) - right),
    bySine: Math.abs(measured(vectors) - right),
  };
}

/** Two numbers below each other, the digits of the second that differ in another colour. */
function digits(sketch, exact, rounded, colour) {
  const step = 9.2;
  const left = 150;
  const rows = [
    ["cos θ", exact, null],
    [say`in float32`, rounded, exact],
  ];
  for (const [row, [name, number, beside]] of rows.entries()) {
    const y = 17 + 19 * row;
    sketch.text(left - 10, y, name, { "text-anchor": "end" });
    for (const [k, digit] of [...number].entries()) {
      const wrong = beside !== null && digit !== beside[k];
      const look = wrong ? { fill: colour, "font-weight": 700 } : {};
      sketch.text(left + step * k, y, digit, { "text-anchor": "middle", ...look });
    }
  }
}

export const digitByDigit = {
  hint: say`Make the angle smaller, and watch the last digits of the cosine go. Then turn the pair: the same angle, other roundings.`,
  sliders: [angles(1e-3), slider("turn", say`turn of the pair`, [0, 6.28, 157], 0.5, (v) => `${fixed(v, 2)} rad`)],
  draw({ angle, turn }, { look }) {
    const { naive, cured } = look.colours;
    const y = {
      from: 1e-10,
      to: 1,
      log: true,
      name: say`error of θ (rad)`,
      ticks: ticks(tens([-10, -8, -6, -4, -2, 0]), short),
    };
    const sketch = new Sketch({ look, x: ANGLE, y, top: 72 });
    const all = along(ANGLE, 360).map((theta) => [theta, errors(theta, turn)]);
    for (const [key, colour] of [
      ["byCosine", naive],
      ["bySine", cured],
    ])
      sketch.dots(
        all.filter(([, it]) => !Number.isNaN(it[key])).map(([t, it]) => [t, it[key] + 1e-10]),
        colour,
      );
    const here = errors(angle, turn);
    sketch.upright(angle, look.ink);
    sketch.mark(angle, Number.isNaN(here.byCosine) ? 1 : here.byCosine + 1e-10, naive);
    sketch.mark(angle, here.bySine + 1e-10, cured);
    sketch.text(150, sketch.Y(1e-3), say`arccos of the cosine`, HALO);
    sketch.text(150, sketch.Y(1e-9), say`atan2 of sine and cosine`, HALO);
    digits(sketch, Math.cos(angle).toFixed(12), here.cosine.toFixed(12), naive);
    return sketch.told(said(angle, here));
  },
};

function said(angle, { cosine: c, right, back, byCosine, bySine }) {
  const first = say`At ${short(angle, 3)} rad the float32 cosine is ${c.toFixed(12)}.`;
  const read = Number.isNaN(back)
    ? say`That is above 1, and its arccos is NaN;`
    : say`Its arccos reads ${short(back, 3)} rad, ${percent(byCosine / right)} off;`;
  return say`${first} ${read} the atan2 of sine and cosine is ${percent(bySine / right)} off.`;
}

// Guards of the arccos.

const TURNS = 40;
const M = 0.5;

/** Relative errors of a guard's gradient at an angle, over pairs all around the circle: the median, and how many are NaN. */
export function spread(theta, gradient) {
  const all = Array.from({ length: TURNS }, (_, k) => {
    const vectors = pair(theta, (2 * Math.PI * k) / TURNS + 0.1);
    return off(gradient(vectors), trueGradient(vectors, M));
  });
  const good = all.filter((v) => !Number.isNaN(v)).sort((a, b) => a - b);
  return { median: good.length ? good[Math.floor(good.length / 2)] : Number.NaN, broken: all.length - good.length };
}

const WAYS = (epsilon) => ({
  clip: (vectors) => clippedGradient(vectors, M, epsilon),
  open: (vectors) => clippedGradient(vectors, M, 0),
  sine: (vectors) => measuredGradient(vectors, M),
});

export const guards = {
  hint: say`Move ε. A wide clip is silent early, a narrow one is wrong before it is silent, and one below float32 guards nothing.`,
  sliders: [slider("epsilon", say`clip at ε`, [1e-9, 1e-2, 140], 1e-5, (v) => short(v), true), angles(1e-2)],
  draw({ epsilon, angle }, { look }) {
    const y = {
      from: 1e-11,
      to: 10,
      log: true,
      name: say`error of the gradient, as a share`,
      ticks: ticks(tens([-10, -8, -6, -4, -2, 0]), short),
    };
    const sketch = new Sketch({ look, x: ANGLE, y, high: 250 });
    const ways = WAYS(epsilon);
    const lines = [
      ["open", say`clip at 1`, look.palette[5], "none", 6],
      ["clip", say`clip at ${short(epsilon)}`, look.colours.naive],
      ["sine", say`rejection and atan2`, look.colours.cured, "6 3"],
    ];
    for (const [name, , colour, dash = "none", width = 2.2] of lines) {
      const found = along(ANGLE, 96).map((theta) => [theta, spread(theta, ways[name])]);
      sketch.curve(
        found.map(([theta, it]) => [theta, it.median]),
        colour,
        { "stroke-width": width, "stroke-dasharray": dash },
      );
      for (const [theta] of found.filter(([, it], k) => it.broken && k % 3 === 0))
        cross(sketch, sketch.X(theta), sketch.box.top - (name === "open" ? 2 : -6), colour);
    }
    sketch.upright(angle, look.ink);
    sketch.legend(
      lines.map(([, ...line]) => line),
      60,
      sketch.box.bottom - 38,
    );
    return sketch.told(guarded(epsilon, angle, ways));
  },
};

const cross = (sketch, x, y, stroke) => {
  const d = `M${x - 3} ${y - 3}L${x + 3} ${y + 3}M${x + 3} ${y - 3}L${x - 3} ${y + 3}`;
  sketch.add("path", { d, stroke, "stroke-width": 1.8, fill: "none" });
};

function guarded(epsilon, angle, ways) {
  const held = top(epsilon);
  const first =
    held === 1
      ? say`1 − ${short(epsilon)} is 1 in float32: this clip guards nothing.`
      : say`A clip at ${short(epsilon)} is silent below about ${short(Math.acos(held))} rad.`;
  const clip = spread(angle, ways.clip);
  const way = clip.broken
    ? say`NaN in ${clip.broken} of ${TURNS} directions`
    : clip.median === 1
      ? say`no gradient in most directions`
      : say`an error of ${percent(clip.median)}`;
  return say`${first} At ${short(angle)} rad it has ${way}, the measured sine ${percent(spread(angle, ways.sine).median)}.`;
}

// Half precision.

const TYPES = { float16: 11, bfloat16: 8, float32: 24 };
const DEGREE = Math.PI / 180;

export const half = {
  hint: say`Find the smallest angle that bfloat16 can tell from 0, and that float16 can.`,
  sliders: [slider("angle", say`angle`, [0.1, 10, 198], 1, (v) => `${fixed(v, 2)}°`)],
  draw({ angle }, { look }) {
    const each = ticks([0, 2, 4, 6, 8, 10], (v) => `${v}°`);
    const x = { from: 0, to: 10, name: say`angle`, ticks: each };
    const sketch = new Sketch({ look, x, y: { from: 0, to: 12, name: say`angle that is read`, ticks: each } });
    const colours = { bfloat16: look.palette[6], float16: look.colours.naive, float32: look.colours.cured };
    const reads = (v, type) => readBack(v * DEGREE, TYPES[type]) / DEGREE;
    const rows = Object.entries(colours).map(([name, colour]) => ({
      name,
      colour,
      points: along({ from: 0.02, to: 10 }, 499).map((v) => [v, reads(v, name)]),
      here: reads(angle, name),
    }));
    sketch.series(rows, angle, [60, sketch.box.top + 8]);
    const read = Object.keys(TYPES).map((type) => `${type} ${fixed(reads(angle, type), 2)}°`);
    const says = say`The cosine of ${fixed(angle, 2)}° is ${Math.cos(angle * DEGREE).toFixed(7)}. Rounded, it reads: ${read.join(say`, `)}.`;
    return sketch.told(says);
  },
};
