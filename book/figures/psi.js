// Figures of ψ: chapters 3, 5 and 6.

import { JUMPS, PATCHES, asked, past, ucos } from "./margins.js";
import { say } from "../../marginlab/explorer/js/say.js";
import { Sketch, along, slider, tenth, ticks } from "./sketch.js";
import { degrees, fixed, grouped, short } from "./words.js";

const { PI, cos } = Math;
const DEGREE = PI / 180;
const ANGLE = { from: 0, to: 180, name: say`angle θ to the true class` };
const QUARTERS = ticks([0, 45, 90, 135, 180], (v) => `${v}°`);

export const pastPi = {
  hint: say`Raise the multiplier early in the run, then go on to its end: who is past π, and for how long?`,
  sliders: [
    slider("multiplier", say`multiplier m`, [1, 4, 30], 2, (v) => fixed(v, 1)),
    slider("moment", say`moment of the run`, [0, 7, 7], 0, (v, { steps }) => say`step ${grouped(steps[v])}`),
  ],
  draw({ multiplier: m, moment }, { look, data }) {
    const x = { ...ANGLE, ticks: QUARTERS };
    const y = { from: -7, to: 1.5, name: say`ψ; and images by their angle`, ticks: ticks([1, -1, -3, -5, -7]) };
    const sketch = new Sketch({ look, x, y, high: 260 });
    bars(sketch, data.angles[moment], m);
    const line = (of) => along(x, 180).map((v) => [v, of(m * v * DEGREE)]);
    const { naive, sphereface } = look.colours;
    const rows = [
      { name: say`unrolled`, colour: sphereface, points: line(ucos) },
      { name: say`plain cosine`, colour: naive, points: line(cos) },
    ];
    sketch.series(rows, 180 / m, [66, sketch.Y(-2.6)]);
    return sketch.told(counted(data, moment, m));
  },
};

/** Images by their angle in steps of 3°; heights go by the root of their share, so that single ones are seen. */
function bars(sketch, tenths, m) {
  const { box, look } = sketch;
  for (let k = 0; k < 60; k += 1) {
    const inside = tenths.filter((v) => Math.min(59, Math.floor(v / 30)) === k);
    const [left, right] = [sketch.X(3 * k), sketch.X(3 * k + 3)];
    for (const [count, fill] of [
      [inside.length, look.faint],
      [past(inside, m), look.palette[3]],
    ]) {
      const height = tenth(Math.sqrt(count / tenths.length) * (box.bottom - box.top));
      const at = { x: tenth(left), y: tenth(box.bottom - height), width: tenth(right - left - 0.6), height };
      if (count) sketch.add("rect", { ...at, fill });
    }
  }
}

function counted({ steps, angles, margin }, moment, m) {
  const tenths = angles[moment];
  const beyond = past(tenths, m);
  const when = say`At step ${grouped(steps[moment])} of a run with multiplier ${fixed(margin, 1)},`;
  const many = say`${grouped(beyond)} of ${grouped(tenths.length)} test images stand past π with multiplier ${fixed(m, 1)}`;
  const end = beyond ? say`There the plain cosine turns back up.` : say`The plain cosine misleads none of them.`;
  return say`${when} ${many}: beyond ${degrees(PI / m, 1)}. ${end}`;
}

const NAMES = { fallback: say`fallback`, "easy margin": say`easy margin`, "held at π": say`held at π` };

export const patches = {
  hint: say`Raise the margin, and look at 90° and at π − m: how far does each patch jump?`,
  sliders: [
    slider("margin", say`margin m`, [0, 1.5, 30], 0.5, (v) => `${fixed(v, 2)} rad`),
    slider("angle", say`angle θ`, [0, 180, 180], 150, (v) => `${fixed(v, 0)}°`),
  ],
  draw({ margin: m, angle }, { look }) {
    const x = { ...ANGLE, ticks: QUARTERS };
    const y = { from: -2.6, to: 1.1, name: "ψ(θ)", ticks: ticks([1, 0, -1, -2]) };
    const sketch = new Sketch({ look, x, y, high: 260 });
    const grid = along(x, 360);
    const wide = { "stroke-width": 6, "stroke-opacity": 0.25 };
    sketch.curve(
      grid.map((v) => [v, ucos(v * DEGREE + m)]),
      look.ink,
      wide,
    );
    const breaks = { fallback: 180 - m / DEGREE, "easy margin": 90 + 1e-9 }; // at 90° itself the margin is still there
    const rows = Object.entries(PATCHES).map(([name, patch], k) => ({
      name: NAMES[name],
      colour: look.palette[[0, 1, 4][k]],
      points: broken(grid, (v) => [v, patch(v * DEGREE, m)], breaks[name]),
      here: patch(angle * DEGREE, m),
    }));
    sketch.series(rows, angle, [60, sketch.box.bottom - 54]);
    sketch.legend([[say`unrolled`, look.faint]], 60, sketch.box.bottom - 9);
    return sketch.told(jumped(m, angle));
  },
};

/** A curve that is drawn up to a place and from there on, but not across. */
const broken = (grid, point, at = 0) => [
  ...grid.filter((v) => v < at).map(point),
  null,
  ...grid.filter((v) => v >= at).map(point),
];

function jumped(m, angle) {
  const theta = angle * DEGREE;
  const values = Object.entries(PATCHES).map(([name, patch]) => `${NAMES[name]} ${fixed(patch(theta, m), 2)}`);
  const first = say`At ${fixed(angle, 0)}° ψ is ${fixed(ucos(theta + m), 2)}; ${values.join(say`, `)}.`;
  if (m === 0) return say`${first} Without a margin nothing jumps.`;
  const fallback = JUMPS.fallback(m);
  const [far, where] = [fixed(Math.abs(fallback), 2), degrees(PI - m)];
  const way = fallback < 0 ? say`down by ${far} at ${where}` : say`up by ${far} at ${where}`;
  return say`${first} Easy margin jumps up by ${fixed(JUMPS["easy margin"](m), 2)} at 90°, the fallback ${way}.`;
}

/** @type {Record<string, (t: number) => number[]>} */
const ASK = {
  sphereface: (t) => [1 + 0.5 * t, 0, 0],
  cosface: (t) => [1, 0, 0.1 * t],
  arcface: (t) => [1, 0.3 * t, 0],
};

export const asks = {
  hint: say`Move the image in to its class: who still asks, and for how much?`,
  sliders: [
    slider("angle", say`angle to its own class`, [0, 90, 90], 20, (v) => `${fixed(v, 0)}°`),
    slider("strength", say`margins multiplied by`, [0, 2, 20], 1, (v) => fixed(v, 1)),
  ],
  draw({ angle, strength }, { look }) {
    const each = (values) => ticks(values, (v) => `${v}°`);
    const x = { from: 0, to: 90, name: say`θ₁, angle to its own class`, ticks: each([0, 15, 30, 45, 60, 75, 90]) };
    const y = { from: 0, to: 180, name: say`θ₂, so far must the other class be`, ticks: each([0, 45, 90, 135, 180]) };
    const sketch = new Sketch({ look, x, y, high: 280 });
    const rows = Object.entries(ASK).map(([head, of]) => {
      const margins = of(strength);
      const far = (v) => v + Math.max(0, asked(v * DEGREE, margins)) / DEGREE; // a rounding below 0 is none
      const [m1, m2, m3] = margins;
      const name = `${look.titles[head]} ${short(head === "sphereface" ? m1 : m2 + m3, 3)}`;
      return {
        head,
        name,
        colour: look.colours[head],
        points: along(x, 180).map((v) => [v, far(v)]),
        here: far(angle),
      };
    });
    const diagonal = { name: say`without a margin`, colour: look.faint, points: [0, 90].map((v) => [v, v]) };
    sketch.series([...rows, diagonal], angle, [60, sketch.box.top + 8]);
    const much = (far) => (Number.isNaN(far) ? say`more than there is` : say`${fixed(far - angle, 1)}° more`);
    const parts = rows.map(({ head, here }) => say`${look.titles[head]} for ${much(here)}`);
    return sketch.told(say`An image at ${fixed(angle, 0)}° from its own class is asked by ${parts.join(say`, by `)}.`);
  },
};
