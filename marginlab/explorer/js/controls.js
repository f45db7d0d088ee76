// The sliders of a page: of a head its own, the seed, and the ways to break it.

import { SEED, slidersOf } from "./settings.js";
import { FAMILY, FORMS } from "./tables.js";

export const STYLE = `
.marginlab-explorer { container-type: inline-size; }
.mlp { display: grid; gap: 4px 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr));
  max-width: 1050px; min-width: 0; border: 0; margin: 0 0 7px;
  padding: 5px; /* for the rings of what has the focus: a cell cuts off what is outside */
  font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.mlp label { display: grid; grid-template-columns: 5.4em minmax(0, 1fr); gap: 0 10px; align-items: center;
  min-height: 44px; }
.mlp .mlp-name { font-weight: 650; }
.mlp input, .mlp select { width: 100%; min-width: 0; margin: 0; font: inherit; }
.mlp input { accent-color: #1a74cf; height: 20px; margin: 4px 0; }
.mlp select { height: 34px; color: inherit; background: transparent; padding: 0 6px;
  border: 1px solid #8b909a; border-radius: 6px; }
.mlp select option { color: #2b2d33; background: #ffffff; }
.mlp output { grid-column: 2; font-size: 13px; opacity: 0.85; font-variant-numeric: tabular-nums; }
.mlp :is(input, select):focus-visible { outline: 2px solid #1a74cf; outline-offset: 2px; }
html[data-theme="dark"] .mlp input { accent-color: #6db5ff; }
html[data-theme="dark"] .mlp :is(input, select):focus-visible { outline-color: #6db5ff; }
.mlp-status { margin: 0; padding: 0 5px; max-width: 1050px; font-size: 14px; line-height: 20px; min-height: 20px; }
.marginlab-numbers { margin-top: 10px; }
@media print { .mlp { display: none; } }
`;

const STARTS = [
  ["anew", "starts anew"],
  ["on", "goes on from here"],
];

const option = ([value, text]) => `<option value="${value}">${text}</option>`;
const row = (text, inner) => `<label><span class="mlp-name">${text}</span>${inner}</label>`;
const choice = (name, label, texts) => row(label, `<select name="${name}">${texts.map(option).join("")}</select>`);
const slider = ({ name, min, max, step }) =>
  row(name, `<input type="range" name="${name}" min="${min}" max="${max}" step="${step}"><output></output>`);

/** Puts the controls of these settings into a fieldset, with their values; what has the focus keeps it. on: as in page.js. */
export function showControls(fieldset, settings, on) {
  const held = document.activeElement?.getAttribute("name");
  const titles = (table) => Object.entries(table).map(([name, { title }]) => [name, title]);
  fieldset.innerHTML = [
    choice("head", "head", titles(FAMILY)),
    ...FAMILY[settings.head].sliders.map(slider),
    slider(SEED),
    choice("naive", "break it", [["", "no"], ...titles(FORMS)]),
    choice("start", "a move", STARTS),
  ].join("");
  for (const control of fieldset.querySelectorAll("input, select")) {
    control.value = control.name === "start" ? (on ? "on" : "anew") : (settings[control.name] ?? "");
    readOut(control, settings.head);
  }
  fieldset.elements.naive.disabled = settings.head === "softmax"; // it has no angle to break
  fieldset.elements[held]?.focus();
}

/** Writes a slider's value beside it, with its unit. */
export function readOut(control, head) {
  if (control.type !== "range") return;
  const { step, unit } = slidersOf(head).find((it) => it.name === control.name);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const text = `${Number(control.value).toFixed(digits)} ${unit}`;
  control.nextElementSibling.textContent = text;
  control.setAttribute("aria-valuetext", text);
}
