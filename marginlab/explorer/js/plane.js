// The plane: where each digit is, or the circle with its histogram. Each function paints one thing of a scene.
//
// scene: {frame, labels, settings, share, thetas, fates, died, focus, look: what is to stand out, circle, dim,
//         own, answer, looks as in looks.js …}

import { addDot, byClass, cross, dotAt, hatch, line, words } from "./canvas.js";
import { bands, extent, inland, regions, rowsOf, spread, TURN, turnsOf } from "./frame.js";
import { hasMargin } from "./room.js";
import { say } from "./say.js";

const { abs, atan2, cos, floor, hypot, max, min, sin, sqrt } = Math;

/** Draws all of it. Returns where each point is, (2n,) in px, NaN where nowhere. */
export function drawPlane(ctx, size, scene) {
  const { frame, labels, circle } = scene;
  const it = layout(size, scene);
  const places = new Float32Array(frame.embeddings.length);
  for (let i = 0; i < labels.length; i++) {
    places.set(it.place(frame.embeddings[2 * i], frame.embeddings[2 * i + 1], labels[i]), 2 * i);
  }
  paintLands(ctx, scene, it);
  ctx.beginPath();
  ctx.arc(it.middle, it.middle, it.disc, 0, TURN);
  [ctx.strokeStyle, ctx.lineWidth] = [scene.faint, 1];
  ctx.stroke();
  if (it.known) it.turns.forEach((t, j) => line(ctx, [it.at(0, t), it.at(it.disc, t)], scene.colours[j], 1.5));
  if (circle) paintHills(ctx, scene, it);
  paintDots(ctx, scene, places, size);
  if (it.known) paintNames(ctx, scene, it);
  if (it.known && frame.linear && !circle) paintInland(ctx, scene, it);
  paintTheta(ctx, scene, places, it);
  paintFocus(ctx, scene, places);
  paintDead(ctx, scene, it);
  paintOwn(ctx, scene, it);
  return places;
}

/** Where things go on a square of this size. */
function layout(size, { frame, circle }) {
  const middle = size / 2;
  const rim = middle - 21;
  const disc = circle ? 0.66 * rim : rim;
  const reach = circle ? 1 : extent(frame.embeddings);
  const at = (r, turn) => [middle + r * cos(turn), middle - r * sin(turn)];
  const turns = turnsOf(frame.directions);
  // In the plane a point outside the disc is shown on its rim; on the circle each digit has a ring of its own.
  const place = (x, y, label) =>
    at(circle ? disc * (0.94 - 0.058 * label) : min(hypot(x, y) / reach, 0.995) * disc, atan2(y, x));
  return { middle, rim, disc, reach, at, turns, place, known: turns.every(Number.isFinite) };
}

/** Where each digit is the answer, and where that is not enough for the margin. */
function paintLands(ctx, scene, { middle, disc, reach, at, known }) {
  const { frame, settings, circle, colours, share } = scene;
  const softmax = settings.head === "softmax";
  if (!known || (softmax && (circle || !frame.linear))) return;
  const polygons = regions(rowsOf(frame), reach);
  const within = inland(polygons, reach);
  polygons.forEach((polygon, j) => {
    ctx.beginPath();
    for (const [x, y] of polygon) ctx.lineTo(middle + (x / reach) * disc, middle - (y / reach) * disc);
    ctx.closePath();
    ctx.fillStyle = colours[j];
    ctx.globalAlpha = scene.dark ? 0.2 : 0.13;
    ctx.fill();
    ctx.globalAlpha = 1;
    if (!within.includes(j)) return;
    // A land that does not reach the rim would not be seen between the dots: it gets a border.
    [ctx.strokeStyle, ctx.lineWidth] = [colours[j], 2];
    ctx.stroke();
  });
  if (softmax || !hasMargin(settings) || share === 0) return;
  ctx.beginPath();
  for (const [from, to] of bands(frame.directions, settings, share)) {
    for (let r = disc - 4; r > 0; r -= 5) {
      ctx.moveTo(...at(r, from));
      ctx.arc(middle, middle, r, -from, -to, true);
    }
  }
  hatch(ctx, scene);
}

/** Round the circle how many lie at each angle. */
function paintHills(ctx, { frame, labels, colours }, { middle, disc, rim, at, turns }) {
  const bins = 240;
  const counts = turns.map(() => new Float64Array(bins));
  labels.forEach((y, i) => {
    const t = atan2(frame.embeddings[2 * i + 1], frame.embeddings[2 * i]);
    if (Number.isFinite(t)) counts[y][floor(((t + TURN) / TURN) * bins) % bins]++;
  });
  const weights = [1, 3, 4, 3, 1];
  const smooth = counts.map((row) =>
    row.map((_, k) => weights.reduce((sum, weight, d) => sum + weight * row[(k + d - 2 + bins) % bins], 0) / 12),
  );
  const top = max(...smooth.flatMap((row) => [...row])) || 1;
  smooth.forEach((row, j) => {
    ctx.beginPath();
    row.forEach((value, k) => {
      ctx.lineTo(...at(disc + (rim - 4 - disc) * sqrt(value / top), ((k + 0.5) / bins) * TURN));
    });
    ctx.closePath();
    ctx.moveTo(middle + disc, middle);
    ctx.arc(middle, middle, disc, 0, -TURN, true);
    ctx.fillStyle = colours[j];
    ctx.globalAlpha = 0.75;
    ctx.fill("evenodd");
    ctx.globalAlpha = 1;
  });
}

/** The digits; and round those that a naive form harms a ring. */
function paintDots(ctx, scene, places, size) {
  const dot = size < 340 ? 1.7 : 2.2;
  ctx.globalAlpha = scene.dim ? 0.25 : 0.85;
  byClass(ctx, scene, "fill", (i) => addDot(ctx, places[2 * i], places[2 * i + 1], dot));
  ctx.globalAlpha = 1;
  if (!scene.fates?.some(Boolean)) return;
  ctx.beginPath();
  scene.fates.forEach((fate, i) => fate && addDot(ctx, places[2 * i], places[2 * i + 1], 2 * dot));
  [ctx.strokeStyle, ctx.lineWidth] = [scene.lines[1], 1.3];
  ctx.stroke();
}

/** At the rim each class's name. It is 11 px high and no wider; and where it had to move, a line leads back to its ray. */
function paintNames(ctx, scene, { turns, rim, disc, at }) {
  const { colours, ink, paper, circle } = scene;
  turns.forEach((t, j) => {
    const [x, y] = at(disc, t);
    dotAt(ctx, x, y, colours[j], paper);
  });
  spread(turns, 18 / (rim + 12)).forEach((t, j) => {
    const moved = abs(t - turns[j]) > 0.04 && !circle;
    if (moved) line(ctx, [at(disc + 2, turns[j]), at(rim + 6, t)], colours[j], 1.5);
    const [x, y] = at(rim + 12, t);
    words(ctx, String(j), x, y, { fill: ink, size: 15, weight: 700, align: "center", halo: paper });
  });
}

/** The name of a class whose land does not reach the rim, beside that land. */
function paintInland(ctx, { frame, ink, paper }, { middle, reach, disc }) {
  const polygons = regions(rowsOf(frame), reach);
  for (const j of inland(polygons, reach)) {
    const [x, y] = [max(...polygons[j].map((p) => p[0])), min(...polygons[j].map((p) => p[1]))];
    const look = { fill: ink, size: 14, weight: 700, halo: paper };
    words(ctx, say`${j} here`, middle + (x / reach) * disc + 4, middle - (y / reach) * disc, look);
  }
}

function paintFocus(ctx, { focus, ink, paper }, places) {
  if (focus == null || !Number.isFinite(places[2 * focus])) return;
  ctx.beginPath();
  ctx.arc(places[2 * focus], places[2 * focus + 1], 8, 0, TURN);
  for (const [colour, width] of [
    [paper, 5],
    [ink, 2],
  ]) {
    [ctx.strokeStyle, ctx.lineWidth] = [colour, width];
    ctx.stroke();
  }
}

/** θ of the digit that is looked at: the arc from the ray of its class to it. */
function paintTheta(ctx, { focus, labels, look, ink }, places, { turns, middle }) {
  if (look !== "clusters" || focus == null || !Number.isFinite(places[2 * focus])) return;
  const [x, y] = [places[2 * focus] - middle, middle - places[2 * focus + 1]];
  const [from, to] = [turns[labels[focus]], atan2(y, x)];
  const turn = atan2(sin(to - from), cos(to - from)); // the shorter way round
  ctx.beginPath();
  ctx.arc(middle, middle, max(hypot(x, y), 24), -from, -(from + turn), turn > 0);
  [ctx.strokeStyle, ctx.lineWidth] = [ink, 2.4];
  ctx.stroke();
}

/** Where the training image was that ended the run. */
function paintDead(ctx, { died, lines, paper, ink }, { place, middle }) {
  if (!died?.at?.every(Number.isFinite)) return;
  const [x, y] = place(...died.at, died.label);
  cross(ctx, x, y, lines[1], paper);
  const align = x > middle ? "right" : "left";
  const name = say`image ${died.example.toLocaleString("en-US")}`;
  words(ctx, name, x + (x > middle ? -12 : 12), y, { fill: ink, size: 14, weight: 700, align, halo: paper });
}

function paintOwn(ctx, scene, { place }) {
  if (!scene.own) return;
  const [x, y] = place(scene.own[0], scene.own[1], 0);
  dotAt(ctx, x, y, scene.colours[scene.answer] ?? scene.ink, scene.ink, 7);
  const look = { fill: scene.ink, size: 14, weight: 700, align: "center", halo: scene.paper };
  words(ctx, say`yours`, x, y - 17, look);
}
