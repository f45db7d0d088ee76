// "Show me": a walk through the picture. Each step lights a part, says what it is, and asks for one act.

import { nearOf } from "./controls.js";
import { answer } from "./frame.js";
import { hasMargin, turningPoint } from "./room.js";
import { say, translated } from "./say.js";
import { FORMS } from "./tables.js";
import { joined, TABS } from "./words.js";

const { PI, min } = Math;
const [LEARNING, PSI, PULL] = TABS;
const PAUSE = 2400; // ms in which a reader sees that the act is done
const DEAF = 900; // ms after going on by itself in which "on" would skip what nobody has read
const ARROWS = { ArrowRight: 1, ArrowLeft: -1 };

/**
 * What a step knows of the picture, at its start and now.
 * @typedef {{focus: number | null, wrong: boolean, settings: any, ended: boolean, position: number, last: number,
 *   tab: string | null, least?: number}} Seen   least: the earliest moment since the step began
 * @typedef {{part: string, beside?: string, words: string, act?: string, done?: (now: Seen, then: Seen) => boolean}} Step
 *   beside: in one column what must be seen with the plane, by its class
 */

/** What a reader may set, and how often the run was gone on from. */
function asked({ stages, anneal, steps, ...set }) {
  return JSON.stringify({ ...set, moves: stages?.length });
}
const other = (now, then) => asked(now.settings) !== asked(then.settings);
const chosen = (tab) => (/** @type {Seen} */ now) => now.tab === tab;

/** Those that are to be said. @param {...(string | false | null | undefined)} all */
const sentences = (...all) => joined(all);

/** @returns {Step} */
const dots = () => ({
  part: "stage",
  beside: "point",
  words: say`Each dot is one of the test digits. Where it stands is its embedding: the two numbers that the network has made of its pixels. Its colour says which digit it is.`,
  act: say`Point at a dot, or tap it. By keys: go to the picture, and press an arrow.`,
  done: (now, then) => now.focus !== null && now.focus !== then.focus,
});

/** @returns {Step} */
const rays = ({ head }) => ({
  part: "stage",
  beside: "point",
  words:
    head === "softmax"
      ? say`Each ray is the direction of a class. Softmax scores how far out along it a digit lies, and adds a bias; the shaded lands say where each answer wins.`
      : say`Each ray is the direction of a class. θ is the angle between a digit and the ray of its own class. The nearest ray is the answer; how far out a digit lies does not count.`,
  act: say`Find a digit that is read wrong: its colour is not that of the answer. Most stand near the middle, or between two rays.`,
  done: (now) => now.focus !== null && now.wrong,
});

/** @returns {Step} */
const hatching = (settings) => ({
  part: "stage",
  beside: "near",
  words: hasMargin(settings)
    ? say`Hatched is the land where a digit is right, but not by the margin. There the loss still asks for more, and turns the digit towards its ray.`
    : say`Nothing is hatched, for there is no margin: a digit may stop as soon as its own class scores most.`,
  act: say`Move the slider “${translated(nearOf(settings)[0]?.name ?? "seed")}”, and wait for the new run to end.`,
  done: (now, then) => other(now, then) && now.ended,
});

/** @returns {Step} */
const time = (settings) => ({
  part: "time",
  beside: "time",
  words: sentences(
    say`A run is a row of pictures, from the first steps to the end.`,
    hasMargin(settings) && settings.anneal && say`It begins without the margin, which comes in little by little.`,
  ),
  act: say`Drag the knob back to the start. Then press play, and watch the digits part.`,
  done: ({ least, position, last }) => least <= 0.1 * last && position >= 0.9 * last,
});

/** @returns {Step} */
const learning = (settings) => ({
  part: LEARNING,
  words: sentences(
    say`Blue is the share of the test digits that are right. Red is the loss, with its axis at the right.`,
    settings.anneal &&
      hasMargin(settings) &&
      say`In the grey part the margin comes in, and the loss rises because more is asked.`,
    say`The dashed upright line is the moment that the picture shows.`,
  ),
  act: say`Press “${PSI}”, for the next chart.`,
  done: chosen(PSI),
});

/** @returns {Step} */
const psi = (settings) => ({
  part: PSI,
  words: sentences(
    say`The line says what its own class scores a digit at the angle θ.`,
    hasMargin(settings) &&
      say`The dotted line is cos θ, what another class would score there: the gap between the two is what the margin takes.`,
    say`The short marks below, the rug, are the digits, each at its θ.`,
    turningPoint(settings) < PI &&
      say`In the grey part θ with its margin is past π, where a plain cosine would turn back up.`,
  ),
  act: say`Press “${PULL}”.`,
  done: chosen(PULL),
});

/** @returns {Step} */
const pull = (settings) => ({
  part: PULL,
  words: sentences(
    settings.head === "softmax"
      ? say`The pull says how hard a digit at θ is turned towards its ray: in proportion to sin θ.`
      : say`The pull says how steeply ψ falls at θ, so how hard a digit there is turned towards its ray.`,
    say`Where it is 0, nothing turns a digit, however wrong it is.`,
    settings.naive && say`Dashed and red: as ${translated(FORMS[settings.naive].title)} makes it.`,
    !settings.naive && turningPoint(settings) < PI && say`Where θ with its margin is π, it is 0 for an instant only.`,
    !settings.naive && say`Most digits stand near 0°: look at how much pull is left for them.`,
  ),
});

/** The steps of a walk through the picture of these settings. @returns {Step[]} */
export const stepsOf = (settings) => [dots, rays, hatching, time, learning, psi, pull].map((step) => step(settings));

/** What a step may know of a scene, as a view draws it. @returns {Seen} */
export function seenIn({ settings, labels, focus, frame }, { ended, position, last }, tab) {
  const wrong = focus !== null && answer(frame, focus, settings) !== labels[focus];
  return { focus, wrong, settings, ended, position, last, tab };
}

export const WALK = `<div class="mlx-walk" role="group" tabindex="-1" hidden>
  <div class="mlx-bar mlx-steps"></div>
  <div aria-live="polite"><p class="mlx-walked"></p><p><b class="mlx-act"></b></p></div>
  <div class="mlx-bar"><button data-do="before">${say`‹ back`}</button><button data-do="after">${say`on ›`}</button>
    <button data-do="leave">${say`leave`}</button></div>
</div>`;

/** A view's walk, its panel beside what it speaks of. */
export class Walk {
  on = false;
  #at = 0;
  #steps = /** @type {Step[]} */ ([]);
  #then = /** @type {Seen | null} */ (null);
  #waits = 0;
  #least = Number.POSITIVE_INFINITY;
  #went = 0; // when it went on by itself

  /**
   * parts: a view's; mark(part) lights one, "" none; seek(k) goes to a frame; see() gives what there is to be seen;
   * unfold() brings out what is folded away, and gives back what folds it again.
   */
  constructor(parts, { mark, seek, see, unfold }) {
    this.parts = parts;
    this.mark = mark;
    this.seek = seek;
    this.see = see;
    this.unfold = unfold;
    this.fold = () => {};
    this.panel = parts.$(".mlx-walk");
    this.home = this.panel.parentElement;
    this.panel.addEventListener("keydown", (event) => {
      const by = ARROWS[event.key];
      if (by) this.go(this.#at + by);
      if (event.key === "Escape") this.leave();
      if (by || event.key === "Escape") event.preventDefault();
    });
    this.panel.addEventListener("click", ({ target }) => {
      const step = /** @type {HTMLElement} */ (target).dataset.step;
      if (step) this.go(Number(step));
    });
  }

  start() {
    if (this.on) return this.leave();
    if (!this.see()) return; // nothing is drawn yet
    this.on = true;
    this.fold = this.unfold();
    this.parts.box.classList.add("mlx-walking");
    this.panel.hidden = false;
    this.go(0);
    this.panel.focus({ preventScroll: true });
  }

  leave() {
    if (!this.on) return;
    clearTimeout(this.#waits);
    this.on = false;
    this.mark("");
    this.fold();
    this.panel.hidden = true;
    this.parts.box.classList.remove("mlx-walking");
    delete this.parts.box.dataset.beside;
    this.parts.$("[data-do=walk]").focus({ preventScroll: true });
  }

  /** To a step; beyond the last one it is over. */
  go(k) {
    clearTimeout(this.#waits);
    this.#waits = 0;
    this.#steps = stepsOf(this.see().settings);
    if (k >= this.#steps.length) return this.leave();
    this.#at = Math.max(k, 0);
    const { part, beside = "", words, act = "" } = this.#steps[this.#at];
    this.parts.box.dataset.beside = beside;
    this.mark(part);
    if (part !== "time") this.seek(Number.POSITIVE_INFINITY);
    this.#place(part);
    this.panel.querySelector(".mlx-walked").textContent = words;
    this.panel.querySelector(".mlx-act").textContent = act;
    const ends = this.#at === this.#steps.length - 1;
    this.panel.querySelector("[data-do=after]").textContent = ends ? say`done` : say`on ›`;
    this.panel.querySelector("[data-do=leave]").hidden = ends;
    this.#bar();
    [this.#then, this.#least] = [null, Number.POSITIVE_INFINITY];
    this.#scroll(part);
  }

  before = () => this.go(this.#at - 1);
  after = () => void (performance.now() - this.#went > DEAF && this.go(this.#at + 1));

  /** In one column the plane and what stands under it begin at the top; a chart has its panel above it. */
  #scroll(part) {
    const { box, now } = this.parts;
    const { top, bottom } = this.panel.getBoundingClientRect();
    const folded = box.classList.contains("mlx-fold");
    if (folded) (TABS.includes(part) ? this.panel : now).scrollIntoView({ block: "start" });
    else if (top < 0 || bottom > innerHeight) this.panel.scrollIntoView({ block: "center" });
  }

  /** Beside its part; where all stands in one column, right under it. What has the focus keeps it. */
  #place(part) {
    const held = document.activeElement;
    const chart = TABS.includes(part);
    const { box, $ } = this.parts;
    if (!box.classList.contains("mlx-fold")) this.home.prepend(this.panel);
    else $(chart ? ".mlx-side > .mlx-tabs" : `.mlx-${part}`).after(this.panel);
    if (this.panel.contains(held)) /** @type {HTMLElement} */ (held).focus({ preventScroll: true });
  }

  /** The bar of steps, each a button. */
  #bar() {
    const name = say`Show me, step ${this.#at + 1} of ${this.#steps.length}`;
    this.panel.setAttribute("aria-label", name);
    const bar = this.panel.querySelector(".mlx-steps");
    const held = bar.contains(document.activeElement);
    bar.replaceChildren(
      ...this.#steps.map((_, k) => {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: String(k + 1) });
        button.dataset.step = String(k);
        button.setAttribute("aria-label", say`step ${k + 1}`);
        if (k === this.#at) button.setAttribute("aria-current", "step");
        return button;
      }),
    );
    if (held) bar.children[this.#at].focus({ preventScroll: true });
  }

  /** Looks whether what was asked for is done; then it goes on by itself. */
  look() {
    if (!this.on || this.#waits) return;
    const now = this.see();
    this.#then ??= now;
    now.least = this.#least = min(this.#least, now.position);
    if (!this.#steps[this.#at].done?.(now, this.#then)) return;
    const act = this.panel.querySelector(".mlx-act");
    act.textContent = `✓ ${act.textContent}`;
    this.#waits = setTimeout(() => {
      this.go(this.#at + 1);
      this.#went = performance.now();
    }, PAUSE);
  }
}
