// Colours, and how everything that is no drawing looks.

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

// `plots.PALETTE`; and for dark pages colours of the same hues, found by the same search on a dark ground.
export const LIGHT = {
  dark: false,
  ink: "#2b2d33",
  soft: "#5f636d",
  faint: "#c9ccd3",
  paper: "#ffffff",
  lift: "#f4f5f7",
  lines: ["#1a74cf", "#a93023"],
  colours: [
    "#2f97fa",
    "#a93023",
    "#24365b",
    "#e8699b",
    "#6c26b5",
    "#969664",
    "#ac7801",
    "#6e6db3",
    "#1e735e",
    "#622022",
  ],
};
export const DARK = {
  dark: true,
  ink: "#eceef2",
  soft: "#a4a9b4",
  faint: "#444953",
  paper: "#15171b",
  lift: "#23262c",
  lines: ["#6db5ff", "#ff8f78"],
  colours: [
    "#4871a8",
    "#d35a25",
    "#d5e5f8",
    "#a98294",
    "#a939dc",
    "#6a734f",
    "#bfc523",
    "#8fafeb",
    "#21bd5e",
    "#f1b5af",
  ],
};

/** @param {typeof LIGHT} looks */
const variables = ({ ink, soft, faint, lift, lines: [blue, red] }) =>
  Object.entries({ ink, soft, faint, lift, blue, red })
    .map(([name, colour]) => `--${name}: ${colour};`)
    .join(" ");

// Slots have room for the longest of their texts: what is said must not move what is shown.
export const CSS = `
.mlx { ${variables(LIGHT)}
  container-type: inline-size; color: var(--ink); font: 14px/1.4 ${FONT}; max-width: 1050px; position: relative;
  padding: 2px 5px; /* for the rings of what has the focus: a cell cuts off what is outside */ }
.mlx.mlx-dark { ${variables(DARK)} }
.mlx * { box-sizing: border-box; }
.mlx p, .mlx h4, .mlx figure { margin: 0; padding: 0; }
/* All of it is to be on a screen at once. */
.mlx-grid { display: grid; grid-template: "main told" auto "main side" 1fr / minmax(0, 340fr) minmax(0, 324fr);
  gap: 4px 24px; align-items: start; }
.mlx-main { grid-area: main; }
.mlx-told { grid-area: told; }
.mlx-side { grid-area: side; }
.mlx-side figure:not(.mlx-on) { display: none; }
.mlx-all figure { display: block !important; }
.mlx-side { display: grid; gap: 6px; }
.mlx-now { font-size: 15px; line-height: 28px; height: 28px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.mlx-now b { font-size: 24px; color: var(--blue); margin-right: 2px; }
.mlx .mlx-red, .mlx-now b.mlx-red, .mlx-died b { color: var(--red); }
.mlx-grid { --told: 76px; } /* the least height of what is said of a head, or in its place of a digit */
.mlx-told { min-height: var(--told); line-height: 19px; }
.mlx-verdict { display: block; padding-left: 1.2em; text-indent: -1.2em; }
.mlx-verdict b { display: inline-block; width: 1.2em; text-indent: 0; color: var(--blue); }
.mlx h4 { font-size: 14px; font-weight: 650; line-height: 1.3; color: var(--ink); }
.mlx-key { color: var(--soft); font-size: 12.5px; line-height: 17.5px; min-height: 35px; }
.mlx-key.mlx-what { min-height: 52.5px; }
.mlx-key i { display: inline-block; width: 18px; height: 0; border-top: 2.5px solid; margin: 0 4px 3px 0; }
.mlx-key i.mlx-patch { width: 14px; height: 11px; border: 0; margin: 0 4px -1px 0; background: currentColor; opacity: 0.3; }
.mlx-key span { margin-right: 10px; }
.mlx-key .mlx-entry { display: inline-block; }  /* a line and its name stay together */
.mlx-key b { font-size: 15px; line-height: 1; }
.mlx canvas { display: block; width: 100%; touch-action: pan-y; }
.mlx-plane { aspect-ratio: 1; cursor: crosshair; border-radius: 8px; }
.mlx-chart { height: 176px; }
.mlx canvas:focus-visible, .mlx button:focus-visible, .mlx input:focus-visible {
  outline: 2px solid var(--blue); outline-offset: 2px; }
.mlx-bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin: 4px 0 !important; }
.mlx button { font: inherit; font-size: 13px; color: var(--ink); background: var(--lift); cursor: pointer;
  border: 1px solid var(--faint); border-radius: 6px; min-width: 34px; min-height: 32px; padding: 2px 9px;
  white-space: nowrap; }
.mlx button:hover { border-color: var(--soft); }
.mlx button[aria-pressed=true] { background: var(--blue); border-color: var(--blue); color: #fff; }
.mlx.mlx-dark button[aria-pressed=true] { color: #15171b; }
.mlx-time input[type=range] { flex: 1 1 60px; min-width: 60px; accent-color: var(--blue); margin: 0; height: 24px; }
.mlx:not(.mlx-fold) [data-do=more] { display: none; }
.mlx-point { display: flex; gap: 10px; min-height: 56px; align-items: center; font-size: 13px; line-height: 17.5px; }
.mlx-point > div { flex: 1; min-width: 0; }
.mlx-point canvas { flex: none; width: 56px; height: 56px; border-radius: 4px; image-rendering: pixelated; background: var(--lift); }
.mlx-logits { display: flex; align-items: flex-end; height: 36px; gap: 2px; font-size: 10px; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.mlx-logits:empty { display: none; }
.mlx-logits span { flex: 1; text-align: center; line-height: 1.15; white-space: nowrap; overflow: hidden; }
.mlx-logits i { display: block; background: var(--c); height: calc(var(--h) * 11px + 1px); }
.mlx-logits b { color: var(--ink); font-weight: 600; }
.mlx-pad { display: flex; gap: 12px; align-items: center; margin-top: 6px; }
.mlx-pad > div { flex: 1; }
.mlx-pad canvas { flex: none; width: min(196px, 55cqw); aspect-ratio: 1; touch-action: none; cursor: crosshair;
  background: #f4f5f7; border: 1px solid var(--faint); border-radius: 8px; }
.mlx-say { min-height: 1.4em; margin-top: 4px !important; }
/* What a run died of stands above, with its image: to be seen once is enough. */
.mlx:has(.mlx-died:not([hidden])) .mlx-say { height: 1.4em; overflow: hidden; clip-path: inset(100%); }
.mlx .mlx-notice { position: absolute; left: 4%; right: 4%; bottom: 4px; z-index: 1; box-shadow: 0 2px 14px #0004;
  border-left: 4px solid var(--red); background: var(--lift); padding: 8px 12px; border-radius: 4px; }
.mlx-stage { position: relative; }
.mlx .mlx-show { position: absolute; top: 2px; right: 2px; z-index: 1; }
.mlx-walk { border-left: 4px solid var(--blue); padding: 2px 0 2px 12px; margin-bottom: 6px; }
.mlx-walk:focus { outline: none; }
.mlx-walk:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
.mlx .mlx-walk p { margin-bottom: 6px; }
.mlx-steps button { min-width: 28px; min-height: 28px; padding: 0; border-radius: 50%; }
.mlx-steps button[aria-current] { background: var(--blue); border-color: var(--blue); color: #fff; }
.mlx.mlx-dark .mlx-steps button[aria-current] { color: #15171b; }
/* What is said of the walk stands where else the head is spoken of; a run that died goes on saying so. */
.mlx-walking .mlx-lesson { display: none; }
/* In one column: the plane, under it what it is seen with, and then the words. */
.mlx-walking.mlx-fold .mlx-main { display: flex; flex-direction: column; }
.mlx-walking.mlx-fold .mlx-main > * { order: 4; }
.mlx-walking.mlx-fold .mlx-main > .mlx-now { order: 0; scroll-margin-top: 64px; }
.mlx-walking.mlx-fold .mlx-main > .mlx-stage { order: 1; align-self: center; width: min(100%, 280px); }
.mlx-walking.mlx-fold[data-beside="point"] .mlx-main > .mlx-point,
.mlx-walking.mlx-fold[data-beside="near"] .mlx-main > .mlx-near,
.mlx-walking.mlx-fold[data-beside="time"] .mlx-main > .mlx-time { order: 2; }
.mlx-walking.mlx-fold .mlx-main > .mlx-walk { order: 3; }
.mlx-walking.mlx-fold .mlx-walk { scroll-margin-top: 64px; }
.mlx-walking .mlx-show, .mlx-walking .mlx-time [data-do=draw] { display: none; }
.mlx-looked { outline: 2px dashed var(--blue); outline-offset: 1px; border-radius: 8px; }
.mlx [hidden] { display: none !important; }
@container (min-width: 881px) { .mlx-grid { grid-template-columns: minmax(0, 440px) minmax(0, 1fr); } }
@container (max-width: 880px) {
  .mlx-grid { --told: 114px; }
  .mlx-key, .mlx-key.mlx-what { min-height: 52.5px; }
}
@container (max-width: 640px) {
  .mlx-grid { grid-template: "main" "told" "side" / minmax(0, 1fr); }
  .mlx-grid { --told: 76px; }
  .mlx-point { min-height: 72px; } /* two lines, and the bars */
  .mlx-key { min-height: 35px; }
  .mlx-chart { height: 164px; }
}
@container (max-width: 460px) {
  .mlx-now { font-size: 13.5px; }
  .mlx-now b { font-size: 22px; }
  .mlx-grid { --told: 114px; }
  .mlx-key { min-height: 52.5px; }
  .mlx-key.mlx-what { min-height: 87.5px; }
}
.mlx-fold:not(.mlx-open, .mlx-all) .mlx-rest { display: none; }
/* Of a digit that is pointed at it is said, folded or not: in the place of the words on the head. */
.mlx-fold.mlx-pointed:not(.mlx-open, .mlx-all, .mlx-walking) .mlx-point { display: flex; min-height: var(--told); }
.mlx-fold.mlx-pointed:not(.mlx-open, .mlx-all, .mlx-walking) .mlx-lesson { display: none; }
.mlx-fold.mlx-pointed:not(.mlx-open, .mlx-all, .mlx-walking) .mlx-told { min-height: 0; }
/* In short form and folded, where there is room: the plane, and beside it all that may be done. */
@container (min-width: 561px) {
  .mlx-short.mlx-fold:not(.mlx-open, .mlx-all) .mlx-grid {
    grid-template: "now now" auto "stage told" auto "stage point" auto "stage near" auto "stage time" 1fr / minmax(0, 340px) minmax(0, 1fr); }
  .mlx-short.mlx-fold:not(.mlx-open, .mlx-all) .mlx-main { display: contents; }
  .mlx-short .mlx-now { grid-area: now; }
  .mlx-short .mlx-stage { grid-area: stage; }
  .mlx-short .mlx-near { grid-area: near; }
  .mlx-short .mlx-time { grid-area: time; }
  .mlx-short.mlx-fold.mlx-pointed:not(.mlx-open, .mlx-all) .mlx-point { grid-area: point; }
}
@media print { .mlx-looked { outline: none; } .mlx [data-do] { display: none; } }
@media (pointer: coarse) {
  .mlx button { min-height: 42px; min-width: 42px; }
  .mlx-steps { gap: 2px; }
  .mlx .mlx-steps button { min-width: 38px; min-height: 38px; }
  .mlx-time input[type=range] { height: 36px; }
}
`;

/** Whether the page is dark: by the book's switch, by JupyterLab's theme, else by the system's wish. */
export function isDark() {
  const book = document.documentElement.dataset.theme;
  const lab = document.body.dataset.jpThemeLight;
  if (book === "dark" || book === "light") return book === "dark";
  if (lab) return lab === "false";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Calls changed() whenever that may have become another. Returns how to end it. */
export function watchLooks(changed) {
  const dressed = new MutationObserver(changed);
  dressed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  dressed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const wished = matchMedia("(prefers-color-scheme: dark)");
  wished.addEventListener("change", changed);
  return () => {
    dressed.disconnect();
    wished.removeEventListener("change", changed);
  };
}

/** Calls changed(true) before the page is printed, and changed(false) after. Returns how to end it. */
export function whenPrinted(changed) {
  const [before, after] = [() => changed(true), () => changed(false)];
  addEventListener("beforeprint", before);
  addEventListener("afterprint", after);
  return () => {
    removeEventListener("beforeprint", before);
    removeEventListener("afterprint", after);
  };
}
