// A run that is told: an ordered list right after an explorer is its scene. The explorer stays, the items pass, and the
// moment goes with them from the first frame to the last. On phones, and for who wants no motion, each item has its picture.

import { watchLooks, whenPrinted } from "./looks.js";

const NARROW = 640; // px of the page's text: there the two do not fit side by side

export const SCENE = `
.marginlab-scened { display: grid; grid-template-columns: minmax(0, 350px) minmax(0, 1fr); gap: 20px; }
.marginlab-scened > .marginlab-home { position: sticky; top: 84px; align-self: start; }
.marginlab-scened > .marginlab-scene > li { min-height: 58vh; padding-left: 10px; border-left: 3px solid transparent; }
.marginlab-scened > .marginlab-scene > li.marginlab-passing { border-color: #1a74cf; }
html[data-theme="dark"] .marginlab-scened > .marginlab-scene > li.marginlab-passing { border-color: #6db5ff; }
.marginlab-scened > .marginlab-scene > li:last-child { min-height: 100vh; }
.marginlab-scene img { display: block; width: min(340px, 100%); }
`;

/** How far a reader has come from the beginning of the first box to that of the last, from 0 to 1; boxes are {top}. */
export function passed(boxes, eye) {
  const [from, to] = [boxes[0].top, boxes.at(-1).top];
  return to > from ? Math.min(Math.max((eye - from) / (to - from), 0), 1) : 0;
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
      for (const image of this.list.querySelectorAll("img.marginlab-moment")) image.remove();
      this.list.before(this.box);
      this.box.append(this.home, this.list);
    }
    if (!beside) {
      if (this.beside) {
        this.place.after(this.home);
        this.box.replaceWith(this.list);
      }
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
    const at = passed(boxes, eye);
    if (at === this.#at) return;
    this.#at = at;
    const now = reading(boxes, eye);
    this.items.forEach((item, k) => item.classList.toggle("marginlab-passing", k === now));
    this.view.seek(at * (this.view.frames.length - 1));
  }

  /** Gives each item the picture of its moment. */
  draw() {
    this.items.forEach((item, k) => {
      const { address, words } = this.moment(k / (this.items.length - 1));
      const image =
        item.querySelector("img.marginlab-moment") ??
        Object.assign(document.createElement("img"), { className: "marginlab-moment" });
      Object.assign(image, { src: address, alt: words });
      item.prepend(image);
    });
  }
}
