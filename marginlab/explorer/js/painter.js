// Brings a scene onto a view's canvases, and its words beside them.

import { drawProgress, drawPsi, drawPull } from "./charts.js";
import { isDark } from "./looks.js";
import { showPoint, write } from "./panel.js";
import { drawPlane } from "./plane.js";
import { say } from "./say.js";
import {
  chartsInWords,
  epitaph,
  headline,
  keyOfProgress,
  keyOfPsi,
  keyOfPull,
  percent,
  planeInWords,
  told,
  what,
  whyOf,
} from "./words.js";

// One under the other, each with its words.
const CHARTS = [
  [drawProgress, keyOfProgress],
  [drawPsi, keyOfPsi],
  [drawPull, keyOfPull],
];

/** A canvas's context, as large as the canvas is on the screen and blank; and that size in px. */
function fitted(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [canvas.clientWidth, canvas.clientHeight];
  const [width, height] = [w, h].map((side) => Math.round(side * ratio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, w, h);
  return [ctx, w, h];
}

/** A canvas counts as an image for those who do not see it once there are words for it. */
function name(canvas, text) {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", text);
}

export class Painter {
  #turn = -1; // whose of the charts it is
  #rest = 0;
  #settled = 0;

  constructor(parts, images) {
    this.parts = parts;
    this.images = images;
  }

  dress() {
    this.parts.box.classList.toggle("mlx-dark", isDark());
  }

  /** Paints a scene, and what is said of it. Returns where each point is. */
  paint(scene, timeline, own) {
    this.dress();
    const [ctx, size] = fitted(this.parts.plane);
    const places = drawPlane(ctx, size, scene);
    this.#paintCharts(scene);
    this.#write(scene, timeline);
    showPoint(this.parts, this.images, scene);
    write(this.parts.said, own.words(scene));
    clearTimeout(this.#settled);
    this.#settled = setTimeout(() => this.#describe(scene, timeline), 250);
    return places;
  }

  /** All drawings at once can take a busy machine longer than a page may stand still. So the charts take turns. */
  #paintCharts(scene) {
    let due = CHARTS.length;
    const next = () => {
      this.#turn = (this.#turn + 1) % CHARTS.length;
      const [draw, key] = CHARTS[this.#turn];
      const chart = this.parts.charts[this.#turn];
      if (chart.clientWidth) draw(...fitted(chart), scene); // what is folded away has no size
      write(this.parts.keys[this.#turn], key(scene));
      due -= 1;
      if (due) this.#rest = requestAnimationFrame(next);
    };
    cancelAnimationFrame(this.#rest);
    next();
  }

  /** Paints every chart at once: for paper. */
  whole(scene) {
    this.dress(); // paper may have another dress than the screen had
    const [ctx, size] = fitted(this.parts.plane);
    drawPlane(ctx, size, scene);
    CHARTS.forEach(([draw], k) => draw(...fitted(this.parts.charts[k]), scene));
  }

  #write(scene, { last, now, position }) {
    const { now: line, what: key, lesson, died: dead, scrub } = this.parts;
    write(line, headline(now));
    write(key, what(scene));
    Object.assign(scrub, { max: last, value: position });
    const said = Number.isFinite(now.loss) ? say`${percent(now.accuracy)} right` : "NaN";
    scrub.setAttribute("aria-valuetext", say`step ${now.step}, ${said}`);
    const { died } = now;
    // Of one's own ψ the verdicts stay: they may say what killed it.
    lesson.hidden = Boolean(died) && scene.settings.head !== "own";
    dead.hidden = !died;
    if (died) write(dead, `<b>${epitaph(died)}</b><br>${whyOf(died.why)}`);
    if (!lesson.hidden) write(lesson, told(scene));
  }

  /** Once things stand still: the picture in words. */
  #describe(scene, { now }) {
    name(this.parts.plane, planeInWords(scene, now));
    chartsInWords(scene, now).forEach((text, k) => name(this.parts.charts[k], text));
  }

  end() {
    cancelAnimationFrame(this.#rest);
    clearTimeout(this.#settled);
  }
}
