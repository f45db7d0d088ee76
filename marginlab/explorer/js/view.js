// The explorer's picture: draws Frames, in a notebook and in a built page alike. It trains nothing.
//
//   const view = createView(root, {labels, images})
//   view.reset(settings); view.push(frame); …; view.done("97.1% of the test images right …"); view.landed([x, y])
//
// settings, frame: as in frame.js.

import { copied } from "./clipboard.js";
import { code } from "./code.js";
import { angles, between, blend, fates, finite } from "./frame.js";
import { CSS, DARK, isDark, LIGHT, watchLooks, whenPrinted } from "./looks.js";
import { OwnDigit } from "./own.js";
import { Painter } from "./painter.js";
import { pointAt } from "./pointer.js";
import { asPng, asSvg, planeAsPng } from "./poster.js";
import { save, saveText } from "./save.js";
import { say } from "./say.js";
import { Timeline } from "./timeline.js";
import { seenIn, WALK, Walk } from "./walk.js";
import { number, percent, planeInWords, TABS, TITLES } from "./words.js";

const NARROW = 640; // px: there the rest is folded away

// What has the class mlx-rest is folded away, behind "more", where there is little room.
const HTML = `
<div class="mlx-grid">
  <div class="mlx-main">
    <p class="mlx-now"></p>
    <div class="mlx-stage">
      <canvas class="mlx-plane" tabindex="0"></canvas>
      <button data-do="walk" class="mlx-show">${say`show me`}</button>
      <p class="mlx-notice" role="status" hidden></p>
    </div>
    <div class="mlx-near"></div>
    <div class="mlx-bar mlx-time">
      <button data-do="play" aria-label="${say`play`}">▶</button>
      <button data-do="back" aria-label="${say`one frame back`}">‹</button>
      <button data-do="on" aria-label="${say`one frame on`}">›</button>
      <input type="range" min="0" max="0" step="any" value="0" aria-label="${say`moment of the training`}">
      <button data-do="more" aria-expanded="false">${say`more`}</button>
      <button data-do="draw" class="mlx-rest">${say`draw a digit`}</button>
    </div>
    <div class="mlx-pad" hidden>
      <canvas role="img" aria-label="${say`Pad: draw a digit here, with mouse or finger`}"></canvas>
      <div><p class="mlx-own" aria-live="polite"></p>
        <div class="mlx-bar"><button data-do="clear">${say`clear`}</button><button data-do="draw">${say`close`}</button></div></div>
    </div>
    <p class="mlx-key mlx-what mlx-rest"></p>
    <div class="mlx-point mlx-rest">
      <canvas width="14" height="14" aria-hidden="true"></canvas>
      <div><p class="mlx-which" aria-live="polite"></p><div class="mlx-logits" aria-hidden="true"></div></div>
    </div>
  </div>
  <div class="mlx-told">${WALK}<p class="mlx-lesson"></p><div class="mlx-died" role="alert" hidden></div></div>
  <div class="mlx-side mlx-rest">
    <div class="mlx-far"></div>
    <div class="mlx-bar mlx-tabs">${TABS.map((tab) => `<button data-do="tab" data-tab="${tab}">${tab}</button>`).join("")}</div>
    ${TITLES.map((title, k) => `<figure data-tab="${TABS[k]}"><h4>${title}</h4><canvas class="mlx-chart"></canvas><p class="mlx-key"></p></figure>`).join("\n")}
    <div class="mlx-bar">
      <button data-do="circle" aria-pressed="false">${say`on the circle`}</button>
      <button data-do="code">${say`copy as code`}</button>
      <button data-do="png">${say`save PNG`}</button>
      <button data-do="svg">${say`save SVG`}</button>
    </div>
  </div>
</div>
<p class="mlx-say" aria-live="polite"></p>`;

/** Puts the HTML into root. Returns its elements by name, and how to take it away. */
function build(root) {
  const style = document.createElement("style");
  style.textContent = CSS;
  const box = document.createElement("div");
  box.className = "mlx";
  box.innerHTML = HTML;
  root.append(style, box);
  const $ = (query) => box.querySelector(query);
  const names = {
    now: "now",
    lesson: "lesson",
    died: "died",
    plane: "plane",
    notice: "notice",
    what: "what",
    which: "which",
    near: "near",
    far: "far",
  };
  const found = Object.entries({ ...names, bars: "logits", pad: "pad", said: "own", say: "say" }).map(([name, its]) => [
    name,
    $(`.mlx-${its}`),
  ]);
  const charts = [...box.querySelectorAll(".mlx-chart")];
  const keys = [...box.querySelectorAll("figure .mlx-key")];
  const rest = { charts, keys, image: $(".mlx-point canvas"), scrub: $("input"), play: $("[data-do=play]") };
  const remove = () => [style, box].forEach((it) => it.remove());
  return { box, $, ...Object.fromEntries(found), ...rest, remove };
}

/** What is drawn at the moment of a timeline: its frame, or the last one before it that is not NaN. */
function sceneOf({ settings, labels, focus, circle, guess, look }, timeline, own) {
  const { frames, following, last, now } = timeline;
  const position = Math.min(timeline.position, last);
  const i = Math.floor(position);
  let frame = frames[i];
  if (i < last && position > i && finite(frames[i + 1])) frame = between(frame, frames[i + 1], position - i);
  let shown = frame;
  for (let k = i; k >= 0 && !finite(shown); k--) shown = frames[k];
  const thetas = angles(shown, labels);
  const share = blend({ ...shown, step: frame.step }, settings);
  const here = own?.place && (following || Math.round(position) === last) ? own.place : null;
  return {
    settings,
    labels,
    focus,
    circle,
    guess,
    look,
    frames,
    position,
    thetas,
    share,
    frame: shown,
    fates: settings.naive ? fates(shown, labels, thetas, settings, share) : null,
    died: now.died,
    dim: Boolean(now.died) || !finite(now),
    own: here,
    answer: here && own.read(shown, settings),
    ...(isDark() ? DARK : LIGHT),
  };
}

/** Of the charts the one that was chosen; where none was, what it is about: a broken run's pull, the reader's own ψ. */
function showTab(box, { tab, settings }) {
  const shown = tab ?? TABS[settings.naive ? 2 : settings.head === "own" ? 1 : 0];
  for (const each of box.querySelectorAll("[data-tab]")) each.classList.toggle("mlx-on", each.dataset.tab === shown);
  for (const button of box.querySelectorAll("button[data-tab]"))
    button.setAttribute("aria-pressed", button.dataset.tab === shown);
}

/** Brings out what is folded away, or folds it. */
function unfold({ box, $ }, open) {
  const button = $("[data-do=more]");
  box.classList.toggle("mlx-open", open);
  button.textContent = open ? say`less` : say`more`;
  button.setAttribute("aria-expanded", open);
}

/** Folds the rest away where there is little room, and hears of other sizes. Returns what ends it. */
function whenSized({ box, plane }, short, need) {
  const fold = () => box.classList.toggle("mlx-fold", short || box.clientWidth <= NARROW);
  const sized = new ResizeObserver(() => {
    fold();
    need();
  });
  for (const each of [box, plane]) sized.observe(each);
  fold();
  return () => sized.disconnect();
}

/** The walk through a view's picture. */
function walkOf(parts, state, timeline, scene) {
  return new Walk(parts, {
    mark: (part) => markPart(parts, state, timeline, part),
    seek: (to) => timeline.seek(to),
    see: () => timeline.frames.length && seenIn(scene(), timeline, state.tab),
    unfold() {
      const open = parts.box.classList.contains("mlx-open");
      unfold(parts, true);
      return () => unfold(parts, open);
    },
  });
}

/** What the buttons do, by name. */
function actionsOf(parts, state, timeline, own, scene, walk) {
  const { $, box, pad, now, say: told } = parts;
  const name = (kind) => `${state.settings.head}-step-${timeline.now.step}.${kind}`;
  return {
    play: () => timeline.toggle(),
    back: () => timeline.back(),
    on: () => timeline.on(),
    circle(button) {
      state.circle = !state.circle;
      button.setAttribute("aria-pressed", state.circle);
      timeline.need();
    },
    more() {
      unfold(parts, !box.classList.contains("mlx-open"));
      timeline.need();
    },
    tab({ dataset }) {
      state.tab = dataset.tab;
      showTab(box, state);
      timeline.need();
    },
    draw() {
      pad.hidden = !pad.hidden;
      const opener = $("[data-do=draw]");
      opener.hidden = !pad.hidden;
      if (!pad.hidden) return $("[data-do=clear]").focus();
      own.wipe();
      opener.focus();
    },
    clear: () => own.wipe(),
    walk: () => walk.start(),
    before: () => walk.before(),
    after: () => walk.after(),
    leave: () => walk.leave(),
    async code(button) {
      const text = code(state.settings.stages ?? [state.settings]);
      if (await copied(text)) {
        const label = button.textContent;
        button.textContent = say`copied`;
        setTimeout(() => (button.textContent = label), 1200);
      } else {
        told.innerHTML = "<pre></pre>"; // to be copied by hand
        told.firstChild.textContent = text;
      }
    },
    png: () => save(name("png"), asPng(scene(), now.textContent)),
    svg: () => saveText(name("svg"), asSvg(scene(), now.textContent), "image/svg+xml"),
  };
}

/**
 * Draws into root, and owns time, focus and what is shown there; sliders and training are another's.
 *
 * labels: Uint8Array(n); images: Uint8Array(196 n), 14×14 of 0 to 15, or null. group: views with the same
 * name keep the same time. embed: is given the digit that was drawn, Uint8Array(784) of 0 to 255, time and again as it
 * or the network changes; the answer comes as view.landed([x, y]). Where there is none, there is no pad. short: whether the
 * rest is folded away however much room there is. Sliders may be put into view.near, right under the plane, and view.far.
 */
export function createView(root, { labels, images = null, group = null, embed = null, short = false }) {
  const parts = build(root);
  const state = {
    labels,
    images,
    settings: {},
    guess: null,
    look: "",
    focus: null,
    circle: false,
    tab: null,
    places: new Float32Array(0),
    stale: true,
  };
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const painter = new Painter(parts, images);
  const scene = () => sceneOf(state, timeline, own);
  const draw = () => {
    if (timeline.frames.length && parts.plane.clientWidth) state.places = painter.paint(scene(), timeline, own);
    walk.look();
  };
  const onPlay = (playing) => {
    parts.play.textContent = playing ? "❚❚" : "▶";
    parts.play.setAttribute("aria-label", playing ? say`pause` : say`play`);
  };
  const timeline = new Timeline({ draw, onPlay, calm, group });
  const need = () => timeline.need();
  const own = new OwnDigit(parts.$(".mlx-pad canvas"), (image) => embed?.(image), need);
  const walk = walkOf(parts, state, timeline, scene);
  const actions = actionsOf(parts, state, timeline, own, scene, walk);

  parts.box.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) actions[button.dataset.do](button);
  });
  parts.scrub.addEventListener("input", () => timeline.seek(Number(parts.scrub.value)));
  parts.$("[data-do=draw]").hidden = !embed;
  pointAt(parts.plane, labels, state, (i) => {
    if (i !== state.focus) need();
    state.focus = i;
    parts.box.classList.toggle("mlx-pointed", i !== null);
  });
  const unsize = whenSized(parts, short, need);
  showTab(parts.box, state);
  const unwatch = watchLooks(need);
  const unprint = whenPrinted((printed) => {
    parts.box.classList.toggle("mlx-all", printed);
    if (printed && timeline.frames.length) painter.whole(scene());
  });
  parts.box.classList.toggle("mlx-short", short);
  painter.dress();
  return handle(parts, state, timeline, own, walk, () => {
    walk.leave();
    for (const end of [unsize, unwatch, unprint]) end();
    timeline.end();
    painter.end();
    parts.remove();
  });
}

/** Marks a part that is to be looked at: "stage", "now" or a chart by its word; "" for none. */
function markPart(parts, state, timeline, part) {
  const chart = TABS.includes(part);
  if (chart) state.tab = part;
  showTab(parts.box, state);
  for (const each of parts.box.querySelectorAll(".mlx-looked")) each.classList.remove("mlx-looked");
  if (part) parts.$(chart ? `figure[data-tab="${part}"]` : `.mlx-${part}`).classList.add("mlx-looked");
  timeline.need();
}

/** Of the run that is shown now the picture of the k-th of n moments, the last of which is its last: {address, words, caption}. */
function albumOf(state, { frames }) {
  const [kept, last] = [{ ...state }, frames.length - 1];
  return (k, n) => {
    const position = k === n - 1 ? last : (k / (n - 1)) * Math.max(last - 1, 0);
    const now = frames[Math.round(position)];
    const shown = sceneOf(kept, { frames, last, now, position, following: false }, null);
    const said = Number.isFinite(now.loss) ? say`loss ${number(now.loss)}, ${percent(now.accuracy)} right` : "NaN";
    // Of a short run two moments may lie between the same two frames.
    const [from, to] = [frames[Math.floor(position)], frames[Math.ceil(position)]];
    const caption = from === to ? say`Step ${now.step}: ${said}.` : say`Between steps ${from.step} and ${to.step}.`;
    return { address: planeAsPng(shown), words: planeInWords(shown, now), caption };
  };
}

/** How a run comes in: its settings, its frames, its end. */
function runOf(parts, state, timeline, own) {
  return {
    /** A new run begins; the last picture stays until its first frame. */
    reset(settings) {
      Object.assign(state, { settings, stale: true });
      Object.assign(timeline, { following: true, ended: false });
      timeline.pause();
      parts.say.textContent = "";
      showTab(parts.box, state);
    },
    push(frame) {
      if (state.stale) {
        timeline.clear();
        own.place = null;
      }
      state.stale = false;
      timeline.push(frame);
      own.again();
    },
    /** Other settings are drawn with the frames that are there: a formula, before it is trained. */
    preview(settings) {
      state.settings = { ...settings, stages: [settings] };
      showTab(parts.box, state);
      timeline.need();
    },
    done(text) {
      timeline.ended = !state.stale;
      parts.say.textContent = text;
    },
  };
}

/** What others may do with a view. */
function handle(parts, state, timeline, own, walk, destroy) {
  return {
    ...runOf(parts, state, timeline, own),
    /** Where the digit that was drawn lies, by the newest weights. */
    landed(embedding) {
      own.landed(embedding);
      timeline.need();
    },
    /** Marks a part, where no walk does; look: of what is in it what is to stand out, by a word of hints.js. */
    mark(part, look = "") {
      state.look = look;
      if (walk.on) timeline.need();
      else markPart(parts, state, timeline, part);
    },
    /** A tick on the accuracy: where somebody thinks that the run will end. */
    guess(share) {
      state.guess = share;
      timeline.need();
    },
    /** Words over the last picture: that something is wrong. Empty, they go away. */
    notice: (text) => void Object.assign(parts.notice, { hidden: !text, textContent: text ?? "" }),
    seek: (to) => timeline.seek(to),
    /** Plays the run that is there, once; for who wants no motion it stands at its end. */
    play() {
      if (timeline.calm.matches) return;
      timeline.seek(0);
      timeline.toggle();
    },
    get frames() {
      return timeline.frames;
    },
    /** Whether the charts are folded away. */
    get folded() {
      return parts.box.matches(".mlx-fold:not(.mlx-open)");
    },
    album: () => albumOf(state, timeline),
    near: parts.near,
    far: parts.far,
    destroy,
  };
}
