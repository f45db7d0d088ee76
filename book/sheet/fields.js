// A sheet's page: folds its hints, and tells whether the number or word in a field is right. What is right is not
// in the page: only on which step of a ladder it lies, as a salted SHA-256 (book/_ext/sheet_page.py).

import { sha256, utf8 } from "../../marginlab/explorer/js/digest.js";
import { set } from "../asking/kept.js";

const ZERO = 1e-9; // what is nearer to 0 is 0

/** The step that an answer lies on, or "" where it is none. @param {HTMLElement} field @param {string} text */
function step(field, text) {
  const { kind, step: height, shift } = field.dataset;
  if (kind === "word") return text.replace(/^["'\s]+|["'\s]+$/g, "").toLowerCase();
  const plain = text.trim().replace("−", "-");
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) ? Number(plain) : Number.NaN;
  if (!Number.isFinite(value)) return "";
  if (Math.abs(value) <= ZERO) return "0";
  return `${value < 0 ? "-" : "+"}${Math.floor(Math.log(Math.abs(value)) / Number(height) + Number(shift))}`;
}

/** What there is to say of an answer. @param {HTMLElement} field @param {string} text */
function verdict(field, text) {
  const at = step(field, text);
  if (!at && field.dataset.kind === "word") return ["", "Write one of the two words."];
  if (!at)
    return [
      "",
      "That is no number. Write one such as 0.25, -3 or 1e-4, with a point; expressions are for the notebook.",
    ];
  if (sha256(utf8(`${field.dataset.salt}:${at}`)) === field.dataset.mark) return ["true", "Right."];
  return ["false", "Not right yet. Work it out once more, or run the cell after it in the notebook."];
}

/** A line to fill in becomes a field with a button. @param {HTMLElement} field */
function live(field) {
  const label = /** @type {HTMLLabelElement} */ (field.querySelector("label"));
  const input = Object.assign(document.createElement("input"), {
    id: `field-${field.dataset.salt}`,
    type: "text",
    autocomplete: "off",
    spellcheck: false,
  });
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Check" });
  const said = document.createElement("output");
  label.htmlFor = said.htmlFor.value = input.id;
  button.setAttribute("aria-label", `Check ${label.textContent?.replace("=", "").trim()}`);
  const check = () => {
    const [right, words] = verdict(field, input.value);
    field.dataset.right = right;
    said.textContent = words;
  };
  button.addEventListener("click", check);
  input.addEventListener("keydown", (event) => event.key === "Enter" && check());
  input.addEventListener("input", () => {
    said.textContent = "";
    delete field.dataset.right;
  });
  field.querySelector(".marginlab-blank")?.replaceWith(input);
  field.append(button, said);
}

/** Makes all of the page's fields live, and folds its hints. */
export function start() {
  for (const it of document.querySelectorAll(".marginlab-field")) live(/** @type {HTMLElement} */ (it));

  const folds = /** @type {HTMLDetailsElement[]} */ ([...document.querySelectorAll(".marginlab-fold")]);
  const open = () => folds.filter((it) => it.open);
  const fold = (/** @type {HTMLDetailsElement[]} */ those) => {
    for (const it of folds) it.open = those.includes(it);
  };
  let before = open().filter(() => false);
  fold(before);
  for (const it of folds) {
    const { hint } = it.dataset;
    // A click or a key opens; what a search of the page or the printer opens was not asked for.
    if (hint) it.querySelector("summary")?.addEventListener("click", () => it.open || set("hints", hint, true));
  }
  // On paper everything is shown.
  addEventListener("beforeprint", () => {
    before = open();
    fold(folds);
  });
  addEventListener("afterprint", () => fold(before));
}
