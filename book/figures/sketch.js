// A picture as a list of marks, [name, attributes, text?], of SVG. No page here: the build draws the first picture of it.

export const WIDE = 340;
const PAD = { left: 52, right: 20, top: 26, bottom: 40 };
const DASHES = ["none", "6 3", "2 2", "9 3 2 3"]; // for whoever tells no colours apart
export const HALO = { stroke: "#fff", "stroke-width": 3, "paint-order": "stroke" };
const { log10, max, min } = Math;

/** A value's share of an axis {from, to, log?}; and the value at a share. */
export const share = ({ from, to, log }, v) => (log ? log10(v / from) / log10(to / from) : (v - from) / (to - from));
export const valueAt = ({ from, to, log }, part) => (log ? from * (to / from) ** part : from + part * (to - from));

/** n + 1 values along an axis. */
export const along = (axis, n) => Array.from({ length: n + 1 }, (_, k) => valueAt(axis, k / n));

/** Axes, and what stands between them. x, y: {from, to, name, log?, ticks: [[value, words], …]} */
export class Sketch {
  constructor({ look, x, y, high = 236, top = PAD.top }) {
    this.look = look;
    this.x = x;
    this.y = y;
    this.box = { left: PAD.left, right: WIDE - PAD.right, top, bottom: top + high - PAD.top - PAD.bottom };
    this.marks = [];
    this.#axes();
  }

  get high() {
    return this.box.bottom + PAD.bottom;
  }

  X(v) {
    const { left, right } = this.box;
    return left + share(this.x, v) * (right - left);
  }

  /** Kept within the axes, with a little above and below for what lies beyond them. */
  Y(v) {
    const { top, bottom } = this.box;
    return bottom - max(-0.02, min(1.02, share(this.y, v))) * (bottom - top);
  }

  add(name, attributes, text = "") {
    this.marks.push([name, attributes, text]);
  }

  text(x, y, words, options = {}) {
    this.add("text", { x: tenth(x), y: tenth(y), fill: this.look.ink, ...options }, words);
  }

  /** A curve; a point whose y is no number leaves a gap, and so does null. */
  curve(points, stroke, options = {}) {
    let d = "";
    let pen = "M";
    for (const point of points) {
      if (!point || !Number.isFinite(point[1])) {
        pen = "M";
        continue;
      }
      d += `${pen}${tenth(this.X(point[0]))} ${tenth(this.Y(point[1]))}`;
      pen = "L";
    }
    this.add("path", { d, fill: "none", stroke, "stroke-width": 2.2, "stroke-linejoin": "round", ...options });
  }

  /** Small dots, all in one path: each a line of no length with round ends. */
  dots(points, stroke, width = 2.4) {
    const d = points.map(([x, y]) => `M${tenth(this.X(x))} ${tenth(this.Y(y))}h0`).join("");
    this.add("path", { d, fill: "none", stroke, "stroke-width": width, "stroke-linecap": "round" });
  }

  mark(x, y, fill) {
    this.add("circle", { cx: tenth(this.X(x)), cy: tenth(this.Y(y)), r: 5, fill, stroke: "#fff", "stroke-width": 1.5 });
  }

  /** A line across at an x. */
  upright(x, stroke, options = {}) {
    const { top, bottom } = this.box;
    const at = { x1: tenth(this.X(x)), x2: tenth(this.X(x)), y1: top, y2: bottom };
    this.add("line", { ...at, stroke, "stroke-width": 1.4, "stroke-dasharray": "5 3", ...options });
  }

  /** Names of curves with their colours, in a column, on a ground that covers what runs behind: [[words, colour, dash?, width?], …] */
  legend(rows, x = this.box.left + 8, y = this.box.top + 8) {
    const width = 28 + 6.3 * max(...rows.map(([words]) => words.length)); // of the letters, about
    const height = 15 * rows.length;
    this.add("rect", { x: x - 3, y: y - 8, width: tenth(width), height, fill: "#fff", "fill-opacity": 0.86 });
    for (const [k, [words, stroke, dash = "none", thick = 3]] of rows.entries()) {
      const at = y + 15 * k;
      this.add("line", { x1: x, x2: x + 16, y1: at, y2: at, stroke, "stroke-width": thick, "stroke-dasharray": dash });
      this.text(x + 21, at + 4, words, HALO);
    }
  }

  /**
   * Curves with their names, a line across at an x, and on each curve where it is met.
   * named: {name, colour, points, here?}[]; place: of the names, [x, y] in px.
   */
  series(named, x, place) {
    const rows = named.map((row, k) => ({ ...row, dash: DASHES[k] }));
    for (const { colour, points, dash } of rows) this.curve(points, colour, { "stroke-dasharray": dash });
    this.upright(x, this.look.ink);
    for (const { colour, here } of rows) if (Number.isFinite(here)) this.mark(x, here, colour);
    this.legend(
      rows.map(({ name, colour, dash }) => [name, colour, dash]),
      ...place,
    );
  }

  /** What a figure gives, with its sentence. */
  told(says) {
    return { high: this.high, marks: this.marks, says };
  }

  #axes() {
    const { left, right, top, bottom } = this.box;
    const { faint, ink } = this.look;
    this.add("line", { x1: left, x2: right, y1: bottom, y2: bottom, stroke: ink, "stroke-width": 1 });
    for (const [v, words] of this.x.ticks) {
      const x = tenth(this.X(v));
      this.add("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, stroke: ink });
      this.text(x, bottom + 16, words, { "text-anchor": "middle" });
    }
    this.text((left + right) / 2, bottom + 33, this.x.name, { "text-anchor": "middle" });
    for (const [v, words] of this.y.ticks) {
      const y = tenth(this.Y(v));
      this.add("line", { x1: left, x2: right, y1: y, y2: y, stroke: faint, "stroke-width": 0.8 });
      this.text(left - 5, y + 4, words, { "text-anchor": "end" });
    }
    this.text(6, top - 13, this.y.name);
  }
}

export const tenth = (v) => Math.round(v * 10) / 10;

/** Numbers along an axis, with their words. */
export const ticks = (values, words = (v) => String(v).replace("-", "−")) => values.map((v) => [v, words(v)]);

/** A slider of a figure; says(value, data) are its words. */
export const slider = (name, label, [from, to, steps], start, says, log = false) => ({
  name,
  label,
  from,
  to,
  steps,
  start,
  says,
  log,
});
