// All of a moment on one sheet, for a file.

import { words } from "./canvas.js";
import { drawProgress, drawPsi, drawPull } from "./charts.js";
import { drawPlane } from "./plane.js";
import { translated } from "./say.js";
import { SvgContext } from "./svg.js";
import { numbersOf } from "./settings.js";
import { FAMILY, FORMS } from "./tables.js";
import { TITLES } from "./words.js";

const SHEET = [980, 620]; // in px

/** The run in words. */
export function caption({ head, naive, ...rest }) {
  const numbers = numbersOf({ head, psi: rest.psi }).map(({ name }) => `${name} ${rest[name]}`);
  return [
    head === "own" ? `ψ(θ) = ${rest.psi}` : FAMILY[head].title,
    ...numbers,
    naive && translated(FORMS[naive].title),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Paints a scene with its headline on a canvas's context, or on svg.js's. */
function print(ctx, scene, headline) {
  const it = { ...scene, focus: null };
  ctx.fillStyle = it.paper;
  ctx.fillRect(0, 0, ...SHEET);
  words(ctx, caption(it.settings), 20, 24, { fill: it.ink, size: 17, weight: 600 });
  words(ctx, headline, 20, 48, { fill: it.soft, size: 14 });
  const put = (x, y, name, paint, ...size) => {
    ctx.save();
    ctx.translate(x, y);
    if (name) words(ctx, name, 0, -10, { fill: it.ink, size: 14, weight: 600 });
    paint(ctx, ...size, it);
    ctx.restore();
  };
  put(14, 64, "", drawPlane, 548);
  [drawProgress, drawPsi, drawPull].forEach((paint, k) => put(590, 78 + 186 * k, TITLES[k], paint, 376, 166));
}

/** The address of a PNG of so many px, twice as fine. */
function png(size, paint) {
  const [width, height] = size.map((side) => 2 * side);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const ctx = canvas.getContext("2d");
  ctx.scale(2, 2);
  paint(ctx);
  return canvas.toDataURL("image/png");
}

/** As the address of a PNG. */
export const asPng = (scene, headline) => png(SHEET, (ctx) => print(ctx, scene, headline));

/** The plane alone, as the address of a PNG. */
export const planeAsPng = (scene, side = 340) => png([side, side], (ctx) => drawPlane(ctx, side, scene));

/** As the text of an SVG. */
export function asSvg(scene, headline) {
  const ctx = new SvgContext(SHEET[0], SHEET[1]);
  print(ctx, scene, headline);
  return ctx.end(`${caption(scene.settings)} · ${headline}`);
}
