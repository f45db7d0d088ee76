// Strokes of the pen: words, lines and dots in a canvas's context, or in svg.js's.

import { TURN } from "./frame.js";
import { FONT } from "./looks.js";

/**
 * @param {any} ctx
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {{fill: string, size?: number, weight?: number, align?: string, base?: string, halo?: string | null}} look
 */
export function words(
  ctx,
  text,
  x,
  y,
  { fill, size = 12, weight = 400, align = "left", base = "middle", halo = null },
) {
  ctx.font = `${weight} ${size}px ${FONT}`;
  [ctx.textAlign, ctx.textBaseline, ctx.fillStyle] = [align, base, fill];
  if (halo) {
    [ctx.strokeStyle, ctx.lineWidth, ctx.lineJoin] = [halo, 3.5, "round"];
    ctx.strokeText(text, x, y);
  }
  ctx.fillText(text, x, y);
}

/** Through points [x, y]; where y is no number the pen is lifted. */
export function line(ctx, points, colour, width = 1, dash = []) {
  ctx.beginPath();
  let pen = false;
  for (const [x, y] of points) {
    if (!Number.isFinite(y)) {
      pen = false;
      continue;
    }
    if (pen) ctx.lineTo(x, y);
    else ctx.moveTo(x, y);
    pen = true;
  }
  [ctx.strokeStyle, ctx.lineWidth, ctx.lineJoin, ctx.lineCap] = [
    colour,
    width,
    "round",
    dash.length ? "butt" : "round",
  ];
  ctx.setLineDash(dash);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** A cross with a rim, so that it is seen on whatever lies under it. */
export function cross(ctx, x, y, colour, paper, r = 6) {
  for (const [ink, width] of [
    [paper, 6],
    [colour, 2.6],
  ]) {
    line(
      ctx,
      [
        [x - r, y - r],
        [x + r, y + r],
      ],
      ink,
      width,
    );
    line(
      ctx,
      [
        [x - r, y + r],
        [x + r, y - r],
      ],
      ink,
      width,
    );
  }
}

/** Strokes the path as a hatching: for what must not rest on colour alone. Nothing is clipped, which is slow in software. */
export function hatch(ctx, scene) {
  const [width, alpha] = scene.look === "wedges" ? [1.5, 0.8] : [0.8, scene.dark ? 0.36 : 0.3];
  [ctx.strokeStyle, ctx.lineWidth, ctx.lineCap, ctx.globalAlpha] = [scene.ink, width, "butt", alpha];
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** A tinted stretch from x0 to x1. */
export function tint(ctx, x0, x1, y0, y1, colour, alpha) {
  [ctx.globalAlpha, ctx.fillStyle] = [alpha, colour];
  ctx.fillRect(x0, y0, x1 - x0, y1 - y0);
  ctx.globalAlpha = 1;
}

/** One path a class, with what `add` puts into it for each of its points. */
export function byClass(ctx, { labels, colours }, paint, add) {
  for (let j = 0; j < colours.length; j++) {
    ctx.beginPath();
    for (let i = 0; i < labels.length; i++) if (labels[i] === j) add(i);
    ctx[`${paint}Style`] = colours[j];
    ctx[paint]();
  }
}

/** Puts a dot into the path. */
export function addDot(ctx, x, y, r) {
  if (!Number.isFinite(x) || !Number.isFinite(y)) return;
  ctx.moveTo(x + r, y);
  ctx.arc(x, y, r, 0, TURN);
}

/** A dot with a rim. */
export function dotAt(ctx, x, y, colour, paper, r = 4.5) {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, TURN);
  [ctx.fillStyle, ctx.strokeStyle, ctx.lineWidth] = [colour, paper, 1.5];
  ctx.fill();
  ctx.stroke();
}
