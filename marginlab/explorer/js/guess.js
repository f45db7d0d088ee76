// "Where will it end?": a tick on the accuracy, set beforehand; when a run has ended, the gap in words.

import { say } from "./say.js";

const said = (share) => `${(100 * share).toFixed(1)} %`;

/** How far a guess is from the accuracy, in words; "" without a guess. */
export function told(guess, accuracy) {
  if (guess === null) return "";
  if (said(guess) === said(accuracy)) return say` You said ${said(guess)}, and so it is.`;
  const points = Math.abs(100 * (guess - accuracy)).toFixed(1);
  return guess < accuracy
    ? say` You said ${said(guess)}: ${points} points too low.`
    : say` You said ${said(guess)}: ${points} points too high.`;
}

const UNSAID = say`nothing said yet`;
const ASKS = say`right at its end?`;

/** A slider for it, and what makes it ask anew; changed(share) hears of it, null where nothing is said. */
export function makeGuess(changed) {
  const row = document.createElement("fieldset");
  row.className = "mlp mlp-guess";
  row.setAttribute("aria-label", say`Where will it end?`);
  row.innerHTML = `<label><span class="mlp-name">${say`my guess`}</span>
    <input type="range" name="guess" min="0" max="100" step="0.5" value="50" aria-valuetext="${UNSAID}">
    <output>${ASKS}</output></label>`;
  const [input, output] = [row.querySelector("input"), row.querySelector("output")];
  const share = () => Number(input?.value) / 100;
  const show = (words, shown) => {
    input?.setAttribute("aria-valuetext", words);
    if (output) output.textContent = shown;
  };
  input?.addEventListener("input", () => {
    show(said(share()), said(share()));
    changed(share());
  });
  const forget = () => {
    if (input) input.value = input.defaultValue;
    show(UNSAID, ASKS);
    changed(null);
  };
  return { row, forget };
}
