// What is said beside a picture: the headline, what to look for, what broke, and the legends. Text and HTML, no page.

import { psi } from "./equation.js";
import { CLASSES } from "./network.js";
import {
  answer,
  extent,
  failsNear0,
  inland,
  outside,
  psiAt,
  pullAt,
  pulls,
  regions,
  rowsOf,
  turnsOf,
} from "./frame.js";
import { budget, hasMargin, turningPoint } from "./room.js";
import { FAMILY, FORMS } from "./tables.js";
import { verdicts } from "./verdicts.js";

const { PI, abs, cos, max, min, round } = Math;

export const grouped = (v) => v.toLocaleString("en-US");
export const degrees = (t) => `${((t * 180) / PI).toFixed(1)}°`;
export const percent = (share) => `${(100 * share).toFixed(1)} %`;
/** A number with as many digits as are read, and a minus sign that is one. */
export function number(v) {
  if (!Number.isFinite(v)) return "NaN";
  const digits = abs(v) < 1 ? 3 : abs(v) < 10 ? 2 : 1;
  return v.toFixed(digits).replace("-", "−");
}
const plain = (v) => String(v).replace("-", "−");
const digits = (n) => `${grouped(n)} digit${n === 1 ? "" : "s"}`;

export function headline({ step, loss, accuracy }) {
  const right = Number.isFinite(loss)
    ? `<b>${percent(accuracy)}</b> right · loss ${number(loss)}`
    : '<b class="mlx-red">NaN</b> the run has ended';
  return `${right} · step ${grouped(step)}`;
}

// ---- What to look for ----

/** How wide no-man's-land is between two rays that are `gap` apart: where ψ(θ) < cos(gap - θ), on both sides. */
export function strip(gap, settings) {
  const cured = { ...settings, naive: null };
  let [low, high] = [0, gap / 2]; // from the ray to where the margin is just held
  if (psi(0, cured) < cos(gap)) return gap;
  for (let k = 0; k < 50; k++) {
    const middle = (low + high) / 2;
    if (psi(middle, cured) >= cos(gap - middle)) low = middle;
    else high = middle;
  }
  return gap - 2 * low;
}

const LOOK = {
  softmax: () =>
    "Only the right answer counts: the larger w·x + b wins. So digits fan out, and length counts as angle does.",
  normface: () =>
    "Lengths are divided out: only the angle to the rays counts. No margin: a digit may stop as soon as its own ray is the nearest. Look at how wide the fans are.",
  sphereface: ({ margin }) =>
    `A digit’s angle to its own ray counts ${plain(margin)} times. Look at the hatched wedges: they take the same part of each gap between two rays, wide where rays are far apart.`,
  cosface: ({ margin }) =>
    `A digit’s own class scores ${plain(margin)} less, so it must win by as much. Look at the hatched wedges: they are wider where two rays are close, for a cosine is flat near 0°.`,
  arcface: ({ margin }) =>
    `A digit’s angle to its own ray counts as ${degrees(margin)} more, so it must come nearer than a right answer needs. Look at the hatched wedges: ${degrees(margin)} wide between any two rays, near or far.`,
  combined: ({ m1, m2, m3 }) =>
    `A digit’s angle to its own ray counts ${plain(m1)} times, and as ${degrees(m2)} more; and its class scores ${plain(m3)} less. Look at the hatched wedges: all three widen them.`,
};

/** What to say of a margin that ten classes cannot hold; else nothing. */
export function limits(settings) {
  if (settings.head === "softmax" || settings.head === "own") return ""; // of its own the verdicts say it
  const { feasible, loss } = budget(settings);
  if (feasible) return "";
  const best = `at scale ${settings.scale} the best possible loss is ${loss.toPrecision(3)}`;
  return `No arrangement of ${CLASSES} classes in the plane can satisfy this margin; ${best}.`;
}

const MARKS = new Map([
  [true, "<b>✓</b>"],
  [false, '<b class="mlx-red">✗</b>'],
  [null, "<b>·</b>"],
]);

/** Of the reader's own ψ what can be known beforehand, a line each. */
const judged = (settings) =>
  verdicts(settings).map(({ good, words }) => `<span class="mlx-verdict">${MARKS.get(good)} ${words}</span>`);

/** What the head asks, and what of it is to be seen. */
export function lesson({ settings, frame, circle }) {
  const { head } = settings;
  if (head === "own") return judged(settings).join("");
  if (limits(settings)) return `${limits(settings)} So the digits crowd where it costs least.`;
  if (head === "normface" || hasMargin(settings)) return LOOK[head]?.(settings) ?? "";
  if (head !== "softmax")
    return `At this setting ${FAMILY[head].title} has no margin: it is NormFace. ${LOOK.normface()}`;
  const reach = extent(frame.embeddings);
  const within = frame.linear && !circle ? inland(regions(rowsOf(frame), reach), reach) : [];
  const where = `${within.join(" and ")} ${within.length > 1 ? "are" : "is"} read in the middle, where the bias wins`;
  return `${LOOK.softmax()}${within.length ? ` ${where}, and not along its ray.` : ""}`;
}

// ---- What broke ----

/** Of the shown digits that a naive form harms: how many lie where nothing pulls, near their ray and far; and so on. */
export function harm({ fates, thetas, frame, labels, settings }) {
  const found = { near: [], far: [], away: [], lost: [] };
  fates.forEach((fate, i) => {
    if (fate === "none") found[thetas[i] < PI / 4 ? "near" : "far"].push(i);
    else if (fate) found[fate].push(i);
  });
  const stuck = [...found.far, ...found.away, ...found.lost];
  return { ...found, wrong: stuck.filter((i) => answer(frame, i, settings) !== labels[i]) };
}

/** What the break costs, as [in a few words, in a sentence]; as measured on the digits of this picture. */
export function cost(scene) {
  const { near, far, away, lost, wrong } = harm(scene);
  const { thetas, labels, settings, share } = scene;
  const all = grouped(labels.length);
  const many = near.length + far.length;
  if (!many && !away.length && !lost.length) {
    if (share === 0)
      return ["no difference yet.", "The margin has not come in. In float32 c may still come out as 1 or above."];
    if (settings.naive === "acos")
      return ["no harm so far.", "The first image whose c comes out as 1 or above, in float32, ends the run."];
    return ["no harm here.", "None of these digits is at an angle where it differs from ψ as it should be."];
  }
  const short = [
    many && `${grouped(many)} of ${all} digits without a pull`,
    away.length && `${many ? grouped(away.length) : `${grouped(away.length)} of ${all} digits`} pushed away`,
    lost.length && `the pull of ${digits(lost.length)} is no number`,
  ].filter(Boolean);
  const least = (list) => degrees(min(...list.map((i) => thetas[i])));
  const most = (list) => `${((max(...list.map((i) => thetas[i])) * 180) / PI).toFixed(2)}°`;
  const said = [
    near.length && `within ${most(near)} of their ray nothing brings ${grouped(near.length)} closer`,
    far.length && `beyond ${least(far)} nothing turns ${grouped(far.length)} back`,
    away.length && `beyond ${least(away)} it turns ${grouped(away.length)} the wrong way`,
  ].filter(Boolean);
  const every = wrong.length === 1 && many + away.length + lost.length === 1;
  const verb = wrong.length === 1 ? "is read wrong, and so it stays." : "are read wrong, and so they stay.";
  const wrongly = `${every ? "it" : `${grouped(wrong.length)} of them`} ${verb}`;
  const sentences = [said.join("; "), wrong.length ? wrongly : "The accuracy does not show it."];
  const capital = (text) => text && `${text[0].toUpperCase()}${text.slice(1).replace(/\.?$/, ".")}`;
  return [`${short.join(", ")}.`, sentences.map(capital).filter(Boolean).join(" ")];
}

/** The slot under the headline, as HTML: a lesson, or what broke and what it costs. */
export function told(scene) {
  const { settings } = scene;
  if (!settings.naive) return lesson(scene);
  const [short, long] = cost(scene);
  return `<b class="mlx-red">Broken by ${FORMS[settings.naive].title}: ${short}</b> ${long}`;
}

const digit = (label) => `${label === 8 ? "an" : "a"} ${label}`;

/** Who ended a run, in a few words. */
export function epitaph({ example, label }) {
  return example == null
    ? "The run has no finite loss."
    : `Training image ${grouped(example)}, ${digit(label)}, ended it.`;
}

/** How a run ended whose last frame has `died`, in a sentence of its own. */
export function ended({ step, example, label, why }) {
  const which = example == null ? "" : `, at training image ${grouped(example)}, ${digit(label)}`;
  return `The run ended in NaN at step ${grouped(step)}${which}. ${why}`;
}

// ---- Legends ----

const entry = (colour, text, dash = "solid") =>
  `<span class="mlx-entry"><i style="color:${colour};border-top-style:${dash}"></i>${text}</span>`;
const thin = (colour, text) =>
  `<span class="mlx-entry"><i style="color:${colour};border-top-width:1px"></i>${text}</span>`;
const patch = (colour, text) =>
  `<span class="mlx-entry"><i class="mlx-patch" style="color:${colour}"></i>${text}</span>`;
const crossEntry = (text) => `<span class="mlx-entry"><b class="mlx-red">×</b> ${text}</span>`;
const SOFT = "var(--soft)";

export function keyOfProgress({ settings, frames, lines }) {
  const dead = frames.some((f) => !Number.isFinite(f.loss));
  const coming = settings.steps && settings.anneal && !dead && frames.at(-1).step;
  const grey = hasMargin(settings) ? "the margin comes in, and loss with it" : "‖x‖·cos θ becomes scale·cos θ";
  return (
    entry(lines[0], "right") +
    entry(lines[1], "loss, logarithmic; to compare within one head") +
    (dead ? crossEntry("NaN: the run ends") : "") +
    (coming ? patch(SOFT, grey) : "")
  );
}

export function keyOfPsi(scene) {
  const { settings, lines, share, thetas, died } = scene;
  if (settings.head === "softmax") return entry(lines[0], "cos θ. Softmax scores ‖w‖·‖x‖·cos θ + b: no margin.");
  const margin = hasMargin(settings);
  const coming = share < 1 && margin;
  const past = turningPoint(settings);
  const beyond = thetas.filter((t) => t > past).length;
  const amount = share === 0 ? "no margin yet" : `${round(100 * share)} % of the margin`;
  const now = coming ? `ψ at this step: ${amount}` : margin ? "ψ" : "ψ, here cos θ: no margin";
  const grey = `past π${settings.naive || coming ? "" : ", where ψ falls on"}: ${digits(beyond)}`;
  return (
    entry(lines[0], settings.naive && !coming ? `${now}, as it should be` : now) +
    (settings.naive ? entry(lines[1], "as it is broken", "dashed") : "") +
    (coming && !settings.naive ? thin(lines[0], "ψ with all of the margin") : "") +
    (settings.head === "own" ? thin("var(--ink)", "−ψ′, its pull") : "") +
    (margin ? entry(SOFT, "cos θ, as others score", "dotted") : "") +
    (share > 0 && past < PI - 1e-9 ? patch(SOFT, grey) : "") +
    (died?.theta == null ? "" : crossEntry("the image that ended it"))
  );
}

/** Of a naive form also where it has no value, and how many of the shown points are where it hurts. */
export function keyOfPull(scene) {
  const { settings, lines, share, fates, died } = scene;
  if (settings.head === "softmax")
    return entry(lines[0], "sin θ. Softmax pulls with ‖w‖ times as much: most at 90°, not at all at 0°.");
  if (!settings.naive)
    return (
      entry(lines[0], `−ψ′(θ)${share < 1 && hasMargin(settings) ? " at this step" : ""}: how steeply ψ falls at θ`) +
      (settings.head === "own" ? entry(SOFT, "sin θ, the pull of cos θ", "dotted") : "")
    );
  const { naive, cured, harms } = pulls(settings, share);
  const same = naive.every((p, k) => abs(p - cured[k]) < 1e-6);
  const count = fates.filter(Boolean).length;
  const hurt = count && !died ? `harmed: ${digits(count)} (red marks)` : "harmed";
  return (
    entry(lines[0], "as it should be") +
    entry(lines[1], "as it is broken", "dashed") +
    (harms.length ? patch("var(--red)", hurt) : "") +
    (died?.theta == null ? "" : crossEntry("the image that ended it")) +
    (same ? `<span>${share < 1 && hasMargin(settings) ? "no difference yet" : "no difference here"}</span>` : "") +
    (failsNear0(settings) ? "<span>Logarithmic axis: the harm is next to 0°.</span>" : "")
  );
}

/** The legend of the plane. */
export function what({ settings, labels, circle, frame, share, fates, died }) {
  const { head } = settings;
  const many = outside(frame.embeddings);
  const rim = many ? ` (${grouped(many)} longer ones stand on the rim)` : "";
  const said = circle
    ? ["The same digits on the circle, each kind on a ring of its own; the hills say how many lie at each angle."]
    : [`Dots: ${grouped(labels.length)} test digits. From the middle: the length ‖x‖ of the embedding${rim}.`];
  if (head !== "softmax") said.push("The nearest ray is the answer.");
  else if (frame.linear && !circle) said.push("Rays: class directions. Shaded: where each digit is the answer.");
  if (hasMargin(settings) && share > 0) said.push("Hatched: right, but not by the margin.");
  else if (hasMargin(settings) && !died) said.push("The margin has not come in yet.");
  if (fates?.some(Boolean)) said.push("Red rings: digits that the break harms.");
  if (died?.at) said.push("×: the image that ended the run.");
  return said.join(" ");
}

/** Of the three charts: in a word, and in full. */
export const TABS = ["learning", "ψ(θ)", "the pull"];
export const TITLES = ["Learning", "ψ(θ): what its own class scores a digit", "The pull towards its own class, by θ"];

// ---- For who does not see it ----

/** The plane in words. */
export function planeInWords({ frame, thetas, settings, labels }, { step }) {
  const turns = turnsOf(frame.directions).map((t, j) => `${j} at ${plain(round((t * 180) / PI))}°`);
  const sorted = [...thetas].filter(Number.isFinite).sort((a, b) => a - b);
  const median = sorted.length ? degrees(sorted[sorted.length >> 1]) : "none";
  return (
    `${FAMILY[settings.head].title} at step ${step}: ${labels.length} test digits in the plane. ` +
    `Class directions: ${turns.join(", ")}. Half of the digits are within ${median} of their own. ` +
    "Arrow keys go from digit to digit."
  );
}

/** The three charts in words. */
export function chartsInWords({ settings, share, frames }, { step, loss, accuracy }) {
  const here = Number.isFinite(loss)
    ? `Loss ${number(loss)} and accuracy, ${percent(accuracy)} right,`
    : "NaN, and the end of the run,";
  const [first] = frames;
  const [low, middle, high] = [0, PI / 2, PI].map((t) => number(psiAt(t, settings, share)));
  const [near, across, far] = [1, 90, 179].map((d) => number(pullAt((d * PI) / 180, settings, share)));
  return [
    `${here} at step ${step}; the first frame had loss ${number(first.loss)}, ${percent(first.accuracy)} right.`,
    `At this step ψ ${settings.head === "own" ? "goes" : "falls"} from ${low} at 0° over ${middle} at 90° to ${high} at 180°.`,
    `The pull at 1°: ${near}, at 90°: ${across}, at 179°: ${far}.`,
  ];
}
