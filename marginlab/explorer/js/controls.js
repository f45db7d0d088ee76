// The sliders of a page: of a head its own, the seed, and the ways to break it.

import { say, translated } from "./say.js";
import { breakable, slidersOf } from "./settings.js";
import { FAMILY, FORMS, GRAMMAR } from "./tables.js";

export const STYLE = `
.marginlab-explorer { container-type: inline-size; }
.mlp { display: grid; min-width: 0; border: 0; margin: 0; padding: 0;
  font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
/* One line each: name, slider, value; and of all of them in line. */
.mlp label { display: grid; grid-template-columns: 5.2em minmax(0, 1fr) 9.2em; gap: 0 8px; align-items: center;
  min-height: 33px; margin: 0; }
.mlp .mlp-name { font-weight: 650; white-space: nowrap; }
.mlp input, .mlp select { width: 100%; min-width: 0; margin: 0; font: inherit; }
.mlp input { accent-color: #1a74cf; height: 20px; }
.mlp select { grid-column: 2 / 4; height: 28px; color: inherit; background: transparent; padding: 0 6px;
  border: 1px solid #8b909a; border-radius: 6px; }
.mlp-formula, .mlp-letters { display: grid; }
.mlp-formula label { grid-template-columns: 5.2em minmax(0, 1fr); }
.mlp [name=psi] { height: 30px; color: inherit; background: transparent; padding: 0 8px; border: 1px solid #8b909a;
  border-radius: 6px; font: 14px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.mlp [name=psi][aria-invalid=true] { border-color: #a93023; }
html[data-theme="dark"] .mlp [name=psi][aria-invalid=true] { border-color: #ff8f78; }
.mlp-wrong { margin: 0 !important; padding-left: calc(4.6em + 8px); font-size: 13px; line-height: 18px;
  color: #a93023; overflow-wrap: anywhere; }
html[data-theme="dark"] .mlp-wrong { color: #ff8f78; }
.mlp .mlp-lit { outline: 2px dashed #1a74cf; outline-offset: 2px; border-radius: 4px; }
html[data-theme="dark"] .mlp .mlp-lit { outline-color: #6db5ff; }
.mlp select option { color: #2b2d33; background: #ffffff; }
.mlp output { font-size: 13px; white-space: nowrap; opacity: 0.85; font-variant-numeric: tabular-nums; }
.mlp :is(input, select):focus-visible { outline: 2px solid #1a74cf; outline-offset: 2px; }
html[data-theme="dark"] .mlp input { accent-color: #6db5ff; }
html[data-theme="dark"] .mlp :is(input, select):focus-visible { outline-color: #6db5ff; }
.mlp-status { margin: 0 !important; font-size: 14px; line-height: 20px; min-height: 20px; }
.marginlab-numbers { margin-top: 4px; }
@media (pointer: coarse) { .mlp label { min-height: 44px; } .mlp select { height: 38px; } }
@media print { .mlp { display: none; } }
`;

const STARTS = [
  ["anew", say`starts anew`],
  ["on", say`goes on from here`],
];

/** What an explorer in short form is asked by its buttons, as links ask. */
export const PRESETS = [
  [say`none`, "head=arcface&margin=0"],
  ["0.3", "head=arcface&margin=0.3"],
  [say`too much`, "head=arcface&margin=0.8"],
  [say`break it`, "head=arcface&margin=0.3&naive=acos"],
];

const option = ([value, text]) => `<option value="${value}">${text}</option>`;
const row = (text, inner) => `<label><span class="mlp-name">${translated(text)}</span>${inner}</label>`;
const choice = (name, label, texts) => row(label, `<select name="${name}">${texts.map(option).join("")}</select>`);
const slider = ({ name, min, max, step }) =>
  row(name, `<input type="range" name="${name}" min="${min}" max="${max}" step="${step}"><output></output>`);

/** The reader's formula, and what is wrong with it. */
const FORMULA = `<div class="mlp-formula">${row(
  "ψ(θ) =",
  '<input type="text" name="psi" autocomplete="off" autocapitalize="off" spellcheck="false" enterkeyhint="go">',
)}<p class="mlp-wrong" role="status"></p></div><div class="mlp-letters"></div>`;

/** The sliders that stand right under the plane: of the head's margins; where it has none, the first that it has. */
export function nearOf(settings) {
  const sliders = slidersOf(settings);
  if (settings.head === "own") return sliders.filter(({ name }) => GRAMMAR.letters.includes(name));
  const margins = sliders.filter(({ place }) => place != null);
  return margins.length ? margins : sliders.slice(0, 1);
}

/**
 * Puts the controls of these settings into two fieldsets, with their values: what is moved most into the one that is near
 * the plane. What has the focus keeps it. on: as in page.js.
 */
export function showControls({ near, far }, settings, on) {
  const held = document.activeElement?.getAttribute("name");
  const titles = (table) => Object.entries(table).map(([name, { title }]) => [name, translated(title)]);
  const close = nearOf(settings);
  // A formula that is being written stays where it is: only what is under it changes.
  const own = settings.head === "own";
  if (own && !near.querySelector(".mlp-letters")) near.innerHTML = FORMULA;
  (own ? near.querySelector(".mlp-letters") : near).innerHTML = close.map(slider).join("");
  if (own) showWrong(near, "");
  far.innerHTML = [
    choice("head", say`head`, titles(FAMILY)),
    ...slidersOf(settings)
      .filter((it) => !close.includes(it))
      .map(slider),
    choice("naive", say`break it`, [["", say`no`], ...titles(FORMS)]),
    choice("start", say`a change`, STARTS),
  ].join("");
  for (const control of [near, far].flatMap((it) => [...it.querySelectorAll("input, select")])) {
    const value = control.name === "start" ? (on ? "on" : "anew") : (settings[control.name] ?? "");
    if (control.value !== value) control.value = value; // else the caret of a text would go to its end
    if (control.name === "naive") control.disabled = !breakable(settings.head);
    if (control.name === held) control.focus();
    readOut(control, settings);
  }
}

let names = 0;

/** Says under a formula what is wrong with it; "" for nothing. */
export function showWrong(near, text) {
  const [said, input] = [near.querySelector(".mlp-wrong"), near.querySelector("[name=psi]")];
  said.id ||= `mlp-wrong-${names++}`;
  said.textContent = text && say`This is no formula yet: ${text}.`;
  input.setAttribute("aria-describedby", said.id);
  input.setAttribute("aria-invalid", String(Boolean(text)));
}

/** The buttons of an explorer in short form; pressed(query) hears of them. */
export function makePresets(pressed) {
  const row = Object.assign(document.createElement("div"), { className: "mlp-presets mlx-bar" });
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", say`margin`);
  for (const [name, query] of PRESETS) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    button.addEventListener("click", () => pressed(query));
    row.append(button);
  }
  return row;
}

/** Writes a slider's value beside it, with its unit. */
export function readOut(control, settings) {
  if (control.type !== "range") return;
  const { step, unit } = slidersOf(settings).find((it) => it.name === control.name);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const text = `${Number(control.value).toFixed(digits)} ${translated(unit)}`;
  control.nextElementSibling.textContent = text;
  control.setAttribute("aria-valuetext", text);
}
