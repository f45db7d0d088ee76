// Figures in a page: each has its still picture make way for one that moves, with its sliders and its sentence.

import { angleAt } from "./circle.js";
import { FIGURES, first } from "./figures.js";
import { WIDE, share, valueAt } from "./sketch.js";

const SVG = "http://www.w3.org/2000/svg";
const FINE = 10; // degrees of a Page key

/** @param {string} name @param {Record<string, any>} properties @param {...(Node | string)} children @returns {any} */
function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** @param {string} name @param {Record<string, any>} attributes */
function drawn(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/** A slider's row; changed hears its value. */
function row(slider, data, changed) {
  const { label, steps, start } = slider;
  const at = Math.round(share(slider, start) * steps);
  const input = make("input", { type: "range", min: "0", max: String(steps), value: String(at) });
  const shown = make("output");
  const show = (v) => {
    shown.textContent = slider.says(v, data);
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    const v = value(slider, Number(input.value));
    show(v);
    changed(v);
  });
  show(value(slider, at));
  return make("label", { className: "marginlab-slide" }, make("span", {}, label), input, shown);
}

/** The number at a step of a slider, its start exactly, whatever the steps are. */
function value(slider, step) {
  if (step === Math.round(share(slider, slider.start) * slider.steps)) return slider.start;
  return Number(valueAt(slider, step / slider.steps).toPrecision(6));
}

/** A figure that moves: what it shows depends on its values, and on the angles of its handles if it has any. */
class Moving {
  constructor(place, look) {
    this.figure = FIGURES[place.dataset.figure];
    const id = `moving-${place.dataset.figure}`; // the sentence says what the picture shows
    const data = place.querySelector("script");
    this.data = data && JSON.parse(data.textContent);
    this.look = look;
    this.values = first(place.dataset.figure);
    this.angles = this.figure.handles?.(this.values);
    this.svg = drawn("svg", { role: this.angles ? "group" : "img", "aria-labelledby": id });
    this.marks = this.svg.appendChild(drawn("g", {}));
    this.handles = this.svg.appendChild(drawn("g", {}));
    this.state = make("p", { className: "marginlab-state", id });
    this.state.setAttribute("aria-live", "polite");
    const rows = this.figure.sliders.map((it) => row(it, this.data, (v) => this.set(it.name, v)));
    const hint = make("p", { className: "marginlab-hint" }, this.figure.hint);
    place.append(make("div", { className: "marginlab-moving" }, this.svg, ...rows, this.state, hint));
    this.show();
  }

  set(name, v) {
    this.values[name] = v;
    const angles = this.figure.handles?.(this.values);
    if (angles && angles.length !== this.angles.length) this.angles = angles;
    this.show();
  }

  show() {
    const { look, data, angles } = this;
    const { high, marks, handles = [], says } = this.figure.draw(this.values, { look, data, angles });
    this.svg.setAttribute("viewBox", `0 0 ${WIDE} ${high}`);
    this.marks.replaceChildren(...marks.map(([name, attributes, text]) => drawn(name, attributes, text)));
    this.state.textContent = says;
    while (this.handles.children.length > handles.length) this.handles.lastChild?.remove();
    for (const [k, it] of handles.entries()) {
      const circle = this.handles.children[k] ?? this.handles.appendChild(this.handle(k));
      const { cx, cy, fill, name, degrees, value } = it;
      const said = { cx, cy, fill, "aria-label": name, "aria-valuenow": degrees, "aria-valuetext": value };
      for (const [key, v] of Object.entries(said)) circle.setAttribute(key, String(v));
    }
  }

  turn(k, angle) {
    this.angles = this.angles.map((v, j) => (j === k ? angle : v));
    this.show();
  }

  /** The k-th handle: dragged by a pointer, moved by keys. */
  handle(k) {
    const limits = { "aria-valuemin": 0, "aria-valuemax": 359, "aria-orientation": "horizontal" };
    const circle = drawn("circle", { r: 11, tabindex: 0, role: "slider", class: "marginlab-handle", ...limits });
    circle.addEventListener("pointerdown", (event) => {
      circle.setPointerCapture(event.pointerId);
      circle.focus({ preventScroll: true });
      event.preventDefault();
    });
    // A finger would scroll the page: "touch-action" is of no use inside an SVG.
    circle.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    circle.addEventListener("pointermove", ({ pointerId, clientX, clientY }) => {
      if (!circle.hasPointerCapture(pointerId)) return;
      const { left, top, width } = this.svg.getBoundingClientRect();
      this.turn(k, angleAt(((clientX - left) / width) * WIDE, ((clientY - top) / width) * WIDE));
    });
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: FINE, PageDown: -FINE };
    circle.addEventListener("keydown", (event) => {
      const step = Object.hasOwn(steps, event.key) ? steps[event.key] : 0;
      if (!step) return;
      event.preventDefault();
      const now = Math.round((this.angles[k] * 180) / Math.PI);
      this.turn(k, ((((now + step) % 360) + 360) % 360) * (Math.PI / 180));
    });
    return circle;
  }
}

/** look: {ink, faint, palette, colours, titles} */
export function start(look) {
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".marginlab-figure"))) {
    if (!Object.hasOwn(FIGURES, place.dataset.figure ?? "")) continue;
    new Moving(place, look);
    place.querySelector(".marginlab-still")?.setAttribute("aria-hidden", "true");
    place.classList.add("marginlab-moved");
  }
}
