// An explorer that is out of sight stands small at the edge of the window while the links to it are used.

import { whenPrinted } from "./looks.js";
import { say } from "./say.js";

export const DOCKED = `
.marginlab-docked { position: fixed; right: 12px; bottom: 12px; z-index: 1020; width: min(236px, 46vw);
  background: #ffffff; border: 1px solid #8b909a; border-radius: 10px; box-shadow: 0 3px 18px #0005; overflow: hidden; }
html[data-theme="dark"] .marginlab-docked { background: #15171b; }
.marginlab-docked :is(.mlx-told, .mlx-bar, .mlx-what, .mlx-point, .mlx-pad, .mlx-say, .mlx-far, .mlx-show, .mlx-walk, .mlp, .mlp-presets,
  .marginlab-folds, .marginlab-numbers, figure:not(.mlx-looked), h4, .mlx-side .mlx-key) { display: none !important; }
/* A chart that is to be looked at is there too. */
.marginlab-docked .mlx-side { display: block !important; }
.marginlab-docked .mlx-chart { height: 130px; }
.marginlab-docked .mlx-now { font-size: 11px; overflow: hidden; }
.marginlab-docked .mlx-now b { font-size: 14px; }
.marginlab-docked .mlp-status { font-size: 13px; line-height: 17px; min-height: 0; padding-top: 2px; }
.marginlab-dock { display: flex; justify-content: space-between; padding: 4px 6px 0; }
.marginlab-home > :not(.marginlab-docked) > .marginlab-dock { display: none; }
.marginlab-dock button { font: 13px/1.3 system-ui, sans-serif; color: inherit; background: transparent; cursor: pointer;
  border: 1px solid #8b909a; border-radius: 6px; min-width: 32px; min-height: 30px; padding: 2px 8px; }
.marginlab-dock button:focus-visible { outline: 2px solid #1a74cf; outline-offset: 1px; }
html[data-theme="dark"] .marginlab-dock button:focus-visible { outline-color: #6db5ff; }
@media (prefers-reduced-motion: no-preference) { .marginlab-docked { animation: marginlab-dock 0.25s ease-out; } }
@keyframes marginlab-dock { from { transform: translateY(30px); opacity: 0; } }
`;

const HTML = `<div class="marginlab-dock"><button data-dock="go">${say`go to it`}</button>
<button data-dock="close" aria-label="${say`close (Escape)`}">×</button></div>`;

export class Dock {
  #used = false; // since it was last closed
  #seen = true;

  /** root stays where it is in the document; a box around it keeps its place when it is docked. */
  constructor(root) {
    this.root = root;
    this.home = Object.assign(document.createElement("div"), { className: "marginlab-home" });
    root.before(this.home);
    this.home.append(root);
    root.insertAdjacentHTML("afterbegin", HTML);
    root.addEventListener("click", ({ target }) => {
      const what = target.closest("[data-dock]")?.dataset.dock;
      if (what) this.close();
      if (what === "go") this.home.scrollIntoView();
    });
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && this.docked) this.close();
    });
    document.addEventListener("marginlab-dock", (/** @type {CustomEvent} */ { detail }) => {
      if (detail !== this) this.close();
    });
    new IntersectionObserver(([{ intersectionRatio }]) => this.#look(intersectionRatio), {
      threshold: [0, 0.3, 0.35],
    }).observe(this.home);
    whenPrinted((printed) => this.#set(!printed));
  }

  get docked() {
    return this.root.classList.contains("marginlab-docked");
  }

  /** A link to it was used; only one explorer of a page is docked. */
  use() {
    document.dispatchEvent(new CustomEvent("marginlab-dock", { detail: this }));
    this.#used = true;
    this.#set();
  }

  close() {
    this.#used = false;
    this.#set();
  }

  #look(ratio) {
    this.#seen = ratio >= 0.33;
    this.#set();
  }

  #set(may = true) {
    const docked = may && this.#used && !this.#seen;
    if (docked === this.docked) return;
    this.home.style.height = docked ? `${this.home.offsetHeight}px` : "";
    this.root.classList.toggle("marginlab-docked", docked);
  }
}
