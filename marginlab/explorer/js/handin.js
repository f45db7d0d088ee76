// "Hand in this run": under an explorer a fold with a field for a name, and the receipt of the run that has ended.

import { copied } from "./clipboard.js";
import { saveText } from "./save.js";
import { HEADER, LONGEST_NAME, receipt, tidy } from "./receipt.js";
import { say } from "./say.js";

export const HANDED = `
/* Beside the fold above, on one line, while both are shut. */
.marginlab-folds { display: flex; flex-wrap: wrap; gap: 0 24px; }
.marginlab-folds > [open] { flex: 0 0 100%; min-width: 0; }
.marginlab-handin { margin-top: 4px; }
.marginlab-handin > div { display: grid; gap: 8px; max-width: 46em; padding: 6px 4px 10px;
  font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.marginlab-handin p { margin: 0 !important; }
.marginlab-handin label { display: flex; flex-wrap: wrap; gap: 4px 10px; align-items: center; font-weight: 650; }
.marginlab-handin input { flex: 1 1 12em; min-width: 0; height: 32px; }
.marginlab-handin :is(input, textarea, button) { color: inherit; background: transparent; padding: 4px 8px;
  border: 1px solid #8b909a; border-radius: 6px; box-sizing: border-box; font: inherit; font-weight: 400; }
.marginlab-handin textarea { width: 100%; min-height: 6.5em; resize: vertical; overflow-wrap: anywhere;
  font: 12px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.marginlab-handin button { min-height: 32px; cursor: pointer; margin-right: 8px; }
.marginlab-handin button:disabled { opacity: 0.55; cursor: default; }
.marginlab-handin :is(input, textarea, button, summary):focus-visible { outline: 2px solid #1a74cf; outline-offset: 2px; }
html[data-theme="dark"] .marginlab-handin :is(input, textarea, button, summary):focus-visible { outline-color: #6db5ff; }
@container (max-width: 480px) { .marginlab-handin textarea { min-height: 10.5em; } }
@media (pointer: coarse) { .marginlab-handin :is(input, button) { min-height: 44px; } }
@media print { .marginlab-handin { display: none; } }
`;

const HTML = `<summary>${say`Hand in this run`}</summary><div>
<label>${say`Your name`} <input type="text" autocomplete="name" spellcheck="false" maxlength="${LONGEST_NAME}"></label>
<p role="status"></p>
<textarea readonly aria-label="${say`The receipt`}" hidden></textarea>
<div hidden><button type="button" data-hand="copy">${say`copy the line`}</button><button type="button" data-hand="save">${say`save as CSV`}</button></div>
</div>`;

const FIRST = say`A receipt is of a run of your own: move a slider, and wait for its end. The picture that the page came with has none.`;
const WAITS = say`This run has not ended yet with all images; then its receipt stands here.`;
const NAME = say`Write your name: it becomes part of the receipt.`;
const READY = say`This is your receipt, one line. Hand it in as it is: with a letter changed it counts for nothing.`;

export class HandIn {
  #line = "";
  #ran = null; // {settings, frame} of the run that is shown
  #begun = false;

  /** beside: the fold next to which it stands; version: the engine's. */
  constructor(beside, version) {
    this.version = version;
    this.fold = Object.assign(document.createElement("details"), { className: "marginlab-handin", innerHTML: HTML });
    const row = Object.assign(document.createElement("div"), { className: "marginlab-folds" });
    beside.before(row);
    row.append(beside, this.fold);
    const $ = (query) => this.fold.querySelector(query);
    /** @type {Record<string, any>} */
    this.parts = { name: $("input"), said: $("p"), shown: $("textarea"), buttons: $("div > div") };
    this.parts.name.addEventListener("input", () => this.#show());
    this.parts.shown.addEventListener("focus", () => this.parts.shown.select());
    this.fold.addEventListener("click", ({ target }) => {
      const what = /** @type {HTMLElement} */ (target).dataset.hand;
      if (what === "copy") this.#copy();
      // The mark in front tells spreadsheets that it is UTF-8.
      if (what === "save") saveText("receipt.csv", `\ufeff${HEADER}\r\n${this.#line}\r\n`, "text/csv");
    });
    this.#show();
  }

  /** Another run has begun: there is none to hand in. */
  waits() {
    this.#ran = null;
    this.#begun = true;
    this.#show();
  }

  /** The run with these settings has ended with this frame. */
  ended(settings, frame) {
    this.#ran = { settings, frame };
    this.#show();
  }

  #show() {
    const { name, said, shown, buttons } = this.parts;
    const whose = tidy(name.value);
    this.#line = this.#ran && whose ? receipt(this.version, whose, this.#ran.settings, this.#ran.frame) : "";
    said.textContent = this.#line ? READY : this.#ran ? NAME : this.#begun ? WAITS : FIRST;
    shown.value = this.#line;
    shown.hidden = buttons.hidden = !this.#line;
  }

  async #copy() {
    const { said, shown } = this.parts;
    said.textContent = (await copied(this.#line, shown))
      ? say`Copied. Paste it where your course wants it.`
      : say`The line is marked: copy it by Ctrl+C, or ⌘C.`;
  }
}
