// The explorer's picture: draws Frames, in a notebook and in a built page alike. It trains nothing.
//
//   const view = createView(root, {labels, images, heads})
//   view.reset(settings); view.push(frame); …; view.done("97.1% of the test images right …"); view.landed([x, y])
//
// settings: {head, margin | m1, m2, m3, scale, seed, naive, steps?: of a whole run, anneal?: [from, to], in shares of it}
// frame:    {step, loss, accuracy, embeddings: Float32Array(2n), directions: Float32Array(2C), died,
//            linear?: Float32Array(3C)}   rows (w_x, w_y, b) of plain softmax, whose regions are no sectors
// died:     null | {step, example, why}
//
// Angles are in radians, and in degrees where people read them.

import { FAMILY } from "./family.js";
import { margins, psi, target, unit } from "./engine.js";
import { createPad } from "./pad.js";
import { createSvg } from "./svg.js";

/** Of each head its title and its sliders, from marginlab/family.py. */
export const TITLES = Object.fromEntries(Object.entries(FAMILY).map(([head, { title }]) => [head, title]));
export const HEADS = Object.fromEntries(Object.entries(FAMILY).map(([head, { sliders }]) => [head, sliders]));

// Ways to break it: how the true logit is often written, c being the cosine to the true class.
export const NAIVE = {
  "acos": "acos(c), unguarded",
  "clip": "acos(c), c clipped to ±(1 − 10⁻⁵)",
  "no-unroll": "cos, not unrolled past π",
  "demo-clip": "the demo’s clip of c to [0, 1 − 10⁻⁵]",
};

// ---------------------------------------------------------------- what a frame says

const {PI, abs, atan2, cos, floor, hypot, max, min, round, sin, sqrt} = Math;
const TURN = 2 * PI;

/**
 * How hard the true logit pulls an embedding of length 1 at angle θ towards its class, for a scale of 1:
 * -dψ/dθ as training computes it. Below 0 it pushes away; a naive form may make it infinite or NaN.
 */
export function pull(theta, settings) {
  const at = 5.84; // of the class direction: at this angle rounding is at its worst
  const [x, w] = [at + theta, at].map(t => unit(cos(t), sin(t)));
  const [g0, g1] = target(x, w, settings).gx;
  return g0 * sin(at + theta) - g1 * cos(at + theta);
}

/** Whether the head asks for more than the right answer: its ψ is another than cos θ. */
export function hasMargin(settings) {
  return settings.head !== "softmax" && String(margins(settings)) !== "1,0,0";
}

/** The annealing a at the last step before a frame, from 0 to 1. */
export function annealing(step, {anneal, steps}) {
  if (!anneal || !steps) return 1;
  return min(max(((step - 1) / steps - anneal[0]) / (anneal[1] - anneal[0]), 0), 1);
}

/**
 * How much of the true logit is the head's at the moment of a frame; the rest is cos θ. Training blends
 * a·scale·ψ + (1 - a)·‖x‖·cos θ: so it goes by the lengths too, of which this takes the middle one.
 */
export function blend(frame, settings) {
  const a = annealing(frame.step, settings);
  if (a === 0 || a === 1) return a;
  const lengths = [];
  for (let i = 0; i < frame.embeddings.length; i += 2) lengths.push(hypot(frame.embeddings[i], frame.embeddings[i + 1]));
  const middle = lengths.sort((p, q) => p - q)[lengths.length >> 1];
  return a * settings.scale / (a * settings.scale + (1 - a) * middle);
}

/** ψ, and the pull, as they are when `share` of the true logit is the head's. Of a NaN also none at all is NaN. */
export const psiAt = (theta, settings, share) => share * psi(theta, settings) + (1 - share) * cos(theta);
export const pullAt = (theta, settings, share) => share * pull(theta, settings) + (1 - share) * sin(theta);

/** Angle of each embedding to its own class, (n,), in [0, π]; NaN where there is none. */
export function angles(frame, labels) {
  return Float64Array.from(labels, (y, i) => {
    const [x0, x1] = [frame.embeddings[2 * i], frame.embeddings[2 * i + 1]];
    const [w0, w1] = [frame.directions[2 * y], frame.directions[2 * y + 1]];
    // In the plane the rejection of x from w is their cross product: no acos here either.
    return atan2(abs(x0 * w1 - x1 * w0), x0 * w0 + x1 * w1);
  });
}

/** Logits without margin of point i: scale·cos θ_j, or w_j·x + b_j for plain softmax (else its cos θ_j). */
export function logits(frame, i, settings) {
  const [x, y] = [frame.embeddings[2 * i], frame.embeddings[2 * i + 1]];
  const length = hypot(x, y) || 1;
  return Array.from({length: frame.directions.length / 2}, (_, j) => {
    if (frame.linear) return frame.linear[3 * j] * x + frame.linear[3 * j + 1] * y + frame.linear[3 * j + 2];
    return (frame.directions[2 * j] * x + frame.directions[2 * j + 1] * y) / length * (settings.scale ?? 1);
  });
}

/** Rows (w_x, w_y, b) whose largest value of w·x + b is the answer. */
function linear(frame) {
  return frame.linear ?? Float32Array.from({length: frame.directions.length / 2 * 3}, (_, k) =>
    k % 3 < 2 ? frame.directions[floor(k / 3) * 2 + k % 3] : 0);
}

/** Where each class is the answer, within the disc of radius r: a convex polygon [[x, y], …] a class. */
export function regions(rows, r) {
  const count = rows.length / 3;
  const disc = Array.from({length: 90}, (_, k) => [r * cos(k / 90 * TURN), r * sin(k / 90 * TURN)]);
  return Array.from({length: count}, (_, i) => {
    let polygon = disc;
    for (let j = 0; j < count && polygon.length; j++) {
      if (i === j) continue;
      const side = ([x, y]) => (rows[3 * i] - rows[3 * j]) * x + (rows[3 * i + 1] - rows[3 * j + 1]) * y
        + rows[3 * i + 2] - rows[3 * j + 2];
      polygon = polygon.flatMap((p, k) => {
        const q = polygon[(k + 1) % polygon.length], [a, b] = [side(p), side(q)];
        const crossing = () => [p[0] + a / (a - b) * (q[0] - p[0]), p[1] + a / (a - b) * (q[1] - p[1])];
        return [...(a >= 0 ? [p] : []), ...((a >= 0) !== (b >= 0) ? [crossing()] : [])];
      });
    }
    return polygon;
  });
}

/**
 * No-man's-land: where an embedding is classified rightly, but not by the margin, ψ(θ_y) < cos θ_j.
 * Wedges [from, to] in radians, found at every half degree. By the cured ψ, which means the margin that was asked for.
 */
export function bands(directions, settings) {
  const turn = Array.from({length: directions.length / 2}, (_, j) => atan2(directions[2 * j + 1], directions[2 * j]));
  const wedges = [], count = 720, step = TURN / count, cured = {...settings, naive: null};
  for (let k = 0; k < count; k++) {
    const away = turn.map(t => abs(atan2(sin((k + 0.5) * step - t), cos((k + 0.5) * step - t)))).sort((a, b) => a - b);
    if (psi(away[0], cured) >= cos(away[1]) - 1e-9) continue;
    const last = wedges.at(-1);
    if (last && abs(last[1] - k * step) < 1e-9) last[1] = (k + 1) * step;
    else wedges.push([k * step, (k + 1) * step]);
  }
  return wedges;
}

/** Spread angles so that neighbours are `gap` apart or more, moving them as little as may be (by least squares). */
export function spread(turns, gap) {
  const order = turns.map((_, i) => i).filter(i => isFinite(turns[i])).sort((a, b) => turns[a] - turns[b]);
  const n = order.length, out = [...turns];
  if (n < 2) return out;
  gap = min(gap, TURN / n);
  // Cut the circle where it is widest: what is left is a row, whose k-th is k gaps from the first or more.
  const opening = k => turns[order[(k + 1) % n]] - turns[order[k]] + (k === n - 1 ? TURN : 0);
  const cut = order.map((_, k) => k).reduce((best, k) => opening(k) > opening(best) ? k : best, 0);
  const row = order.map((_, k) => order[(cut + 1 + k) % n]);
  const wish = row.map((i, k) => turns[i] + (cut + 1 + k >= n ? TURN : 0) - k * gap);
  // Isotonic regression: who would come before the one ahead of it shares a place with it, at their mean.
  const blocks = [];
  for (const value of wish) {
    blocks.push({sum: value, size: 1});
    for (let b; (b = blocks.length - 1) && blocks[b].sum / blocks[b].size <= blocks[b - 1].sum / blocks[b - 1].size;) {
      const {sum, size} = blocks.pop();
      blocks[b - 1].sum += sum;
      blocks[b - 1].size += size;
    }
  }
  const level = blocks.flatMap(({sum, size}) => Array(size).fill(sum / size));
  // And the last must not come round to the first.
  const room = TURN - n * gap, low = (level[0] + level[n - 1] - room) / 2;
  const tight = level[n - 1] - level[0] > room;
  row.forEach((i, k) => {
    const at = tight ? min(max(level[k], low), low + room) : level[k];
    if (at !== wish[k]) out[i] = at + k * gap - (cut + 1 + k >= n ? TURN : 0);
  });
  return out;
}

/** The Python that makes this very run in a notebook. */
export function code({head, seed = 0, naive = null, ...rest}) {
  const given = HEADS[head].map(({name}) => `${name}=${rest[name]}`);
  if (!naive) {
    return `from marginlab import Trainer\n\n`
      + `trainer = Trainer("${head}", seed=${seed}, frames=20)\nresult = trainer.retrain(${given.join(", ")})\n`;
  }
  return `from marginlab import Trainer\nfrom marginlab.explorer.naive import naive_head\n\n`
    + `head = naive_head("${head}", "${naive}")\n`
    + `trainer = Trainer(head, seed=${seed}, frames=20)\nresult = trainer.retrain(${given.join(", ")})\n`;
}

// ---------------------------------------------------------------- drawing: a canvas's context, its size in px, a scene
//
// scene: {frame, labels, settings, ink, soft, faint, paper, colours, focus, own: the embedding of a digit that was drawn}

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

function words(ctx, text, x, y, {fill, size = 12, weight = 400, align = "left", base = "middle", halo = null}) {
  ctx.font = `${weight} ${size}px ${FONT}`;
  [ctx.textAlign, ctx.textBaseline, ctx.fillStyle] = [align, base, fill];
  if (halo) {
    [ctx.strokeStyle, ctx.lineWidth, ctx.lineJoin] = [halo, 3.5, "round"];
    ctx.strokeText(text, x, y);
  }
  ctx.fillText(text, x, y);
}

function line(ctx, points, colour, width = 1, dash = []) {
  ctx.beginPath();
  let pen = false;
  for (const [x, y] of points) {
    if (!isFinite(y)) { pen = false; continue; }
    if (pen) ctx.lineTo(x, y); else ctx.moveTo(x, y);
    pen = true;
  }
  [ctx.strokeStyle, ctx.lineWidth, ctx.lineJoin, ctx.lineCap] = [colour, width, "round", dash.length ? "butt" : "round"];
  ctx.setLineDash(dash);
  ctx.stroke();
  ctx.setLineDash([]);
}

function cross(ctx, x, y, colour, r = 5) {
  line(ctx, [[x - r, y - r], [x + r, y + r]], colour, 2);
  line(ctx, [[x - r, y + r], [x + r, y - r]], colour, 2);
}

/** Strokes the path as a hatching: for what must not rest on colour alone. Nothing is clipped, which is slow in software. */
function hatch(ctx, scene) {
  [ctx.strokeStyle, ctx.lineWidth, ctx.lineCap, ctx.globalAlpha] = [scene.ink, 0.8, "butt", scene.dark ? 0.36 : 0.3];
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** One path a class, with what `add` puts into it for each of its points. */
function byClass(ctx, {labels, colours}, paint, add) {
  for (let j = 0; j < colours.length; j++) {
    ctx.beginPath();
    for (let i = 0; i < labels.length; i++) if (labels[i] === j) add(i);
    ctx[`${paint}Style`] = colours[j];
    ctx[paint]();
  }
}

function addDot(ctx, x, y, r) {
  if (!isFinite(x) || !isFinite(y)) return;
  ctx.moveTo(x + r, y);
  ctx.arc(x, y, r, 0, TURN);
}

/** The size of the plane's disc in the embeddings' unit: nearly all points lie within. */
function extent(embeddings) {
  const lengths = [];
  for (let i = 0; i < embeddings.length; i += 2) {
    const length = hypot(embeddings[i], embeddings[i + 1]);
    if (isFinite(length)) lengths.push(length);
  }
  lengths.sort((a, b) => a - b);
  return 1.12 * (lengths[floor(0.985 * (lengths.length - 1))] || 1);
}

/** The plane, or the circle with its histogram. Returns where each point is, (2n,) in px, NaN where nowhere. */
export function drawPlane(ctx, size, scene) {
  const {frame, labels, settings, ink, faint, paper, colours, focus, circle, dim} = scene;
  const {embeddings, directions} = frame, count = directions.length / 2;
  const middle = size / 2, rim = middle - 21, disc = circle ? 0.66 * rim : rim;
  const reach = circle ? 1 : extent(embeddings);
  const at = (r, turn) => [middle + r * cos(turn), middle - r * sin(turn)];
  const turns = Array.from({length: count}, (_, j) => atan2(directions[2 * j + 1], directions[2 * j]));
  const known = turns.every(isFinite);

  const sectors = settings.head !== "softmax" || (frame.linear && !circle);
  if (known && sectors) {
    ctx.globalAlpha = scene.dark ? 0.2 : 0.13;
    regions(linear(frame), reach).forEach((polygon, j) => {
      ctx.beginPath();
      for (const [x, y] of polygon) ctx.lineTo(middle + x / reach * disc, middle - y / reach * disc);
      ctx.fillStyle = colours[j];
      ctx.fill();
    });
    ctx.globalAlpha = 1;
    if (settings.head !== "softmax") {
      ctx.beginPath();
      for (const [from, to] of bands(directions, settings)) {
        for (let r = disc - 4; r > 0; r -= 5) {
          ctx.moveTo(...at(r, from));
          ctx.arc(middle, middle, r, -from, -to, true);
        }
      }
      hatch(ctx, scene);
    }
  }
  ctx.beginPath();
  ctx.arc(middle, middle, disc, 0, TURN);
  [ctx.strokeStyle, ctx.lineWidth] = [faint, 1];
  ctx.stroke();

  if (known) turns.forEach((t, j) => line(ctx, [at(0, t), at(disc, t)], colours[j], 1.5));
  // In the plane a point outside the disc is shown on its rim; on the circle each digit has a ring of its own.
  const place = (x, y, label) =>
    at(circle ? disc * (0.94 - 0.058 * label) : min(hypot(x, y) / reach, 0.995) * disc, atan2(y, x));
  const places = new Float32Array(embeddings.length);
  for (let i = 0; i < labels.length; i++) places.set(place(embeddings[2 * i], embeddings[2 * i + 1], labels[i]), 2 * i);
  if (circle) {
    const bins = 240;
    const counts = Array.from({length: count}, () => new Float64Array(bins));
    labels.forEach((y, i) => {
      const t = atan2(embeddings[2 * i + 1], embeddings[2 * i]);
      if (isFinite(t)) counts[y][floor((t + TURN) / TURN * bins) % bins]++;
    });
    const smooth = counts.map(row => row.map((_, k) => [1, 3, 4, 3, 1].reduce((sum, weight, d) =>
      sum + weight * row[(k + d - 2 + bins) % bins], 0) / 12));
    const top = max(...smooth.flatMap(row => [...row])) || 1;
    smooth.forEach((row, j) => {
      ctx.beginPath();
      row.forEach((value, k) => ctx.lineTo(...at(disc + (rim - 4 - disc) * sqrt(value / top), (k + 0.5) / bins * TURN)));
      ctx.closePath();
      ctx.moveTo(middle + disc, middle);
      ctx.arc(middle, middle, disc, 0, -TURN, true);
      ctx.fillStyle = colours[j];
      ctx.globalAlpha = 0.75;
      ctx.fill("evenodd");
      ctx.globalAlpha = 1;
    });
  }
  ctx.globalAlpha = dim ? 0.25 : 0.85;
  const dot = size < 340 ? 1.7 : 2.2;
  byClass(ctx, scene, "fill", i => addDot(ctx, places[2 * i], places[2 * i + 1], dot));
  ctx.globalAlpha = 1;
  if (known) {
    turns.forEach((t, j) => dotAt(ctx, ...at(disc, t), colours[j], paper));
    // A name is 11 px high and no wider; and where it had to move, a line leads back to its ray.
    spread(turns, 18 / (rim + 12)).forEach((t, j) => {
      if (abs(t - turns[j]) > 0.04 && !circle) line(ctx, [at(disc + 2, turns[j]), at(rim + 6, t)], colours[j], 1.5);
      words(ctx, String(j), ...at(rim + 12, t), {fill: ink, size: 15, weight: 700, align: "center", halo: paper});
    });
  }
  if (focus != null && isFinite(places[2 * focus])) {
    ctx.beginPath();
    ctx.arc(places[2 * focus], places[2 * focus + 1], 8, 0, TURN);
    [ctx.strokeStyle, ctx.lineWidth] = [paper, 5];
    ctx.stroke();
    [ctx.strokeStyle, ctx.lineWidth] = [ink, 2];
    ctx.stroke();
  }
  if (scene.own) {
    const [x, y] = place(...scene.own, 0);
    dotAt(ctx, x, y, colours[scene.answer] ?? ink, ink, 7);
    words(ctx, "yours", x, y - 17, {fill: ink, size: 14, weight: 700, align: "center", halo: paper});
  }
  return places;
}

const grouped = v => v.toLocaleString("en-US");
const PAD = {left: 44, right: 14, top: 12, bottom: 38};

/** Axes of a chart: functions from values to px. ticks: [[value, text], …]; name: what lies along the lower edge. */
function axes(ctx, width, height, scene, {x, y, xticks, yticks, name, log = false, right = PAD.right}) {
  const along = log ? Math.log10 : v => v;
  const X = v => PAD.left + (along(v) - along(x[0])) / (along(x[1]) - along(x[0])) * (width - PAD.left - right);
  const Y = v => height - PAD.bottom - (v - y[0]) / (y[1] - y[0]) * (height - PAD.top - PAD.bottom);
  for (const [value, text] of yticks) {
    line(ctx, [[PAD.left, Y(value)], [width - right, Y(value)]], scene.faint, 1);
    words(ctx, text, PAD.left - 6, Y(value), {fill: scene.soft, size: 11, align: "right"});
  }
  for (const [value, text] of xticks) {
    line(ctx, [[X(value), height - PAD.bottom], [X(value), height - PAD.bottom + 4]], scene.soft, 1);
    words(ctx, text, X(value), height - 25, {fill: scene.soft, size: 11, align: "center"});
  }
  words(ctx, name, (PAD.left + width - right) / 2, height - 9, {fill: scene.soft, size: 11, align: "center"});
  return [X, Y];
}

/** The powers of ten about some numbers above 0, as [low, high]. */
function decades(values) {
  const low = floor(Math.log10(min(...values)) + 1e-9), high = Math.ceil(Math.log10(max(...values)) - 1e-9);
  return [low, max(high, low + 1)];
}

/** Over the steps so far: the accuracy in per cent, and the loss, on a logarithmic axis of its own at the right. */
export function drawProgress(ctx, width, height, scene) {
  const {frames, position, settings} = scene, [blue, red] = scene.lines;
  // The unguarded acos is not thought to reach its end.
  const steps = max(frames.at(-1).step, settings.naive === "acos" ? 0 : settings.steps ?? 0, 1);
  const [X, Y] = axes(ctx, width, height, scene, {
    x: [0, steps], y: [0, 100], yticks: [[0, "0 %"], [50, "50 %"], [100, "100 %"]], right: 44, name: "step",
    xticks: [[0, "0"], [steps / 2, grouped(round(steps / 2))], [steps, grouped(steps)]],
  });
  for (const share of settings.steps && settings.anneal || []) {
    const at = share * settings.steps;
    if (at <= steps) line(ctx, [[X(at), PAD.top], [X(at), height - PAD.bottom]], scene.soft, 1, [1, 3]);
  }
  const finite = frames.map(f => f.loss).filter(l => isFinite(l) && l > 0);
  const [low, high] = decades(finite.length ? finite : [1]);
  const L = loss => Y(100 * (Math.log10(loss) - low) / (high - low));
  const every = Math.ceil((high - low) / 4);
  for (let k = low; k <= high; k += every) {
    line(ctx, [[width - 44, L(10 ** k)], [width - 40, L(10 ** k)]], red, 1.5);
    words(ctx, String(Number((10 ** k).toPrecision(1))), width - 36, L(10 ** k), {fill: red, size: 11});
  }
  line(ctx, frames.map(f => [X(f.step), L(f.loss)]), red, 2.2);
  line(ctx, frames.map(f => [X(f.step), Y(100 * f.accuracy)]), blue, 2.2);
  for (const f of frames) if (!isFinite(f.loss)) cross(ctx, X(f.step), PAD.top + 8, red);
  const now = frames[min(round(position), frames.length - 1)];
  line(ctx, [[X(now.step), PAD.top], [X(now.step), height - PAD.bottom]], scene.soft, 1, [3, 3]);
  if (isFinite(now.accuracy)) dotAt(ctx, X(now.step), Y(100 * now.accuracy), blue, scene.paper);
  if (isFinite(now.loss)) dotAt(ctx, X(now.step), L(now.loss), red, scene.paper);
}

function dotAt(ctx, x, y, colour, paper, r = 4.5) {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, TURN);
  [ctx.fillStyle, ctx.strokeStyle, ctx.lineWidth] = [colour, paper, 1.5];
  ctx.fill();
  ctx.stroke();
}

/** Even numbers between two, at most five. */
function ticks(low, high) {
  const step = [0.25, 0.5, 1, 2, 5, 10, 20].find(s => (high - low) / s <= 4.5) ?? 50;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({length: floor(high / step + 1e-9) - first + 1}, (_, k) => (first + k) * step)
    .map(v => [v, String(v).replace("-", "−")]);
}

const DEGREES = [[0, "0°"], [PI / 4, "45°"], [PI / 2, "90°"], [3 * PI / 4, "135°"], [PI, "180°"]];
const THETA = "θ, from a digit to its own ray; marks: the digits";
const SAMPLES = Array.from({length: 361}, (_, k) => k / 360 * PI);

/** Where m₁θ + m₂ passes π, and the plain cosine would turn back up. */
export function turningPoint(settings) {
  const [m1, m2] = margins(settings);
  return (PI - m2) / m1;
}

/** Points as ticks under an axis, each at its angle: a rug. */
function rug(ctx, X, height, scene, low) {
  ctx.globalAlpha = 0.35;
  ctx.lineWidth = 1;
  byClass(ctx, scene, "stroke", i => {
    const x = X(max(scene.thetas[i], low));
    if (!isFinite(x)) return;
    ctx.moveTo(x, height - PAD.bottom);
    ctx.lineTo(x, height - PAD.bottom - 9);
  });
  ctx.globalAlpha = 1;
}

/** ψ(θ) as it is at this moment, and the shown embeddings upon it, each at the angle to its own class. */
export function drawPsi(ctx, width, height, scene) {
  const {settings, thetas, labels, focus, share} = scene, [blue, red] = scene.lines;
  const cured = {...settings, naive: null};
  const bottom = min(-1, psi(PI, cured)) - 0.12 * (1 - psi(PI, cured));
  const past = turningPoint(settings);
  const [X, Y] = axes(ctx, width, height, scene, {
    x: [0, PI], y: [bottom, 1], xticks: DEGREES, yticks: ticks(min(-1, psi(PI, cured)), 1), name: THETA,
  });
  if (past < PI - 1e-9) {
    ctx.beginPath();
    for (let x = X(PI); x > X(past); x -= 5) { ctx.moveTo(x, PAD.top); ctx.lineTo(x, height - PAD.bottom); }
    hatch(ctx, scene);
    line(ctx, [[X(past), PAD.top], [X(past), height - PAD.bottom]], scene.soft, 1);
  }
  line(ctx, SAMPLES.map(t => [X(t), Y(cos(t))]), scene.soft, 1.2, [2, 3]);
  if (share < 1 && hasMargin(settings)) line(ctx, SAMPLES.map(t => [X(t), Y(psi(t, cured))]), blue, 1);
  line(ctx, SAMPLES.map(t => [X(t), Y(psiAt(t, cured, share))]), blue, 2.4);
  if (settings.naive) line(ctx, SAMPLES.map(t => [X(t), Y(psiAt(t, settings, share))]), red, 2.4, [6, 4]);
  rug(ctx, X, height, scene, 0);
  ctx.globalAlpha = 0.7;
  byClass(ctx, scene, "fill", i => addDot(ctx, X(thetas[i]), Y(psiAt(thetas[i], settings, share)), 2.2));
  ctx.globalAlpha = 1;
  if (focus != null && isFinite(thetas[focus])) {
    dotAt(ctx, X(thetas[focus]), Y(psiAt(thetas[focus], settings, share)), scene.colours[labels[focus]], scene.ink, 6);
  }
  if (past < PI - 1e-9) {
    const text = {sphereface: "mθ > π", combined: "m₁θ + m₂ > π"}[settings.head] ?? "θ + m > π";
    words(ctx, text, X(PI) - 5, PAD.top + 14, {fill: scene.ink, size: 12, align: "right", halo: scene.paper});
  }
}

/** Whether a naive form fails next to 0, where only a logarithmic axis shows it. */
const failsNear0 = ({naive}) => naive === "acos" || naive === "clip";
const SMALLEST = PI / 180_000; // 0.001°
const NEAR = Array.from({length: 361}, (_, k) => SMALLEST * (PI / SMALLEST) ** (k / 360));

/** The pull of the cured form and of the naive one at angles θ, and which of the latter no chart can show. */
function pulls(settings, share) {
  const thetas = failsNear0(settings) ? NEAR : SAMPLES.slice(1, -1);
  const cured = thetas.map(t => pullAt(t, {...settings, naive: null}, share));
  const naive = settings.naive ? thetas.map(t => pullAt(t, settings, share)) : [];
  // The axis is of the whole margin, and so it stays as it is while the margin comes in.
  const top = 1.1 * max(...thetas.map(t => pull(t, {...settings, naive: null})));
  return {thetas, cured, naive, top, lost: naive.map(p => !(abs(p) <= 1.001 * top))};
}

/** The pull towards the own class, by angle, at this moment: cured, and of a naive form as training computes it. */
export function drawPull(ctx, width, height, scene) {
  const {settings, share} = scene, [blue, red] = scene.lines, near = failsNear0(settings);
  const {thetas, cured, naive, top, lost} = pulls(settings, share);
  const bottom = min(0, max(-top, min(...naive.filter(isFinite), 0)));
  const small = [0.001, 0.01, 0.1, 1, 10].map(d => [d * PI / 180, `${d}°`]);
  const [X, Y] = axes(ctx, width, height, scene, {
    x: [near ? SMALLEST : 0, PI], y: [bottom - 0.12 * (top - bottom), top], log: near, yticks: ticks(bottom, top),
    xticks: near ? [...small, [PI, "180°"]] : DEGREES, name: near ? "θ, stretched near 0: tenfold from mark to mark" : THETA,
  });
  line(ctx, thetas.map((t, k) => [X(t), Y(cured[k])]), blue, 2.4);
  line(ctx, thetas.map((t, k) => [X(t), lost[k] ? NaN : Y(naive[k])]).slice(0, naive.length), red, 2.4, [6, 4]);
  // What cannot be drawn gets a cross at the upper edge, thinned out so that each is seen.
  let last = -Infinity;
  thetas.forEach((t, k) => {
    if (lost[k] && X(t) - last >= 13) cross(ctx, last = X(t), PAD.top + 6, red, 4);
  });
  rug(ctx, X, height, scene, near ? SMALLEST : 0);
}

// ---------------------------------------------------------------- what is said beside a drawing, as HTML

const entry = (colour, text, dash = "solid") => `<span class="mlx-entry"><i style="color:${colour};border-top-style:${dash}"></i>${text}</span>`;
const crossEntry = text => `<span class="mlx-entry"><b class="mlx-red">×</b> ${text}</span>`;
const percent = share => `${(100 * share).toFixed(1)} %`;

function keyOfProgress({settings, frames, lines}) {
  const dead = frames.some(f => !isFinite(f.loss)) ? crossEntry("NaN: the run ends.") : "";
  const coming = !settings.steps || !settings.anneal || dead ? "" : hasMargin(settings)
    ? "<span>Dotted: the margin comes in, and brings loss with it.</span>"
    : "<span>Dotted: the lengths ‖x‖ give way to the scale.</span>";
  return entry(lines[0], "right") + entry(lines[1], "loss, comparable within this head only") + dead + coming;
}

function keyOfPsi({settings, thetas, lines, share, frame}) {
  if (settings.head === "softmax") return "Softmax: cos θ, times the lengths ‖w‖ and ‖x‖, plus a bias. It has no margin.";
  const past = turningPoint(settings), beyond = thetas.filter(t => t > past).length;
  const coming = share < 1 && hasMargin(settings);
  const now = coming ? share === 0 ? "ψ now: no margin yet" : `ψ now: ${round(100 * share)} % of the margin`
    : hasMargin(settings) ? "ψ" : "ψ, here cos θ: no margin";
  return entry(lines[0], now) + (settings.naive ? entry(lines[1], "naive", "dashed") : "")
    + (coming ? `<span class="mlx-entry"><i style="color:${lines[0]};border-top-width:1px"></i>ψ at the end</span>` : "")
    + (hasMargin(settings) ? entry("var(--soft)", "cos θ", "dotted") : "")
    + (past < PI - 1e-9 ? `<span>hatched: past π, ${grouped(beyond)} of ${grouped(thetas.length)} digits</span>` : "");
}

/** Of a naive form also where it has no value, and how many of the shown points are where it hurts. */
function keyOfPull({settings, thetas, lines, share, died}) {
  if (settings.head === "softmax") return "Softmax: sin θ, times the length ‖w‖ of the class. All of it at 90°, none at 0°.";
  if (!settings.naive) return entry(lines[0], share < 1 && hasMargin(settings) ? "−ψ′(θ) now: how fast ψ falls" : "−ψ′(θ): how fast ψ falls");
  const naive = Array.from(thetas, t => pullAt(t, settings, share));
  const lost = naive.filter((p, i) => !(abs(p) > 0 && abs(p) < Infinity)
    && pullAt(thetas[i], {...settings, naive: null}, share) > 1e-3).length;
  const pushed = naive.filter(p => p < -1e-3).length;
  const all = pulls(settings, share), same = all.naive.every((p, k) => abs(p - all.cured[k]) < 1e-6);
  const said = [
    all.lost.includes(true) && crossEntry(died ? "no finite value: there the run broke" : "no finite value"),
    lost && `<span>${grouped(lost)} digits without a pull</span>`,
    pushed && `<span>${grouped(pushed)} digits pushed away</span>`,
    same && `<span>${share < 1 && hasMargin(settings) ? "no difference yet" : "no difference here"}</span>`,
  ];
  return entry(lines[0], "cured") + entry(lines[1], "naive", "dashed") + said.filter(Boolean).join("");
}

function what({settings, labels, circle, frame}) {
  const digits = circle ? "The same digits on the circle; the hills say how many lie at each angle."
    : `${grouped(labels.length)} test digits, each where the network puts it; rays are class directions.`;
  if (settings.head === "softmax") {
    return frame.linear && !circle ? `${digits} Shaded: where each digit is the answer, by length and bias of its class too.` : digits;
  }
  return `${digits} The nearest ray is the answer.`
    + (hasMargin(settings) ? " Hatched: no-man’s-land, right but not by the whole margin." : "");
}

// One under the other, each with its words.
const CHARTS = [[drawProgress, keyOfProgress], [drawPsi, keyOfPsi], [drawPull, keyOfPull]];

// ---------------------------------------------------------------- looks

// `plots.PALETTE`; and for dark pages colours of the same hues, found by the same search on a dark ground.
const LIGHT = {
  ink: "#2b2d33", soft: "#5f636d", faint: "#c9ccd3", paper: "#ffffff", lines: ["#1a74cf", "#a93023"],
  colours: ["#2f97fa", "#a93023", "#24365b", "#e8699b", "#6c26b5", "#969664", "#ac7801", "#6e6db3", "#1e735e", "#622022"],
};
const DARK = {
  dark: true, ink: "#eceef2", soft: "#a4a9b4", faint: "#444953", paper: "#15171b", lines: ["#6db5ff", "#ff8f78"],
  colours: ["#4871a8", "#d35a25", "#d5e5f8", "#a98294", "#a939dc", "#6a734f", "#bfc523", "#8fafeb", "#21bd5e", "#f1b5af"],
};

const CSS = `
.mlx { --ink: #2b2d33; --soft: #5f636d; --faint: #c9ccd3; --lift: #f4f5f7; --blue: #1a74cf; --red: #a93023;
  container-type: inline-size; color: var(--ink); font: 14px/1.4 ${FONT}; max-width: 1050px; position: relative;
  padding: 5px; /* for the rings of what has the focus: a cell cuts off what is outside */ }
.mlx.mlx-dark { --ink: #eceef2; --soft: #a4a9b4; --faint: #444953; --lift: #23262c; --blue: #6db5ff; --red: #ff8f78; }
.mlx * { box-sizing: border-box; }
.mlx p, .mlx h4, .mlx figure { margin: 0; padding: 0; }
.mlx-grid { display: grid; grid-template-columns: minmax(0, 1.08fr) minmax(0, 1fr); gap: 6px 24px; align-items: start; }
.mlx-side { display: grid; gap: 10px; }
.mlx-now { font-size: 15px; line-height: 26px; height: 54px; font-variant-numeric: tabular-nums; margin-bottom: 4px !important; }
.mlx-now b { font-size: 24px; color: var(--blue); margin-right: 2px; }
.mlx-now span { white-space: nowrap; }
.mlx .mlx-red, .mlx-now b.mlx-red { color: var(--red); }
.mlx h4 { font-size: 14px; font-weight: 650; line-height: 1.3; color: var(--ink); }
/* Room for the longest of their texts: what is said must not move what is shown. */
.mlx-key { color: var(--soft); font-size: 12.5px; line-height: 17.5px; min-height: 52.5px; }
.mlx-key.mlx-what { min-height: 70px; }
.mlx-key i { display: inline-block; width: 18px; height: 0; border-top: 2.5px solid; margin: 0 4px 3px 0; }
.mlx-key span { margin-right: 10px; }
.mlx-key .mlx-entry { display: inline-block; }  /* a line and its name stay together */
.mlx-key b { font-size: 15px; line-height: 1; }
.mlx canvas { display: block; width: 100%; touch-action: pan-y; }
.mlx-plane { aspect-ratio: 1; cursor: crosshair; border-radius: 8px; }
.mlx-chart { height: 184px; }
.mlx canvas:focus-visible, .mlx button:focus-visible, .mlx input:focus-visible {
  outline: 2px solid var(--blue); outline-offset: 2px; }
.mlx-bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin: 6px 0 !important; }
.mlx button { font: inherit; font-size: 13px; color: var(--ink); background: var(--lift); cursor: pointer;
  border: 1px solid var(--faint); border-radius: 6px; min-width: 34px; min-height: 32px; padding: 2px 9px; }
.mlx button:hover { border-color: var(--soft); }
.mlx button[aria-pressed=true] { background: var(--blue); border-color: var(--blue); color: #fff; }
.mlx.mlx-dark button[aria-pressed=true] { color: #15171b; }
.mlx input[type=range] { flex: 1; min-width: 90px; accent-color: var(--blue); margin: 0; height: 24px; }
.mlx-point { display: flex; gap: 10px; min-height: 88px; align-items: center; font-size: 13px; }
.mlx-point > div { flex: 1; min-width: 0; }
.mlx-point canvas { flex: none; width: 64px; height: 64px; border-radius: 4px; image-rendering: pixelated; background: var(--lift); }
.mlx-logits { display: flex; align-items: flex-end; height: 46px; gap: 2px; font-size: 10px; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.mlx-logits span { flex: 1; text-align: center; line-height: 1.15; white-space: nowrap; overflow: hidden; }
.mlx-logits i { display: block; background: var(--c); height: calc(var(--h) * 18px + 1px); }
.mlx-logits b { color: var(--ink); font-weight: 600; }
.mlx-pad { display: flex; gap: 12px; align-items: center; margin-top: 6px; }
.mlx-pad > div { flex: 1; }
.mlx-pad canvas { flex: none; width: min(196px, 55cqw); aspect-ratio: 1; touch-action: none; cursor: crosshair;
  background: #f4f5f7; border: 1px solid var(--faint); border-radius: 8px; }
.mlx-say { min-height: 2.8em; margin-top: 8px !important; }
.mlx .mlx-notice, .mlx-died { border-left: 4px solid var(--red); background: var(--lift); padding: 8px 12px; border-radius: 4px; }
.mlx-notice { position: absolute; left: 4%; right: 4%; bottom: 4px; z-index: 1; box-shadow: 0 2px 14px #0004; }
.mlx-stage { position: relative; }
.mlx-died { position: absolute; left: 8%; right: 8%; top: 50%; transform: translateY(-50%); font-size: 14px;
  box-shadow: 0 2px 14px #0004; }
.mlx-died b { display: block; font-size: 20px; line-height: 1.2; color: var(--red); }
.mlx [hidden] { display: none !important; }
.mlx-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@container (max-width: 640px) {
  .mlx-grid { grid-template-columns: minmax(0, 1fr); }
  .mlx-chart { height: 164px; }
}
@media (pointer: coarse) { .mlx button { min-height: 42px; min-width: 42px; } .mlx input[type=range] { height: 36px; } }
`;

/** Whether the page is dark: by the book's switch, by JupyterLab's theme, else by the system's wish. */
function isDark() {
  const book = document.documentElement.dataset.theme, lab = document.body.dataset.jpThemeLight;
  if (book === "dark" || book === "light") return book === "dark";
  if (lab) return lab === "false";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// ---------------------------------------------------------------- the view

const HTML = `
<div class="mlx-grid">
  <div>
    <p class="mlx-now"></p>
    <div class="mlx-stage">
      <canvas class="mlx-plane" tabindex="0"></canvas>
      <div class="mlx-died" role="alert" hidden></div>
      <p class="mlx-notice" role="status" hidden></p>
    </div>
    <div class="mlx-bar">
      <button data-do="play" aria-label="play">▶</button>
      <button data-do="back" aria-label="one frame back">‹</button>
      <button data-do="on" aria-label="one frame on">›</button>
      <input type="range" min="0" max="0" step="any" value="0" aria-label="moment of the training">
      <button data-do="draw">draw a digit</button>
    </div>
    <p class="mlx-key mlx-what"></p>
    <div class="mlx-point">
      <canvas width="14" height="14" aria-hidden="true"></canvas>
      <div><p class="mlx-which" aria-live="polite"></p><div class="mlx-logits" aria-hidden="true"></div></div>
    </div>
    <div class="mlx-pad" hidden>
      <canvas role="img" aria-label="Pad: draw a digit here, with mouse or finger"></canvas>
      <div><p class="mlx-own" aria-live="polite"></p>
        <div class="mlx-bar"><button data-do="clear">clear</button><button data-do="draw">close</button></div></div>
    </div>
  </div>
  <div class="mlx-side">
    <figure><h4>Learning</h4>
      <p class="mlx-key"></p><canvas class="mlx-chart"></canvas></figure>
    <figure><h4>ψ(θ): what the true class scores</h4>
      <p class="mlx-key"></p><canvas class="mlx-chart"></canvas></figure>
    <figure><h4>The pull towards the true class, by θ</h4>
      <p class="mlx-key"></p><canvas class="mlx-chart"></canvas></figure>
    <div class="mlx-bar">
      <button data-do="circle" aria-pressed="false">on the circle</button>
      <button data-do="code">copy as code</button>
      <button data-do="png">save PNG</button>
      <button data-do="svg">save SVG</button>
    </div>
  </div>
</div>
<p class="mlx-say" aria-live="polite"></p>`;

const HINT = "Point at a dot, or focus on the picture and use the arrow keys, to see its digit.";
const SHEET = [980, 620];  // of a saved picture, in px
const degrees = t => `${(t * 180 / PI).toFixed(1)}°`;
const number = v => isFinite(v) ? (abs(v) < 10 ? v.toFixed(abs(v) < 1 ? 3 : 2) : v.toFixed(1)) : "NaN";
/** Only what changes is written: the browser lays out anew for every writing. */
const write = (element, html) => {
  if (element.mlxWritten !== html) element.innerHTML = element.mlxWritten = html;
};
const finite = frame => isFinite(frame.embeddings[0]) && isFinite(frame.directions[0]);

/** The moment between two frames: where points are on their way from one to the next. */
function between(a, b, share) {
  const mix = (u, v) => u.map((value, k) => value + share * (v[k] - value));
  const directions = mix(a.directions, b.directions);
  for (let k = 0; k < directions.length; k += 2) {
    const length = hypot(directions[k], directions[k + 1]) || 1;
    directions[k] /= length;
    directions[k + 1] /= length;
  }
  return {...(share < 0.5 ? a : b), embeddings: mix(a.embeddings, b.embeddings), directions,
    linear: a.linear && mix(a.linear, b.linear)};
}

/**
 * Draws into root, and owns time, focus and what is shown there; sliders and training are another's.
 *
 * labels: Uint8Array(n); images: Uint8Array(196 n), 14×14 of 0 to 15, or null. group: views with the same
 * name keep the same time. embed: is given the digit that was drawn, Uint8Array(784) of 0 to 255, time and again as it
 * or the network changes; the answer comes as view.landed([x, y]). Where there is none, there is no pad.
 */
export function createView(root, {labels, images = null, heads = HEADS, group = null, embed = null}) {
  const style = document.createElement("style");
  style.textContent = CSS;
  const box = document.createElement("div");
  box.className = "mlx";
  box.innerHTML = HTML;
  root.append(style, box);
  const $ = query => box.querySelector(query);
  const [plane, stamp, pad, ...charts] = [$(".mlx-plane"), $(".mlx-point canvas"), $(".mlx-pad"), ...box.querySelectorAll(".mlx-chart")];
  const keys = box.querySelectorAll("figure .mlx-key"), scrub = $("input"), play = $("[data-do=play]");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const order = Array.from(labels, (_, i) => i);  // of the arrow keys: by digit

  let frames = [], settings = {head: "arcface", margin: 0.3, scale: 30}, stale = true, ended = false;
  let position = 0, following = true, playing = false, circle = false, focus = null;
  let places = new Float32Array(0), asked = 0, before = 0, rest = 0, settled = 0, turn = -1;
  let drawn = null, own = null;  // the digit that was drawn, and where the newest weights put it

  const last = () => frames.length - 1;
  const now = () => frames[round(position)];

  /** What is drawn: the frame at `position`, or the last one before it that is not NaN. */
  function scene() {
    const at = min(position, last()), i = floor(at);
    let frame = frames[i];
    if (i < last() && at > i && finite(frames[i + 1])) frame = between(frame, frames[i + 1], at - i);
    let shown = frame;
    for (let k = i; k >= 0 && !finite(shown); k--) shown = frames[k];
    const ownHere = own && (following || round(position) === last()) ? own : null;
    return {
      own: ownHere, answer: ownHere && read(shown), frame: shown, frames, labels, settings, position, focus, circle,
      died: now().died, dim: Boolean(now().died) || !finite(now()), share: blend({...shown, step: frame.step}, settings),
      thetas: angles(shown, labels), ...(isDark() ? DARK : LIGHT),
    };
  }

  function fitted(canvas) {
    const ratio = window.devicePixelRatio || 1, [w, h] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== round(w * ratio) || canvas.height !== round(h * ratio)) {
      [canvas.width, canvas.height] = [round(w * ratio), round(h * ratio)];
    }
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, w, h);
    return [ctx, w, h];
  }

  function draw() {
    box.classList.toggle("mlx-dark", isDark());
    if (!frames.length || !plane.clientWidth) return;
    const it = scene(), [ctx, size] = fitted(plane);
    places = drawPlane(ctx, size, it);
    // All drawings at once can take a busy machine longer than a page may stand still. So the charts take turns.
    let due = charts.length;
    const next = () => {
      turn = (turn + 1) % charts.length;
      const [paint, key] = CHARTS[turn];
      paint(...fitted(charts[turn]), it);
      write(keys[turn], key(it));
      if (--due) rest = requestAnimationFrame(next);
    };
    cancelAnimationFrame(rest);
    next();
    const {step, loss, accuracy, died} = now();
    const right = isFinite(loss) ? `<b>${percent(accuracy)}</b> of the test images right<span> · loss ${number(loss)}`
      : '<b class="mlx-red">NaN</b> · the run has ended<span>';
    write($(".mlx-now"), `${right} · step ${grouped(step)}</span>`);
    write($(".mlx-what"), what(it));
    scrub.max = last();
    scrub.value = position;
    scrub.setAttribute("aria-valuetext", `step ${step}, ${isFinite(loss) ? `${percent(accuracy)} right` : "NaN"}`);
    const dead = $(".mlx-died");
    dead.hidden = !died;
    if (died) {
      const example = died.example == null ? "" : `, training image ${grouped(died.example)}`;
      dead.innerHTML = "<b></b><span></span>";
      dead.firstChild.textContent = `NaN at step ${grouped(died.step)}${example}`;
      dead.lastChild.textContent = died.why;
    }
    clearTimeout(settled);
    settled = setTimeout(() => describe(it), 250);
    point(it);
    sayOwn(it);
  }

  /** The class that the drawn digit is taken for; -1 for none. */
  function read(frame) {
    const values = logits({...frame, embeddings: own}, 0, settings);
    return values.indexOf(max(...values));
  }

  function sayOwn({frame, own: here, answer}) {
    let text = "Draw a digit in the square, with mouse or finger.";
    if (drawn) text = own ? "Your digit is shown at the last frame." : "Waiting for the network …";
    if (here) {
      const [theta] = angles({...frame, embeddings: own}, [answer]);
      text = answer < 0 ? "Read as nothing." : `Read as ${answer}. θ to its direction: ${degrees(theta)}.`;
    }
    write($(".mlx-own"), text);
  }

  /** A canvas is an image to who does not see it as soon as there are words for it. */
  function name(canvas, words) {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
  }

  /** Once things stand still: the picture in words, for who does not see it. */
  function describe({frame, thetas, share}) {
    const turns = Array.from({length: frame.directions.length / 2}, (_, j) =>
      `${j} at ${round(atan2(frame.directions[2 * j + 1], frame.directions[2 * j]) * 180 / PI)}°`);
    const sorted = [...thetas].filter(isFinite).sort((a, b) => a - b);
    const median = sorted.length ? degrees(sorted[floor(sorted.length / 2)]) : "none";
    const {step, loss, accuracy} = now();
    const here = isFinite(loss) ? `Loss ${number(loss)} and accuracy, ${percent(accuracy)} right,` : "NaN, and the end of the run,";
    name(plane, `${TITLES[settings.head]} at step ${step}: ${labels.length} test digits in the plane. `
      + `Class directions: ${turns.join(", ")}. Half of the digits are within ${median} of their own. `
      + "Arrow keys go from digit to digit.");
    name(charts[0], `${here} at step ${step}; `
      + `the first frame had loss ${number(frames[0].loss)}, ${percent(frames[0].accuracy)} right.`);
    const [low, middle, high] = [0, PI / 2, PI].map(t => number(psiAt(t, settings, share)));
    name(charts[1], `At this step ψ falls from ${low} at 0° over ${middle} at 90° to ${high} at 180°.`);
    const [near, across, far] = [1, 90, 179].map(d => number(pullAt(d * PI / 180, settings, share)));
    name(charts[2], `The pull at 1°: ${near}, at 90°: ${across}, at 179°: ${far}.`);
  }

  /** The digit in focus: its image, label, angle and logits. */
  function point({frame, thetas, colours}) {
    const pen = stamp.getContext("2d"), which = $(".mlx-which"), bars = $(".mlx-logits");
    stamp.hidden = focus == null || !images;
    if (focus == null) {
      write(which, HINT);
      write(bars, "");
      return;
    }
    if (images) {
      const picture = pen.createImageData(14, 14);
      for (let k = 0; k < 196; k++) picture.data.set([43, 45, 51, images[196 * focus + k] * 17], 4 * k);
      pen.fillStyle = "#f4f5f7";
      pen.putImageData(picture, 0, 0);
      pen.globalCompositeOperation = "destination-over";
      pen.fillRect(0, 0, 14, 14);
      pen.globalCompositeOperation = "source-over";
    }
    const values = logits(frame, focus, settings), answer = values.indexOf(max(...values));
    const text = `A ${labels[focus]}, read as ${answer < 0 ? "nothing" : answer}. `
      + `θ to its class: ${isFinite(thetas[focus]) ? degrees(thetas[focus]) : "none"}.`;
    const names = settings.head === "softmax" && !frame.linear ? "Cosines" : "Logits";
    write(which, text);
    const [low, high] = [min(...values), max(...values)];
    bars.title = names;
    write(bars, values.map((v, j) => `<span><i style="--c:${colours[j]};--h:${(v - low) / (high - low) || 0}"></i>`
      + `<b>${j}</b><br>${isFinite(v) ? v.toFixed(abs(v) < 10 ? 1 : 0).replace("-", "−") : "NaN"}</span>`).join(""));
  }

  /** Ask for one drawing, however many reasons there are. */
  function need() {
    if (!asked) asked = requestAnimationFrame(tick);
  }

  function tick(time) {
    asked = 0;
    const passed = min(max(time - before, 0) / 1000, 0.1);
    before = time;
    const target = playing || following ? last() : position;
    if (position < target) {
      // A run that comes in is followed closely; one that is played takes its time, ten frames a second.
      const rate = playing ? 10 : max(15, 5 * (target - position));
      if (!finite(frames[min(floor(position) + 1, last())])) position = floor(position) + 1;
      else if (calm.matches) position = playing ? min(floor(position) + 1, target) : target;
      else position = min(position + rate * passed, target);
      share();
    }
    if (playing && position >= last()) pause();
    draw();
    if (position < (playing || following ? last() : position)) {
      if (calm.matches && playing) setTimeout(need, 250); else need();
    }
  }

  function pause() {
    playing = false;
    play.textContent = "▶";
    play.setAttribute("aria-label", "play");
  }

  function seek(to, tell = true) {
    if (!frames.length) return;
    pause();
    following = false;
    position = min(max(to, 0), last());
    if (tell) share();
    need();
  }

  // Views of one group keep the same time. A share of the run, since their frames may differ in number.
  function share() {
    if (group) document.dispatchEvent(new CustomEvent("marginlab-time", {detail: {group, from: box, at: position / (last() || 1)}}));
  }
  function heard({detail}) {
    if (detail.group !== group || detail.from === box || !frames.length || !ended) return;
    pause();
    following = false;
    position = detail.at * last();
    need();
  }
  if (group) document.addEventListener("marginlab-time", heard);

  const actions = {
    play() {
      if (playing || !frames.length) return pause();
      if (position >= last()) position = 0;
      [playing, following, before] = [true, false, performance.now()];
      play.textContent = "❚❚";
      play.setAttribute("aria-label", "pause");
      need();
    },
    back: () => seek(Math.ceil(position - 1e-6) - 1),
    on: () => seek(floor(position + 1e-6) + 1),
    circle(button) {
      circle = !circle;
      button.setAttribute("aria-pressed", circle);
      need();
    },
    draw() {
      pad.hidden = !pad.hidden;
      const opener = $("[data-do=draw]");
      opener.hidden = !pad.hidden;
      if (pad.hidden) { wipe(); opener.focus(); } else $("[data-do=clear]").focus();
    },
    clear: () => wipe(),
    async code(button) {
      const text = code(settings);
      try {
        await navigator.clipboard.writeText(text);
        said(button, "copied");
      } catch {  // no right to the clipboard: show it, to be copied by hand
        $(".mlx-say").innerHTML = "<pre></pre>";
        $(".mlx-say pre").textContent = text;
      }
    },
    png: () => save("png", poster().toDataURL("image/png")),
    svg() {
      const address = URL.createObjectURL(new Blob([posterSvg()], {type: "image/svg+xml"}));
      save("svg", address);
      setTimeout(() => URL.revokeObjectURL(address), 60_000);  // by then the browser has it
    },
  };
  function save(kind, href) {
    Object.assign(document.createElement("a"), {download: `${settings.head}-step-${now().step}.${kind}`, href}).click();
  }
  function said(button, text) {
    const label = button.textContent;
    button.textContent = text;
    setTimeout(() => { button.textContent = label; }, 1200);
  }
  box.addEventListener("click", event => {
    const button = event.target.closest("button[data-do]");
    if (button) actions[button.dataset.do](button);
  });
  scrub.addEventListener("input", () => seek(Number(scrub.value)));
  $("[data-do=draw]").hidden = !embed;
  const wipe = createPad($(".mlx-pad canvas"), image => {
    drawn = image;
    if (drawn) embed(drawn); else own = null;
    need();
  });

  /** The run in words. */
  function caption() {
    const numbers = heads[settings.head].map(({name}) => `${name} ${settings[name]}`);
    return [TITLES[settings.head], ...numbers, settings.naive && NAIVE[settings.naive]].filter(Boolean).join(" · ");
  }

  /** All of it on one sheet, for a file. */
  function print(ctx) {
    const it = {...scene(), focus: null};
    ctx.fillStyle = it.paper;
    ctx.fillRect(0, 0, ...SHEET);
    words(ctx, caption(), 20, 24, {fill: it.ink, size: 17, weight: 600});
    words(ctx, $(".mlx-now").textContent, 20, 48, {fill: it.soft, size: 14});
    const put = (x, y, name, paint, ...size) => {
      ctx.save();
      ctx.translate(x, y);
      if (name) words(ctx, name, 0, -10, {fill: it.ink, size: 14, weight: 600});
      paint(ctx, ...size, it);
      ctx.restore();
    };
    put(14, 64, "", drawPlane, 548);
    box.querySelectorAll("h4").forEach((h, k) => put(590, 78 + 186 * k, h.textContent, CHARTS[k][0], 376, 166));
  }
  function poster() {
    const [width, height] = SHEET.map(side => 2 * side);
    const canvas = Object.assign(document.createElement("canvas"), {width, height}), ctx = canvas.getContext("2d");
    ctx.scale(2, 2);
    print(ctx);
    return canvas;
  }
  function posterSvg() {
    const ctx = createSvg(...SHEET);
    print(ctx);
    return ctx.end(`${caption()} · ${$(".mlx-now").textContent}`);
  }

  // Points: by mouse and finger the nearest one, by keys one after the other.
  function nearest(event) {
    const edge = plane.getBoundingClientRect(), [x, y] = [event.clientX - edge.left, event.clientY - edge.top];
    let [found, least] = [null, event.pointerType === "touch" ? 26 : 14];
    for (let i = 0; i < labels.length; i++) {
      const away = hypot(places[2 * i] - x, places[2 * i + 1] - y);
      if (away < least) [found, least] = [i, away];
    }
    return found;
  }
  function look(i) {
    if (i === focus) return;
    focus = i;
    need();
  }
  plane.addEventListener("pointermove", event => event.pointerType !== "touch" && look(nearest(event) ?? focus));
  plane.addEventListener("pointerdown", event => look(nearest(event)));
  plane.addEventListener("keydown", event => {
    const by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (event.key === "Escape") look(null);
    if (!by || !places.length) return;
    event.preventDefault();
    const turn = i => atan2(plane.clientHeight / 2 - places[2 * i + 1], places[2 * i] - plane.clientWidth / 2);
    const sideways = event.key === "ArrowLeft" || event.key === "ArrowRight";
    // Sideways to the next along the circle, up and down from digit to digit.
    const queue = sideways ? [...order].sort((a, b) => turn(a) - turn(b)) : order;
    let k = focus == null ? -by : queue.indexOf(focus);
    do k = (k + by + queue.length) % queue.length;
    while (!sideways && focus != null && labels[queue[k]] === labels[focus]);
    look(queue[k]);
  });

  const sized = new ResizeObserver(need);
  sized.observe(plane);
  const dressed = new MutationObserver(need);
  dressed.observe(document.documentElement, {attributes: true, attributeFilter: ["data-theme"]});
  dressed.observe(document.body, {attributes: true, attributeFilter: ["data-jp-theme-light"]});
  const wished = matchMedia("(prefers-color-scheme: dark)");
  wished.addEventListener("change", need);
  box.classList.toggle("mlx-dark", isDark());

  return {
    /** A new run begins; the last picture stays until its first frame. */
    reset(changed) {
      settings = changed;
      [stale, following, ended] = [true, true, false];
      pause();
      $(".mlx-say").textContent = "";
    },
    push(frame) {
      if (stale) [frames, position, stale, own] = [[], 0, false, null];
      frames.push(frame);
      if (drawn) embed(drawn);
      before = frames.length === 1 ? performance.now() : before;
      need();
    },
    done(text) {
      ended = !stale;
      $(".mlx-say").textContent = text;
    },
    /** Where the digit that was drawn lies, by the newest weights. */
    landed(embedding) {
      own = drawn && embedding;
      need();
    },
    /** Words over the last picture: that something is wrong. Empty, they go away. */
    notice(text) {
      $(".mlx-notice").hidden = !text;
      $(".mlx-notice").textContent = text ?? "";
    },
    destroy() {
      sized.disconnect();
      dressed.disconnect();
      wished.removeEventListener("change", need);
      document.removeEventListener("marginlab-time", heard);
      cancelAnimationFrame(asked);
      cancelAnimationFrame(rest);
      clearTimeout(settled);
      box.remove();
      style.remove();
    },
    seek,
    get frames() { return frames; },
  };
}
