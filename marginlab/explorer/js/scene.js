// A run that is told: an ordered list right after an explorer is its scene. The explorer stays, the items pass, and the
// moment goes with them from the first frame to the last. On phones, and for who wants no motion, each item has its picture.

import { watchLooks, whenPrinted } from "./looks.js";

const NARROW = 640; // px of the page's text: there the two do not fit side by side

export const SCENE = `
.marginlab-scened { display: grid; grid-template-columns: minmax(0, 350px) minmax(0, 1fr); gap: 20px; }
.marginlab-scened > .marginlab-home { position: sticky; top: 84px; align-self: start; }
.marginlab-scened :is(.mlx-say, .mlx-show) { display: none; } /* the end is not told before it comes */
.marginlab-scened > .marginlab-scene > li { min-height: 46vh; padding-left: 10px; border-left: 3px solid transparent; }
.marginlab-scened > .marginlab-scene > li.marginlab-passing { border-color: #1a74cf; }
html[data-theme="dark"] .marginlab-scened > .marginlab-scene > li.marginlab-passing { border-color: #6db5ff; }
.marginlab-scened > .marginlab-scene > li:last-child { min-height: 100vh; }
.output:has(> [hidden]:only-child) { display: none; } /* where it stood */
.marginlab-moment { margin: 0 0 4px; }
.marginlab-moment img { display: block; width: min(340px, 100%); }
.marginlab-moment figcaption { font-size: 0.9em; }
.marginlab-scene > li:has(> .marginlab-moment) { margin-bottom: 2.2rem; }
`;

/**
 * The frame, or the place between two, for an eye at this height; boxes are {top}, last is the last frame's number. It
 * comes only with the last item: what is told before it must not stand beside the end.
 */
export function momentOf(boxes, eye, last) {
  const [from, to] = [boxes[0].top, boxes.at(-1).top];
  if (eye >= to) return last;
  return Math.max((eye - from) / (to - from), 0) * Math.max(last - 1, 0);
}

/** The item that is read: the last one whose box has begun above the eye. */
export const reading = (boxes, eye) =>
  Math.max(
    boxes.findLastIndex(({ top }) => top <= eye),
    0,
  );

export class Scene {
  #asked = 0;
  #at = -1;
  #printed = false;

  /** home: the explorer's box, which comes to stand beside the list; view: its view. */
  constructor(home, list, view) {
    this.home = home;
    this.list = list;
    this.text = list.parentElement; // what both stand in
    this.view = view;
    this.items = [...list.children];
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.moment = view.album();
    this.box = Object.assign(document.createElement("div"), { className: "marginlab-scened" });
    this.place = Object.assign(document.createElement("div"), { hidden: true }); // where the explorer stood
    home.before(this.place);
    this.set();
    addEventListener("scroll", () => this.need(), { passive: true });
    new ResizeObserver(() => this.set()).observe(this.text);
    this.calm.addEventListener("change", () => this.set());
    watchLooks(() => this.beside || this.draw());
    whenPrinted((printed) => {
      this.#printed = printed;
      this.set();
    });
  }

  get beside() {
    return this.box.isConnected;
  }

  /** Side by side, or one under the other with pictures. On paper neither: the explorer stands where it stood. */
  set() {
    const beside = !this.#printed && !this.calm.matches && this.text.clientWidth >= NARROW;
    if (beside && !this.beside) {
      for (const picture of this.list.querySelectorAll(".marginlab-moment")) picture.remove();
      this.list.before(this.box);
      this.box.append(this.home, this.list);
    }
    if (!beside) {
      if (this.beside) this.box.replaceWith(this.list);
      // On paper it stands where it stood; else after the pictures, since it shows the end.
      (this.#printed ? this.place : this.list).after(this.home);
      this.draw();
    }
    this.need();
  }

  need() {
    if (this.beside) this.#asked ||= requestAnimationFrame(() => this.follow());
  }

  /** Brings the run to the moment of what is read, while the scene is on the screen and its reader scrolls. */
  follow() {
    this.#asked = 0;
    const boxes = this.items.map((item) => item.getBoundingClientRect());
    const eye = innerHeight * 0.45;
    if (boxes[0].top > innerHeight || boxes.at(-1).bottom < 0) return;
    const at = momentOf(boxes, eye, this.view.frames.length - 1);
    if (at === this.#at) return;
    this.#at = at;
    const now = reading(boxes, eye);
    this.items.forEach((item, k) => item.classList.toggle("marginlab-passing", k === now));
    this.view.seek(at);
  }

  /** Gives each item the picture of its moment. */
  draw() {
    for (const picture of this.list.querySelectorAll(".marginlab-moment")) picture.remove();
    this.items.forEach((item, k) => {
      const { address, words, caption } = this.moment(k, this.items.length);
      const picture = Object.assign(document.createElement("figure"), { className: "marginlab-moment" });
      picture.append(
        Object.assign(document.createElement("img"), { src: address, alt: words }),
        Object.assign(document.createElement("figcaption"), { textContent: caption }),
      );
      item.prepend(picture);
    });
  }
}
