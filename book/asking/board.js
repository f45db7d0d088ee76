// What a prediction is drawn on: axes, what was said, and what is right.

import { share, said, ticks, valueAt, within } from "./axes.js";
import { drawn } from "./dom.js";
import { say } from "../../marginlab/explorer/js/say.js";

const WIDE = 340;
const PAD = { left: 46, right: 14, top: 26, bottom: 40 };

/** An SVG with axes; y may be missing, and then it is one line. Times and places are in px of its own. */
export class Board {
  constructor({ x, y, lines = [], name }) {
    this.x = x;
    this.y = y.name ? y : null;
    const left = this.y ? PAD.left : PAD.right;
    this.box = { left, right: WIDE - PAD.right, top: PAD.top, bottom: this.y ? 222 : 46 };
    this.high = this.box.bottom + PAD.bottom;
    this.svg = drawn("svg", { viewBox: `0 0 ${WIDE} ${this.high}`, role: "img", "aria-label": name });
    this.svg.classList.add("marginlab-board");
    this.#axes();
    for (const line of lines) this.#add("polyline", { points: this.#points(line), class: "marginlab-given" });
    this.layer = this.#add("g", {});
  }

  X(v) {
    return this.box.left + within(share(this.x, v)) * (this.box.right - this.box.left);
  }

  Y(v) {
    if (!this.y) return this.box.bottom;
    return this.box.bottom - within(share(this.y, v)) * (this.box.bottom - this.box.top);
  }

  /** Where a pointer is, in numbers of the axes. */
  at({ clientX, clientY }) {
    const { left, top, width, height } = this.svg.getBoundingClientRect();
    const [px, py] = [((clientX - left) / width) * WIDE, ((clientY - top) / height) * this.high];
    const { box } = this;
    const x = valueAt(this.x, within((px - box.left) / (box.right - box.left)));
    return [x, this.y && valueAt(this.y, within((box.bottom - py) / (box.bottom - box.top)))];
  }

  #add(name, attributes, text = "", parent = this.svg) {
    return parent.appendChild(drawn(name, attributes, text));
  }

  #points(line) {
    return line.map(([x, y]) => `${this.X(x).toFixed(1)},${this.Y(y).toFixed(1)}`).join(" ");
  }

  #axes() {
    const { left, right, top, bottom } = this.box;
    const text = (x, y, words, anchor) => this.#add("text", { x, y, "text-anchor": anchor }, words);
    this.#add("line", { x1: left, x2: right, y1: bottom, y2: bottom });
    for (const v of ticks(this.x)) {
      this.#add("line", { x1: this.X(v), x2: this.X(v), y1: bottom, y2: bottom + 4 });
      text(this.X(v), bottom + 16, said(this.x, v), "middle");
    }
    text((left + right) / 2, bottom + 33, this.x.name, "middle");
    if (!this.y) return;
    this.#add("line", { x1: left, x2: left, y1: top, y2: bottom });
    for (const v of ticks(this.y)) {
      this.#add("line", { x1: left, x2: right, y1: this.Y(v), y2: this.Y(v), class: "marginlab-faint" });
      text(left - 5, this.Y(v) + 4, said(this.y, v), "end");
    }
    text(left - 34, top - 14, this.y.name, "start");
  }

  /** Marks and curves: each {points: [[x, y], …], right, here?}. A single point is a mark, with its word beside it. */
  show(curves) {
    this.layer.textContent = "";
    for (const { points, right, here } of curves) {
      const kind = right ? "marginlab-right" : "marginlab-yours";
      if (points.length > 1) this.#add("polyline", { points: this.#points(points), class: kind }, "", this.layer);
      const marks = points.length > 1 ? points.filter((_, k) => k === here) : points;
      for (const [x, y] of marks) this.#mark(this.X(x), this.Y(y), right, kind);
    }
  }

  #mark(x, y, right, kind) {
    const [up, down] = this.y ? [y - 9, y + 19] : [y - 12, y - 24];
    if (right) this.#add("circle", { cx: x, cy: y, r: 5.5, class: kind }, "", this.layer);
    else
      this.#add(
        "path",
        { d: `M${x - 6} ${y - 6} L${x + 6} ${y + 6} M${x + 6} ${y - 6} L${x - 6} ${y + 6}`, class: kind },
        "",
        this.layer,
      );
    const anchor = x > WIDE - 60 ? "end" : x < 60 ? "start" : "middle";
    this.#add("text", { x, y: right ? up : down, "text-anchor": anchor }, right ? say`it is` : say`you`, this.layer);
  }
}
