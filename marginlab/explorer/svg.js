// A canvas's context that writes SVG: as much of one as view.js draws with. Its x, y and path are in px of the whole.

const TURN = 2 * Math.PI;
const short = (v) => String(Math.round(v * 100) / 100);
const NAMES = { "<": "&lt;", ">": "&gt;", "&": "&amp;" };
const escaped = (text) => text.replace(/[<>&]/g, (sign) => NAMES[sign]);
const ANCHOR = { left: "start", center: "middle", right: "end" };

export function createSvg(width, height) {
  const parts = []; // elements, in the order in which they are painted
  const saved = [];
  let path = "";
  let [dx, dy, dash] = [0, 0, []];

  const point = (x, y) => `${short(x + dx)} ${short(y + dy)}`;
  const add = (name, attributes, inside = "") => {
    const all = { ...attributes, opacity: ctx.globalAlpha < 1 ? ctx.globalAlpha : null };
    const given = Object.entries(all).filter(([, value]) => value !== null);
    parts.push(`<${name} ${given.map(([key, value]) => `${key}="${value}"`).join(" ")}>${inside}</${name}>`);
  };
  const strokes = () => ({ fill: "none", stroke: ctx.strokeStyle, "stroke-width": ctx.lineWidth,
    "stroke-linejoin": ctx.lineJoin, "stroke-linecap": ctx.lineCap });
  const text = (words, x, y, paint) => {
    const [, weight, size, family] = /^(\d+) ([\d.]+)px (.*)$/.exec(ctx.font);
    add("text", { x: short(x + dx), y: short(y + dy), "font-weight": weight, "font-size": size, "font-family": family,
      "text-anchor": ANCHOR[ctx.textAlign], "dominant-baseline": "central", ...paint }, escaped(words));
  };

  const ctx = {
    fillStyle: "#000000", strokeStyle: "#000000", lineWidth: 1, lineJoin: "miter", lineCap: "butt",
    globalAlpha: 1, font: "", textAlign: "left", textBaseline: "middle",
    save() {
      saved.push([{ ...ctx }, [dx, dy, dash]]);
    },
    restore() {
      const [look, place] = saved.pop();
      Object.assign(ctx, look);
      [dx, dy, dash] = place;
    },
    translate(x, y) {
      [dx, dy] = [dx + x, dy + y];
    },
    beginPath() {
      path = "";
    },
    moveTo(x, y) {
      path += `M${point(x, y)}`;
    },
    lineTo(x, y) {
      path += `${path ? "L" : "M"}${point(x, y)}`;
    },
    /** In two halves, since SVG's arcs are given by their ends: a whole circle has but one. */
    arc(x, y, r, from, to, back = false) {
      const way = back ? from - to : to - from;
      const sweep = (way >= TURN ? TURN : ((way % TURN) + TURN) % TURN) * (back ? -1 : 1);
      const at = (turn) => [x + r * Math.cos(turn), y + r * Math.sin(turn)];
      if (!path.endsWith(point(...at(from)))) ctx.lineTo(...at(from));
      for (const share of [0.5, 1]) {
        path += `A${short(r)} ${short(r)} 0 0 ${back ? 0 : 1} ${point(...at(from + share * sweep))}`;
      }
    },
    closePath() {
      path += "Z";
    },
    fill(rule = null) {
      if (path) add("path", { d: path, fill: ctx.fillStyle, "fill-rule": rule });
    },
    stroke() {
      if (path) add("path", { d: path, ...strokes(), "stroke-dasharray": dash.join(" ") || null });
    },
    setLineDash(lengths) {
      dash = lengths;
    },
    fillRect(x, y, w, h) {
      add("rect", { x: short(x + dx), y: short(y + dy), width: short(w), height: short(h), fill: ctx.fillStyle });
    },
    fillText(words, x, y) {
      text(words, x, y, { fill: ctx.fillStyle });
    },
    strokeText(words, x, y) {
      text(words, x, y, strokes());
    },
    /** The whole as a file's text. */
    end: (title) => `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" `
      + `viewBox="0 0 ${width} ${height}" role="img"><title>${escaped(title)}</title>\n${parts.join("\n")}\n</svg>\n`,
  };
  return ctx;
}
