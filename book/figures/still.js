// The first picture of a figure as a file's text. The build asks for it, and no page.

import { FIGURES, first } from "./figures.js";
import { WIDE } from "./sketch.js";

const ESCAPED = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;" };
const escaped = (text) => String(text).replace(/[<>&"]/g, (sign) => ESCAPED[sign]);

/** The picture as a file's text, for a page without scripts and for paper. */
export function file({ high, marks }) {
  const parts = marks.map(([name, attributes, text = ""]) => {
    const all = Object.entries(attributes).map(([key, value]) => `${key}="${escaped(value)}"`);
    return `<${name} ${all.join(" ")}>${escaped(text)}</${name}>`;
  });
  const head = `xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDE} ${high}" width="${2 * WIDE}" height="${2 * high}"`;
  return `<svg ${head} font-family="DejaVu Sans, Verdana, sans-serif" font-size="12">${parts.join("")}</svg>`;
}

/** {svg, says} of a figure before anything has moved: for a page without scripts and for paper. */
export function still(name, look, data) {
  const picture = FIGURES[name].draw(first(name), { look, data });
  for (const { cx, cy, fill } of picture.handles ?? []) picture.marks.push(["circle", { cx, cy, r: 9, fill }]);
  return { svg: file(picture), says: picture.says };
}
