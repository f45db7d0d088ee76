// Chapter 4: class directions to drag, and the margin that fits between them.

import { room, wrapped } from "./margins.js";
import { WIDE, slider, tenth } from "./sketch.js";
import { degrees, fixed } from "./words.js";

const { PI, cos, sin } = Math;
const DEGREE = PI / 180;
const RADIUS = 112;
const [MIDDLE, LEVEL] = [WIDE / 2, 140];
const place = (angle, r = RADIUS) => [tenth(MIDDLE + r * cos(angle)), tenth(LEVEL - r * sin(angle))];
const even = (count) => Array.from({ length: count }, (_, k) => (2 * PI * k) / count);

/** Where a pointer is, as an angle; x and y in px of the picture. */
export const angleAt = (x, y) => wrapped(Math.atan2(LEVEL - y, x - MIDDLE));

export const directions = {
  hint: "Drag the directions, or move them by the arrow keys. Where does the margin stop fitting, and for which class?",
  sliders: [
    slider("classes", "classes", [2, 10, 8], 10, (v) => fixed(v, 0)),
    slider("margin", "margin m", [0, 2, 200], 0.1, (v) => fixed(v, 2)),
  ],
  /** Angles of the handles, at first and whenever there are others: classes evenly spread. */
  handles: ({ classes }) => even(classes),
  draw({ classes, margin }, { look, angles = even(classes) }) {
    const rooms = room(angles);
    /** @type {[string, Record<string, any>, string?][]} */
    const marks = [
      ["circle", { cx: MIDDLE, cy: LEVEL, r: RADIUS, fill: "none", stroke: look.faint, "stroke-width": 1.5 }],
    ];
    const handles = [];
    for (const [k, angle] of angles.entries()) {
      const { margin: most, at, before, after } = rooms[k];
      const held = most >= margin - 1e-12;
      const colour = look.palette[k];
      const [x, y] = place(angle, RADIUS - 14);
      marks.push([
        "line",
        {
          x1: MIDDLE,
          y1: LEVEL,
          x2: x,
          y2: y,
          stroke: colour,
          "stroke-width": held ? 3 : 1,
          "stroke-dasharray": held ? "none" : "4 3",
        },
      ]);
      const [ix, iy] = place(at, RADIUS - 34);
      marks.push([
        "circle",
        { cx: ix, cy: iy, r: 4.5, fill: held ? colour : "#fff", stroke: colour, "stroke-width": 2 },
      ]);
      const [tx, ty] = place(angle, RADIUS + 22);
      marks.push([
        "text",
        { x: tx, y: ty + 4, "text-anchor": "middle", fill: look.ink, "font-weight": 700 },
        String(k),
      ]);
      const [cx, cy] = place(angle);
      const value = `${degrees(angle)}, room for a margin of ${fixed(most, 2)}, between ${before} and ${after}`;
      handles.push({ cx, cy, fill: colour, name: `class ${k}`, degrees: Math.round(angle / DEGREE) % 360, value });
    }
    marks.push(["text", { x: 8, y: 292, fill: look.ink }, "◦ an image of the class, where it has most room"]);
    return { high: 300, marks, handles, says: fits(rooms, margin) };
  },
};

/** What fits: the largest margin of the arrangement, who has least, and what an even spread would hold. */
function fits(rooms, margin) {
  const most = Math.min(...rooms.map((it) => it.margin));
  const least = rooms.findIndex((it) => it.margin === most);
  const count = rooms.length;
  const best = 1 - cos((2 * PI) / count);
  const failing = rooms.filter((it) => it.margin < margin - 1e-12).length;
  const { before, after } = rooms[least];
  const whose =
    before === after
      ? `classes ${least} and ${before} have no more`
      : `class ${least}, between ${before} and ${after}, has no more`;
  const first =
    best - most < 1e-9
      ? `The largest margin that fits is ${fixed(most, 3)}, and no arrangement of ${count} classes holds more.`
      : `The largest margin that fits is ${fixed(most, 3)}: ${whose}. Spread evenly, ${count} classes hold ${fixed(best, 3)}.`;
  const now = failing
    ? `With ${fixed(margin, 2)}, ${failing} of ${count} classes cannot have it.`
    : `${fixed(margin, 2)} fits all classes.`;
  return `${first} ${now}`;
}
