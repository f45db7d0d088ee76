// A gallery of one sign: five drawings are enrolled by the page's own network, and others are compared with it.

import { acceptedByOthers, comparisons, cosineOf, meanDirection, takenFor, thresholdAt, unitOf } from "./enrol.js";
import { padOf } from "./pad.js";
import { drawnSign, SIGNS } from "./signs.js";

const MANY = 5; // drawings that are enrolled
const FAR = 0.01; // of galleries and images of other digits
const CHOICE = "choose a sign …";

/** @param {string} tag @param {Record<string, any>} properties @param {...(Node | string)} children @returns {any} */
function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** An image of 28 × 28, dark on light, as a small canvas. */
function thumbnail(image, words) {
  const canvas = make("canvas", { width: 28, height: 28 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  const data = new ImageData(28, 28);
  image.forEach((ink, i) => data.data.set([255 - ink, 255 - ink, 255 - ink, 255], 4 * i));
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

// ---- What is found ----

/** What the network says of five drawings and perhaps a sixth. found: as the explorer answers. */
export function judge({ places, embeddings, labels, directions }) {
  const units = places.map((place) => unitOf(place, 0));
  const five = units.slice(0, MANY);
  const direction = meanDirection(five);
  const threshold = thresholdAt(comparisons({ embeddings, labels }), FAR);
  const taken = takenFor({ embeddings, labels }, direction, threshold);
  const sixth = units[MANY] && cosineOf(units[MANY], direction);
  const own = acceptedByOthers(five, threshold);
  return { units, direction, threshold, taken, own, sixth, directions, tested: labels.length };
}

const degrees = (cosine) => `${((180 / Math.PI) * Math.acos(Math.min(1, Math.max(-1, cosine)))).toFixed(1)}°`;
const number = (n) => n.toLocaleString("en-US");

/** In sentences, what was found, and what it means. */
export function told({ threshold, taken, own, sixth, tested }) {
  const all = taken.reduce((sum, n) => sum + n, 0);
  const most = taken.indexOf(Math.max(...taken));
  const said = [
    `The threshold is a cosine of ${threshold.toFixed(4)}, ${degrees(threshold)} from the direction of your sign. At it ` +
      `a gallery of five test digits accepts 1 % of the images of other digits.`,
    `Of your five drawings ${own || "none"} ${own > 1 ? "are" : "is"} accepted by the other four.`,
  ];
  if (sixth !== undefined)
    said.push(
      `Your sixth lies ${degrees(sixth)} away, and is ${sixth > threshold ? "accepted as your sign" : "turned away"}.`,
    );
  const whose = all ? `, ${number(taken[most])} of them ${most}s` : "";
  said.push(`Of the ${number(tested)} test digits ${number(all)} would be taken for your sign${whose}.`);
  return [...said, verdict(all / tested, own)];
}

function verdict(share, own) {
  if (own < MANY - 1)
    return (
      "Your drawings do not lie together, so their mean stands for none of them: the network was never taught " +
      "what your sign has in common."
    );
  if (share > 2 * FAR)
    return (
      "So the network does not tell your sign from digits: it lies where a digit lies. In two dimensions the circle " +
      "is full, and a stranger stands with somebody who was there before."
    );
  return "So the network tells your sign from nearly all digits: it fell into a gap, which nobody had kept for it.";
}

// ---- The picture ----

const SIDE = 220;
const HALF = SIDE / 2;

/** @param {string} tag @param {Record<string, any>} attributes */
function drawn(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/** The circle: the directions of the digits, what is accepted, and the drawings. */
function picture({ units, direction, threshold, directions }) {
  /** @param {number[]} to @param {number} reach */
  const at = (to, reach) => [HALF + reach * to[0], HALF - reach * to[1]].map((v) => v.toFixed(1));
  const svg = drawn("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img" });
  svg.setAttribute(
    "aria-label",
    "The circle of directions: the ten digits, the wedge in which your sign is accepted, and where your drawings lie",
  );
  const half = Math.acos(Math.min(1, threshold));
  const turn = Math.atan2(direction[1], direction[0]);
  const ends = [turn + half, turn - half].map((angle) => at([Math.cos(angle), Math.sin(angle)], 80));
  const wedge = `M ${HALF} ${HALF} L ${ends[0].join(" ")} A 80 80 0 0 1 ${ends[1].join(" ")} Z`;
  svg.append(drawn("path", { d: wedge, class: "marginlab-wedge" }));
  svg.append(drawn("circle", { cx: HALF, cy: HALF, r: 80 }));
  for (let j = 0; j < 10; j++) {
    const to = [directions[2 * j], directions[2 * j + 1]];
    const [[x1, y1], [x2, y2], [x, y]] = [at(to, 76), at(to, 84), at(to, 97)];
    svg.append(drawn("line", { x1, y1, x2, y2 }), drawn("text", { x, y }, String(j)));
  }
  units.forEach((unit, k) => {
    const [cx, cy] = at(unit, k < MANY ? 66 : 54);
    svg.append(
      drawn("circle", { cx, cy, r: k < MANY ? 4 : 6, class: k < MANY ? "marginlab-five" : "marginlab-sixth" }),
    );
  });
  return svg;
}

// ---- The gallery ----

class Gallery {
  kept = []; // images of five, 784 of 0 to 255 each
  now = null; // what is on the pad
  shown = 0; // how often a sign was drawn for the reader

  constructor(root, explorer) {
    this.root = root;
    this.explorer = explorer;
    this.build();
    this.put = padOf(this.pad, (image) => {
      this.now = image;
      this.changed();
    });
    this.changed();
  }

  build() {
    const button = (words, does) => {
      const made = make("button", { type: "button", textContent: words });
      made.addEventListener("click", does);
      return made;
    };
    this.pad = make("canvas", { className: "marginlab-signpad" });
    this.pad.setAttribute("role", "img");
    this.pad.setAttribute("aria-label", "Pad: draw a sign here, with mouse or finger, or choose one below");
    this.status = make("p", { className: "marginlab-steps" });
    this.status.setAttribute("role", "status");
    this.said = make("div", { className: "marginlab-said-of-signs" });
    this.said.setAttribute("aria-live", "polite");
    this.row = make("div", { className: "marginlab-kept" });
    this.circle = make("div", { className: "marginlab-circle" });
    this.keep = button("keep this drawing", () => this.keepIt());
    const choice = make(
      "select",
      {},
      ...[CHOICE, ...Object.keys(SIGNS)].map((name) => make("option", { value: name }, name)),
    );
    choice.setAttribute("aria-label", "A sign that is drawn for you");
    const drawIt = button("draw it for me", () => {
      if (choice.value !== CHOICE) this.put(drawnSign(choice.value, this.shown++));
    });
    const bars = [
      make(
        "div",
        { className: "marginlab-controls" },
        this.keep,
        button("clear the pad", () => this.put([])),
      ),
      make("div", { className: "marginlab-controls" }, choice, drawIt),
      make(
        "div",
        { className: "marginlab-controls" },
        button("start over", () => this.startOver()),
      ),
    ];
    const left = make("div", { className: "marginlab-signs-left" }, this.pad, ...bars);
    const right = make("div", { className: "marginlab-signs-right" }, this.status, this.row, this.circle, this.said);
    // The sentence that stood there is for paper.
    for (const sentence of this.root.children) sentence.className = "marginlab-on-paper";
    this.root.append(make("div", { className: "marginlab-signs" }, left, right));
  }

  keepIt() {
    if (!this.now || this.kept.length === MANY) return;
    this.kept.push(this.now);
    this.row.append(thumbnail(this.now, `drawing ${this.kept.length} of ${MANY}`));
    [this.now, this.keep.disabled] = [null, true]; // the pad tells of it with the next picture
    this.put([]);
  }

  startOver() {
    [this.kept, this.now] = [[], null];
    this.row.replaceChildren();
    this.put([]);
  }

  /** Another drawing is on the pad, or in the gallery. */
  changed() {
    const { length } = this.kept;
    this.keep.disabled = !this.now || length === MANY;
    if (length < MANY) {
      this.status.textContent = `${length} of ${MANY} drawings are kept. Draw your sign, and keep it; then again, as your hand does it.`;
      this.said.replaceChildren();
      this.circle.replaceChildren();
      return;
    }
    const waits = this.said.childElementCount
      ? ""
      : " The network of the explorer above is asked, and trains first if it must …";
    this.status.textContent = `Your sign is enrolled as class eleven. Draw a sixth on the pad: it is compared at once.${waits}`;
    this.ask();
  }

  ask() {
    const images = this.now ? [...this.kept, this.now] : this.kept;
    const answer = (found) => {
      if (this.kept.length === MANY && found.places.length === images.length) this.show(found);
    };
    this.explorer.dispatchEvent(new CustomEvent("marginlab-embed", { detail: { images, answer } }));
  }

  show(found) {
    const judged = judge(found);
    if (Number.isNaN(judged.direction[0]))
      return this.said.replaceChildren(make("p", {}, "This run died: its network says nothing."));
    this.status.textContent = "Your sign is enrolled as class eleven. Draw a sixth on the pad: it is compared at once.";
    const key = "Wedge: what is accepted. Dots: your five drawings. Ring: the sixth.";
    this.circle.replaceChildren(picture(judged), make("p", { className: "marginlab-caption" }, key));
    this.said.replaceChildren(...told(judged).map((sentence) => make("p", {}, sentence)));
  }
}

/** Makes each place of a gallery one, if the page has an explorer whose network it can ask. */
export function start() {
  const explorer = document.querySelector(".marginlab-explorer");
  if (explorer && "Worker" in self && "DecompressionStream" in self)
    for (const root of document.querySelectorAll(".marginlab-gallery")) new Gallery(root, explorer);
}
