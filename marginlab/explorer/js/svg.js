// A canvas's context that writes SVG: as much of one as the pictures are drawn with. Its x, y and path are in px of the
// whole.

const TURN = 2 * Math.PI;
const short = (v) => String(Math.round(v * 100) / 100);
const NAMES = { "<": "&lt;", ">": "&gt;", "&": "&amp;" };
const escaped = (text) => text.replace(/[<>&]/g, (sign) => NAMES[sign]);
const ANCHOR = { left: "start", center: "middle", right: "end" };

export class SvgContext {
  fillStyle = "#000000";
  strokeStyle = "#000000";
  lineWidth = 1;
  lineJoin = "miter";
  lineCap = "butt";
  globalAlpha = 1;
  font = "";
  textAlign = "left";
  textBaseline = "middle";
  #parts = []; // elements, in the order in which they are painted
  #saved = [];
  #path = "";
  #dx = 0;
  #dy = 0;
  #dash = [];

  constructor(width, height) {
    this.size = () => [width, height]; // no property: these are saved and restored
  }

  save() {
    this.#saved.push([{ ...this }, this.#dx, this.#dy, this.#dash]);
  }
  restore() {
    const [look, ...place] = this.#saved.pop();
    Object.assign(this, look);
    [this.#dx, this.#dy, this.#dash] = place;
  }
  translate(x, y) {
    this.#dx += x;
    this.#dy += y;
  }
  setLineDash(lengths) {
    this.#dash = lengths;
  }

  beginPath() {
    this.#path = "";
  }
  moveTo(x, y) {
    this.#path += `M${this.#point(x, y)}`;
  }
  lineTo(x, y) {
    this.#path += `${this.#path ? "L" : "M"}${this.#point(x, y)}`;
  }
  /** In two halves, since SVG's arcs are given by their ends: a whole circle has but one. */
  arc(x, y, r, from, to, back = false) {
    const way = back ? from - to : to - from;
    const sweep = (way >= TURN ? TURN : ((way % TURN) + TURN) % TURN) * (back ? -1 : 1);
    const at = (turn) => /** @type {const} */ ([x + r * Math.cos(turn), y + r * Math.sin(turn)]);
    if (!this.#path.endsWith(this.#point(...at(from)))) this.lineTo(...at(from));
    for (const share of [0.5, 1]) {
      this.#path += `A${short(r)} ${short(r)} 0 0 ${back ? 0 : 1} ${this.#point(...at(from + share * sweep))}`;
    }
  }
  closePath() {
    this.#path += "Z";
  }

  fill(rule = null) {
    if (this.#path) this.#add("path", { d: this.#path, fill: this.fillStyle, "fill-rule": rule });
  }
  stroke() {
    const dash = this.#dash.join(" ") || null;
    if (this.#path) this.#add("path", { d: this.#path, ...this.#strokes(), "stroke-dasharray": dash });
  }
  fillRect(x, y, w, h) {
    const [left, top] = this.#point(x, y).split(" ");
    this.#add("rect", { x: left, y: top, width: short(w), height: short(h), fill: this.fillStyle });
  }
  fillText(words, x, y) {
    this.#text(words, x, y, { fill: this.fillStyle });
  }
  strokeText(words, x, y) {
    this.#text(words, x, y, this.#strokes());
  }

  /** The whole as a file's text. */
  end(title) {
    const [width, height] = this.size();
    const box = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
    const head = `<svg xmlns="http://www.w3.org/2000/svg" ${box} role="img"><title>${escaped(title)}</title>`;
    return `${head}\n${this.#parts.join("\n")}\n</svg>\n`;
  }

  #point(x, y) {
    return `${short(x + this.#dx)} ${short(y + this.#dy)}`;
  }
  #strokes() {
    const { strokeStyle, lineWidth, lineJoin, lineCap } = this;
    const caps = { "stroke-linejoin": lineJoin, "stroke-linecap": lineCap };
    return { fill: "none", stroke: strokeStyle, "stroke-width": lineWidth, ...caps };
  }
  #text(words, x, y, paint) {
    const [, weight, size, family] = /^(\d+) ([\d.]+)px (.*)$/.exec(this.font);
    const [left, top] = this.#point(x, y).split(" ");
    const look = { "font-weight": weight, "font-size": size, "font-family": family };
    const place = { x: left, y: top, "text-anchor": ANCHOR[this.textAlign], "dominant-baseline": "central" };
    this.#add("text", { ...place, ...look, ...paint }, escaped(words));
  }
  #add(name, attributes, inside = "") {
    const all = { ...attributes, opacity: this.globalAlpha < 1 ? this.globalAlpha : null };
    const given = Object.entries(all).filter(([, value]) => value !== null);
    this.#parts.push(`<${name} ${given.map(([key, value]) => `${key}="${value}"`).join(" ")}>${inside}</${name}>`);
  }
}
