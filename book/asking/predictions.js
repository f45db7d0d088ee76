// Predictions: the output of a cell is covered until the reader has said what it will be, or asks to see it.

import { curveGap, numberGap, pointGap } from "./axes.js";
import { choices, make, rightOf } from "./dom.js";
import { GUESSES } from "./guesses.js";
import { get, set } from "./kept.js";
import { say } from "../../marginlab/explorer/js/say.js";

const isNumber = (v) => typeof v === "number" && Number.isFinite(v);
const areNumbers = (all, many) => Array.isArray(all) && all.length === many && all.every(isNumber);

/** Whether what was kept is a guess of this kind; null is that of whoever asked to see. */
function fits(guess, { kind, value }, many) {
  if (guess === null) return true;
  if (kind === "choice") return Number.isInteger(guess) && guess >= 0 && guess < many;
  if (kind === "number") return isNumber(guess);
  return areNumbers(guess, kind === "point" ? 2 : value.length);
}

/** What a guess and the right answer come to, in words. */
function told({ kind, value, x, y, words }, guess, field) {
  if (kind === "choice") {
    if (guess === null) return "";
    return guess === rightOf(field) ? say`You said it.` : say`It is otherwise than you said.`;
  }
  if (kind === "number") return numberGap(x, guess, value, words);
  return kind === "point" ? pointGap({ x, y }, guess, value) : curveGap({ x, y }, guess, value, words);
}

/** @param {HTMLFieldSetElement} field */
function prepare(field) {
  const id = field.id.replace("prediction-", "");
  const data = JSON.parse(field.dataset.prediction ?? "");
  const covered = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(`.marginlab-of-${CSS.escape(id)}`)]);
  const commit = make("button", { type: "button", textContent: say`That is my guess`, disabled: true });
  const show = make("button", { type: "button", textContent: say`Just show me` });
  const gap = make("p", { className: "marginlab-gap", tabIndex: -1 });
  gap.setAttribute("role", "status");
  let guess = null;
  const may = () => (commit.disabled = false);

  const made = data.kind === "choice" ? null : GUESSES[data.kind](data, may);
  const inputs = made
    ? []
    : choices(field, (k) => {
        guess = k;
        may();
      });
  const because = /** @type {HTMLElement} */ (field.querySelector(".marginlab-because"));
  const controls = make(
    "div",
    { className: "marginlab-controls" },
    ...(made?.rows ?? []),
    make("p", {}, commit, " ", show),
  );
  because.before(...(made ? [made.board.svg] : []), controls, gap);
  field.classList.add("marginlab-waiting");
  for (const output of covered) {
    output.classList.add("marginlab-covered");
    output.inert = true;
  }

  function reveal(said) {
    field.classList.remove("marginlab-waiting");
    for (const output of covered) {
      output.classList.remove("marginlab-covered");
      output.inert = false;
    }
    controls.remove();
    made?.draw(said, data.value);
    if (made) made.board.svg.classList.add("marginlab-said");
    for (const [k, input] of inputs.entries()) {
      input.disabled = true;
      input.checked = k === said;
    }
    gap.textContent = said === null && made ? "" : told(data, said, field);
  }

  function done(said) {
    set("predictions", id, { said, mark: field.dataset.mark });
    reveal(said);
    gap.focus({ preventScroll: true });
  }
  commit.addEventListener("click", () => done(made ? made.guess() : guess));
  show.addEventListener("click", () => done(null));
  const kept = get("predictions", id);
  if (kept && fits(kept.said, data, inputs.length)) reveal(kept.said);
}

export function predictions() {
  for (const field of document.querySelectorAll("fieldset.marginlab-prediction")) {
    prepare(/** @type {HTMLFieldSetElement} */ (field));
  }
}
