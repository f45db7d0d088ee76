// The three charts beside the plane. Each takes a canvas's context, its size in px, and a scene.

import { addDot, byClass, cross, dotAt, line, tint, words } from "./canvas.js";
import { psi } from "./equation.js";
import { failsNear0, psiAt, pullAt, pulls, SAMPLES, SMALLEST, within } from "./frame.js";
import { hasMargin, turningPoint } from "./room.js";
import { say } from "./say.js";

const { PI, ceil, cos, floor, log10, max, min, round } = Math;
const PAD = { left: 44, right: 14, top: 12, bottom: 38 };
const DEGREES = [
  [0, "0°"],
  [PI / 4, "45°"],
  [PI / 2, "90°"],
  [(3 * PI) / 4, "135°"],
  [PI, "180°"],
];
const THETA = say`θ, from a digit to its own ray; marks: the digits`;
const grouped = (v) => v.toLocaleString("en-US");

const level = (x0, x1, y) => [
  [x0, y],
  [x1, y],
];
const upright = (x, y0, y1) => [
  [x, y0],
  [x, y1],
];

/** Axes of a chart: functions from values to px. ticks: [[value, text], …]; name: what lies along the lower edge. */
function axes(ctx, width, height, scene, { x, y, xticks, yticks, name, log = false, right = PAD.right }) {
  const along = log ? log10 : (v) => v;
  const X = (v) => PAD.left + ((along(v) - along(x[0])) / (along(x[1]) - along(x[0]))) * (width - PAD.left - right);
  const Y = (v) => height - PAD.bottom - ((v - y[0]) / (y[1] - y[0])) * (height - PAD.top - PAD.bottom);
  for (const [value, text] of yticks) {
    line(
      ctx,
      [
        [PAD.left, Y(value)],
        [width - right, Y(value)],
      ],
      scene.faint,
      1,
    );
    words(ctx, text, PAD.left - 6, Y(value), { fill: scene.soft, size: 11, align: "right" });
  }
  for (const [value, text] of xticks) {
    line(
      ctx,
      [
        [X(value), height - PAD.bottom],
        [X(value), height - PAD.bottom + 4],
      ],
      scene.soft,
      1,
    );
    words(ctx, text, X(value), height - 25, { fill: scene.soft, size: 11, align: "center" });
  }
  words(ctx, name, (PAD.left + width - right) / 2, height - 9, { fill: scene.soft, size: 11, align: "center" });
  return [X, Y];
}

/** The powers of ten about some numbers above 0, as [low, high]. */
function decades(values) {
  const low = floor(log10(min(...values)) + 1e-9);
  const high = ceil(log10(max(...values)) - 1e-9);
  return [low, max(high, low + 1)];
}

/** Even numbers between two, at most five. */
function ticks(low, high) {
  const step = [0.25, 0.5, 1, 2, 5, 10, 20].find((s) => (high - low) / s <= 4.5) ?? 50;
  const first = ceil(low / step - 1e-9);
  const values = Array.from({ length: floor(high / step + 1e-9) - first + 1 }, (_, k) => (first + k) * step);
  return values.map((v) => [v, String(v).replace("-", "−")]);
}

// ---- Learning ----

/** The steps in which the margin comes in: grey, with its name. */
function paintComing(ctx, height, { settings, soft, ink, paper }, X, steps) {
  if (!settings.steps || !settings.anneal || steps < settings.steps) return;
  const [from, to] = settings.anneal.map((share) => X(share * settings.steps));
  tint(ctx, from, to, PAD.top, height - PAD.bottom, soft, 0.12);
  const name = hasMargin(settings) ? say`margin comes in` : "‖x‖ → scale";
  words(ctx, name, (from + to) / 2, height - PAD.bottom - 9, { fill: ink, size: 11, align: "center", halo: paper });
}

/** At the right edge a logarithmic axis of the losses: a function from a loss to px. */
function lossAxis(ctx, width, frames, red, Y) {
  const known = frames.map((f) => f.loss).filter((l) => Number.isFinite(l) && l > 0);
  const [low, high] = decades(known.length ? known : [1]);
  const L = (loss) => Y((100 * (log10(loss) - low)) / (high - low));
  const every = ceil((high - low) / 4);
  for (let k = low; k <= high; k += every) {
    const [text, y] = [String(Number((10 ** k).toPrecision(1))), L(10 ** k)];
    line(ctx, level(width - 44, width - 40, y), red, 1.5);
    words(ctx, text, width - 36, y, { fill: red, size: 11 });
  }
  return L;
}

/** Over the steps so far: the accuracy in per cent, and the loss, on a logarithmic axis of its own at the right. */
export function drawProgress(ctx, width, height, scene) {
  const { frames, position, settings } = scene;
  const [blue, red] = scene.lines;
  // The unguarded acos is not thought to reach its end.
  const steps = max(frames.at(-1).step, settings.naive === "acos" ? 0 : (settings.steps ?? 0), 1);
  const yticks = [0, 50, 100].map((v) => [v, `${v} %`]);
  const xticks = [0, steps / 2, steps].map((v) => [v, grouped(round(v))]);
  const along = { x: [0, steps], y: [0, 100], xticks, yticks, right: 44, name: say`step` };
  const [X, Y] = axes(ctx, width, height, scene, along);
  paintComing(ctx, height, scene, X, steps);
  const L = lossAxis(ctx, width, frames, red, Y);
  const curve = (of, colour) =>
    line(
      ctx,
      frames.map((f) => [X(f.step), of(f)]),
      colour,
      2.2,
    );
  curve((f) => L(f.loss), red);
  curve((f) => Y(100 * f.accuracy), blue);
  for (const f of frames) if (!Number.isFinite(f.loss)) cross(ctx, X(f.step), PAD.top + 10, red, scene.paper);
  if (scene.guess != null) {
    line(ctx, level(width - 62, width - 44, Y(100 * scene.guess)), scene.ink, 3);
    words(ctx, say`you`, width - 66, Y(100 * scene.guess), {
      fill: scene.ink,
      size: 11,
      align: "right",
      halo: scene.paper,
    });
  }
  const now = frames[min(round(position), frames.length - 1)];
  line(ctx, upright(X(now.step), PAD.top, height - PAD.bottom), scene.soft, 1, [3, 3]);
  if (Number.isFinite(now.accuracy)) dotAt(ctx, X(now.step), Y(100 * now.accuracy), blue, scene.paper);
  if (Number.isFinite(now.loss)) dotAt(ctx, X(now.step), L(now.loss), red, scene.paper);
}

// ---- ψ, and its pull ----

/** Points as ticks under an axis, each at its angle: a rug. Those that a naive form harms stand out. */
function rug(ctx, X, height, scene, low) {
  const mark = (i, tall) => {
    const x = X(max(scene.thetas[i], low));
    if (!Number.isFinite(x)) return;
    ctx.moveTo(x, height - PAD.bottom);
    ctx.lineTo(x, height - PAD.bottom - tall);
  };
  ctx.globalAlpha = 0.35;
  ctx.lineWidth = 1;
  byClass(ctx, scene, "stroke", (i) => mark(i, 9));
  ctx.globalAlpha = 1;
  ctx.beginPath();
  scene.fates?.forEach((fate, i) => fate && mark(i, 15));
  ctx.strokeStyle = scene.lines[1];
  ctx.stroke();
}

/** Grey, where m₁θ + m₂ has passed π. */
function paintPastPi(ctx, X, height, { settings, soft, ink, paper }) {
  const past = turningPoint(settings);
  if (past >= PI - 1e-9) return;
  tint(ctx, X(past), X(PI), PAD.top, height - PAD.bottom, soft, 0.14);
  line(
    ctx,
    [
      [X(past), PAD.top],
      [X(past), height - PAD.bottom],
    ],
    soft,
    1,
  );
  const text = { sphereface: "mθ > π", combined: "m₁θ + m₂ > π" }[settings.head] ?? "θ + m > π";
  words(ctx, text, X(PI) - 5, PAD.top + 14, { fill: ink, size: 12, align: "right", halo: paper });
}

/** The values that the axis of ψ has, as [lowest, highest, where the axis ends below]. */
function reachOf(cured) {
  if (cured.head !== "own") {
    const least = min(-1, psi(PI, cured));
    return [least, 1, least - 0.12 * (1 - psi(PI, cured))];
  }
  // Its pull stands beside it, as far as that is of its size.
  const small = SAMPLES.slice(1, -1)
    .map((t) => pullAt(t, cured, 1))
    .filter((v) => Math.abs(v) <= 3);
  const values = [...within(SAMPLES.map((t) => psi(t, cured))), ...small];
  const [least, most] = [min(-1, ...values), max(1, ...values)];
  return [least, most, least - 0.12 * (most - least)];
}

/** ψ(θ) as it is at this moment, and the shown embeddings upon it, each at the angle to its own class. */
export function drawPsi(ctx, width, height, scene) {
  const { settings, thetas, labels, focus, share, died, ink } = scene;
  const [blue, red] = scene.lines;
  const cured = { ...settings, naive: null };
  const [least, most, bottom] = reachOf(cured);
  const [X, place] = axes(ctx, width, height, scene, {
    x: [0, PI],
    y: [bottom, most],
    xticks: DEGREES,
    yticks: ticks(least, most),
    name: THETA,
  });
  const Y = (v) => (v <= most + 1e-9 && v >= bottom ? place(v) : Number.NaN); // a formula may go anywhere
  if (share > 0) paintPastPi(ctx, X, height, scene);
  line(
    ctx,
    SAMPLES.map((t) => [X(t), Y(cos(t))]),
    scene.soft,
    1.2,
    [2, 3],
  );
  if (share < 1 && hasMargin(settings) && !settings.naive)
    line(
      ctx,
      SAMPLES.map((t) => [X(t), Y(psi(t, cured))]),
      blue,
      1,
    );
  line(
    ctx,
    SAMPLES.map((t) => [X(t), Y(psiAt(t, cured, share))]),
    blue,
    2.4,
  );
  if (settings.naive)
    line(
      ctx,
      SAMPLES.map((t) => [X(t), Y(psiAt(t, settings, share))]),
      red,
      2.4,
      [6, 4],
    );
  if (settings.head === "own")
    line(
      ctx,
      SAMPLES.slice(1, -1).map((t) => [X(t), Y(pullAt(t, settings, share))]), // at the ends nothing has a direction
      ink,
      1.2,
    );
  rug(ctx, X, height, scene, 0);
  ctx.globalAlpha = 0.7;
  byClass(ctx, scene, "fill", (i) => addDot(ctx, X(thetas[i]), Y(psiAt(thetas[i], settings, share)), 2.2));
  ctx.globalAlpha = 1;
  if (focus != null && Number.isFinite(thetas[focus])) {
    dotAt(ctx, X(thetas[focus]), Y(psiAt(thetas[focus], settings, share)), scene.colours[labels[focus]], scene.ink, 6);
  }
  if (Number.isFinite(died?.theta)) cross(ctx, X(died.theta), Y(psiAt(died.theta, cured, share)), red, scene.paper);
}

const HARMS = { lost: say`NaN or ∞`, none: say`no pull`, away: say`pushed away` };

/** Red stretches where a naive form does harm, with what harm where there is room for it. */
function paintHarms(ctx, X, width, height, scene, harms) {
  const [, red] = scene.lines;
  for (const [from, to, kind] of harms) {
    const [x0, x1] = [X(from), max(X(to), X(from) + 1.5)];
    tint(ctx, x0, x1, PAD.top, height - PAD.bottom, red, scene.dark ? 0.3 : 0.16);
    const middle = (x0 + x1) / 2;
    if (x1 - x0 < 62 && kind !== "away") continue;
    const right = middle > width - 60;
    words(ctx, HARMS[kind], right ? width - PAD.right - 4 : middle, PAD.top + 12, {
      fill: red,
      size: 12,
      weight: 600,
      align: right ? "right" : "center",
      halo: scene.paper,
    });
  }
}

/** The image that ended the run, at x under the pull. */
function paintEnd(ctx, x, width, height, scene) {
  const [, red] = scene.lines;
  line(
    ctx,
    [
      [x, PAD.top + 22],
      [x, height - PAD.bottom],
    ],
    red,
    1.4,
    [3, 3],
  );
  cross(ctx, x, height - PAD.bottom, red, scene.paper);
  const [align, by] = x > width / 2 ? ["right", -9] : ["left", 9];
  const name = say`image ${grouped(scene.died.example)}`;
  words(ctx, name, x + by, height - PAD.bottom - 24, {
    fill: scene.ink,
    size: 12,
    weight: 600,
    align,
    halo: scene.paper,
  });
}

/** The pull towards the own class, by angle, at this moment: cured, and of a naive form as training computes it. */
export function drawPull(ctx, width, height, scene) {
  const { settings, share, died } = scene;
  const [blue, red] = scene.lines;
  const near = failsNear0(settings);
  const { thetas, cured, shown, top, harms } = pulls(settings, share);
  const own = settings.head === "own";
  const bottom = own ? min(0, ...within(cured)) : min(0, max(-top, min(...shown.filter(Number.isFinite), 0)));
  const small = [0.001, 0.01, 0.1, 1, 10].map((d) => [(d * PI) / 180, `${d}°`]);
  const [X, place] = axes(ctx, width, height, scene, {
    x: [near ? SMALLEST : 0, PI],
    y: [bottom - 0.12 * (top - bottom), top],
    log: near,
    yticks: ticks(bottom, top),
    xticks: near ? [...small, [PI, "180°"]] : DEGREES,
    name: near ? say`θ, logarithmic: tenfold from mark to mark` : THETA,
  });
  const Y = (v) => (own && !(v <= top && v >= bottom - 0.12 * (top - bottom)) ? Number.NaN : place(v));
  if (own)
    line(
      ctx,
      thetas.map((t) => [X(t), Y(pullAt(t, settings, 0))]),
      scene.soft,
      1.2,
      [2, 3],
    );
  paintHarms(ctx, X, width, height, scene, harms);
  line(
    ctx,
    thetas.map((t, k) => [X(t), Y(cured[k])]),
    blue,
    2.4,
  );
  line(
    ctx,
    thetas.slice(0, shown.length).map((t, k) => [X(t), Y(shown[k])]),
    red,
    2.4,
    [6, 4],
  );
  rug(ctx, X, height, scene, near ? SMALLEST : 0);
  if (Number.isFinite(died?.theta)) paintEnd(ctx, X(max(died.theta, near ? SMALLEST : 0)), width, height, scene);
}

/** Where m₁θ + m₂ is past π, how many of the shown points are there. */
export function pastPi({ settings, thetas }) {
  const past = turningPoint(settings);
  return past < PI - 1e-9 ? thetas.filter((t) => t > past).length : null;
}
