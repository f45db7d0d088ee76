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
import { say, translated } from "./say.js";
import { FAMILY, FORMS, WHY } from "./tables.js";
import { verdicts } from "./verdicts.js";

const { PI, abs, cos, max, min, round } = Math;

/**
 * Sentences one after the other; in Chinese no space stands between them. What is empty is left out.
 * @param {any[]} all
 */
export const joined = (all) => all.filter(Boolean).join("marginlabWords" in globalThis ? "" : " ");

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
const digits = (n) => (n === 1 ? say`${grouped(n)} digit` : say`${grouped(n)} digits`);

export function headline({ step, loss, accuracy }) {
  const right = Number.isFinite(loss)
    ? say`${`<b>${percent(accuracy)}</b>`} right · loss ${number(loss)}`
    : say`${'<b class="mlx-red">NaN</b>'} the run has ended`;
  return say`${right} · step ${grouped(step)}`;
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
    say`Only the right answer counts: the largest w·x + b wins. So digits fan out, and length counts as angle does.`,
  normface: () =>
    say`Lengths are divided out: only the angle to the rays counts. No margin: a digit may stop as soon as its own ray is the nearest. Look at how wide the fans are.`,
  sphereface: ({ margin }) =>
    say`A digit’s angle to its own ray counts ${plain(margin)} times. Look at the hatched wedges: they take the same part of each gap between two rays, wide where rays are far apart.`,
  cosface: ({ margin }) =>
    say`A digit’s own class scores ${plain(margin)} less, so it must win by as much. Look at the hatched wedges: they are wider where two rays are close, for a cosine is flat near 0°.`,
  arcface: ({ margin }) =>
    say`A digit’s angle to its own ray counts as ${degrees(margin)} more, so it must come nearer than a right answer needs. Look at the hatched wedges: ${degrees(margin)} wide between any two rays, near or far.`,
  combined: ({ m1, m2, m3 }) =>
    say`A digit’s angle to its own ray counts ${plain(m1)} times, and as ${degrees(m2)} more; and its class scores ${plain(m3)} less. Look at the hatched wedges: all three widen them.`,
};

/** What to say of a margin that ten classes cannot hold; else nothing. */
export function limits(settings) {
  if (settings.head === "softmax" || settings.head === "own") return ""; // of its own the verdicts say it
  const { feasible, loss } = budget(settings);
  if (feasible) return "";
  const best = say`at scale ${settings.scale} the best possible loss is ${loss.toPrecision(3)}`;
  return say`No arrangement of ${CLASSES} classes in the plane can satisfy this margin; ${best}.`;
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
  if (limits(settings)) return say`${limits(settings)} So the digits crowd where it costs least.`;
  if (head === "normface" || hasMargin(settings)) return LOOK[head]?.(settings) ?? "";
  if (head !== "softmax")
    return say`At this setting ${FAMILY[head].title} has no margin: it is NormFace. ${LOOK.normface()}`;
  const reach = extent(frame.embeddings);
  const within = frame.linear && !circle ? inland(regions(rowsOf(frame), reach), reach) : [];
  if (!within.length) return LOOK.softmax();
  const those = within.join(say` and `);
  return within.length > 1
    ? say`${LOOK.softmax()} ${those} are read in the middle, where the bias wins, and not along its ray.`
    : say`${LOOK.softmax()} ${those} is read in the middle, where the bias wins, and not along its ray.`;
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
      return [say`no difference yet.`, say`The margin has not come in. In float32 c may still come out as 1 or above.`];
    if (settings.naive === "acos")
      return [say`no harm so far.`, say`The first image whose c comes out as 1 or above, in float32, ends the run.`];
    return [say`no harm here.`, say`None of these digits is at an angle where it differs from ψ as it should be.`];
  }
  const short = [
    many && say`${grouped(many)} of ${all} digits without a pull`,
    away.length &&
      (many ? say`${grouped(away.length)} pushed away` : say`${grouped(away.length)} of ${all} digits pushed away`),
    lost.length && say`the pull of ${digits(lost.length)} is no number`,
  ].filter(Boolean);
  const least = (list) => degrees(min(...list.map((i) => thetas[i])));
  const most = (list) => `${((max(...list.map((i) => thetas[i])) * 180) / PI).toFixed(2)}°`;
  const said = [
    near.length && say`within ${most(near)} of their ray nothing brings ${grouped(near.length)} closer`,
    far.length && say`beyond ${least(far)} nothing turns ${grouped(far.length)} back`,
    away.length && say`beyond ${least(away)} it turns ${grouped(away.length)} the wrong way`,
  ].filter(Boolean);
  const every = wrong.length === 1 && many + away.length + lost.length === 1;
  const some = grouped(wrong.length);
  const wrongly = every
    ? say`it is read wrong, and so it stays.`
    : wrong.length === 1
      ? say`${some} of them is read wrong, and so it stays.`
      : say`${some} of them are read wrong, and so they stay.`;
  const sentences = [said.join(say`; `), wrong.length ? wrongly : say`The accuracy does not show it.`];
  const capital = (text) => text && `${text[0].toUpperCase()}${text.slice(1).replace(/[.。]?$/, say`.`)}`;
  return [short.join(say`, `) + say`.`, joined(sentences.map(capital))];
}

/** The slot under the headline, as HTML: a lesson, or what broke and what it costs. */
export function told(scene) {
  const { settings } = scene;
  if (!settings.naive) return lesson(scene);
  const [short, long] = cost(scene);
  return `<b class="mlx-red">${say`Broken by ${translated(FORMS[settings.naive].title)}: ${short}`}</b> ${long}`;
}

const digit = (label) => (label === 8 ? say`an ${label}` : say`a ${label}`);

/** Who ended a run, in a few words. */
export function epitaph({ example, label }) {
  return example == null
    ? say`The run has no finite loss.`
    : say`Training image ${grouped(example)}, ${digit(label)}, ended it.`;
}

/** A text that one of these templates has made, with "{c}" for what was put in: the same of the template's translation. */
export function translatedBy(templates, text) {
  for (const template of templates) {
    const [before, after = ""] = template.split("{c}");
    if (text.startsWith(before) && text.endsWith(after) && text.length >= before.length + after.length)
      return translated(template).replace("{c}", text.slice(before.length, text.length - after.length));
  }
  return text;
}

/** Why a run ended, which is said where it is trained. */
export const whyOf = (why) => translatedBy(Object.values(WHY), why);

/** How a run ended whose last frame has `died`, in a sentence of its own. */
export function ended({ step, example, label, why }) {
  const reason = whyOf(why);
  return example == null
    ? say`The run ended in NaN at step ${grouped(step)}. ${reason}`
    : say`The run ended in NaN at step ${grouped(step)}, at training image ${grouped(example)}, ${digit(label)}. ${reason}`;
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
  const grey = hasMargin(settings) ? say`the margin comes in, and loss with it` : say`‖x‖·cos θ becomes scale·cos θ`;
  return (
    entry(lines[0], say`right`) +
    entry(lines[1], say`loss, logarithmic; to compare within one head`) +
    (dead ? crossEntry(say`NaN: the run ends`) : "") +
    (coming ? patch(SOFT, grey) : "")
  );
}

export function keyOfPsi(scene) {
  const { settings, lines, share, thetas, died } = scene;
  if (settings.head === "softmax") return entry(lines[0], say`cos θ. Softmax scores ‖w‖·‖x‖·cos θ + b: no margin.`);
  const margin = hasMargin(settings);
  const coming = share < 1 && margin;
  const past = turningPoint(settings);
  const beyond = thetas.filter((t) => t > past).length;
  const amount = share === 0 ? say`no margin yet` : say`${round(100 * share)} % of the margin`;
  const now = coming ? say`ψ at this step: ${amount}` : margin ? "ψ" : say`ψ, here cos θ: no margin`;
  const grey =
    settings.naive || coming ? say`past π: ${digits(beyond)}` : say`past π, where ψ falls on: ${digits(beyond)}`;
  return (
    entry(lines[0], settings.naive && !coming ? say`${now}, as it should be` : now) +
    (settings.naive ? entry(lines[1], say`as it is broken`, "dashed") : "") +
    (coming && !settings.naive ? thin(lines[0], say`ψ with all of the margin`) : "") +
    (settings.head === "own" ? thin("var(--ink)", say`−ψ′, its pull`) : "") +
    (margin ? entry(SOFT, say`cos θ, as others score`, "dotted") : "") +
    (share > 0 && past < PI - 1e-9 ? patch(SOFT, grey) : "") +
    (died?.theta == null ? "" : crossEntry(say`the image that ended it`))
  );
}

/** Of a naive form also where it has no value, and how many of the shown points are where it hurts. */
export function keyOfPull(scene) {
  const { settings, lines, share, fates, died } = scene;
  if (settings.head === "softmax")
    return entry(lines[0], say`sin θ. Softmax pulls with ‖w‖ times as much: most at 90°, not at all at 0°.`);
  if (!settings.naive)
    return (
      entry(
        lines[0],
        share < 1 && hasMargin(settings)
          ? say`−ψ′(θ) at this step: how steeply ψ falls at θ`
          : say`−ψ′(θ): how steeply ψ falls at θ`,
      ) + (settings.head === "own" ? entry(SOFT, say`sin θ, the pull of cos θ`, "dotted") : "")
    );
  const { naive, cured, harms } = pulls(settings, share);
  const same = naive.every((p, k) => abs(p - cured[k]) < 1e-6);
  const count = fates.filter(Boolean).length;
  const hurt = count && !died ? say`harmed: ${digits(count)} (red marks)` : say`harmed`;
  return (
    entry(lines[0], say`as it should be`) +
    entry(lines[1], say`as it is broken`, "dashed") +
    (harms.length ? patch("var(--red)", hurt) : "") +
    (died?.theta == null ? "" : crossEntry(say`the image that ended it`)) +
    (same
      ? `<span>${share < 1 && hasMargin(settings) ? say`no difference yet` : say`no difference here`}</span>`
      : "") +
    (failsNear0(settings) ? `<span>${say`Logarithmic axis: the harm is next to 0°.`}</span>` : "")
  );
}

/** The legend of the plane. */
export function what({ settings, labels, circle, frame, share, fates, died }) {
  const { head } = settings;
  const many = outside(frame.embeddings);

  const said = circle
    ? [say`The same digits on the circle, each kind on a ring of its own; the hills say how many lie at each angle.`]
    : [
        many
          ? say`Dots: ${grouped(labels.length)} test digits. From the middle: the length ‖x‖ of the embedding (${grouped(many)} longer ones stand on the rim).`
          : say`Dots: ${grouped(labels.length)} test digits. From the middle: the length ‖x‖ of the embedding.`,
      ];
  if (head !== "softmax") said.push(say`The nearest ray is the answer.`);
  else if (frame.linear && !circle) said.push(say`Rays: class directions. Shaded: where each digit is the answer.`);
  if (hasMargin(settings) && share > 0) said.push(say`Hatched: right, but not by the margin.`);
  else if (hasMargin(settings) && !died) said.push(say`The margin has not come in yet.`);
  if (fates?.some(Boolean)) said.push(say`Red rings: digits that the break harms.`);
  if (died?.at) said.push(say`×: the image that ended the run.`);
  return joined(said);
}

/** Of the three charts: in a word, and in full. */
export const TABS = [say`learning`, "ψ(θ)", say`the pull`];
export const TITLES = [
  say`Learning`,
  say`ψ(θ): what its own class scores a digit`,
  say`The pull towards its own class, by θ`,
];

// ---- For who does not see it ----

/** The plane in words. */
export function planeInWords({ frame, thetas, settings, labels }, { step }) {
  const turns = turnsOf(frame.directions).map((t, j) => say`${j} at ${plain(round((t * 180) / PI))}°`);
  const sorted = [...thetas].filter(Number.isFinite).sort((a, b) => a - b);
  const median = sorted.length ? degrees(sorted[sorted.length >> 1]) : say`none`;
  return joined([
    say`${FAMILY[settings.head].title} at step ${step}: ${labels.length} test digits in the plane.`,
    say`Class directions: ${turns.join(say`, `)}. Half of the digits are within ${median} of their own.`,
    say`Arrow keys go from digit to digit.`,
  ]);
}

/** The three charts in words. */
export function chartsInWords({ settings, share, frames }, { step, loss, accuracy }) {
  const here = Number.isFinite(loss)
    ? say`Loss ${number(loss)} and accuracy, ${percent(accuracy)} right,`
    : say`NaN, and the end of the run,`;
  const [first] = frames;
  const [low, middle, high] = [0, PI / 2, PI].map((t) => number(psiAt(t, settings, share)));
  const [near, across, far] = [1, 90, 179].map((d) => number(pullAt((d * PI) / 180, settings, share)));
  return [
    say`${here} at step ${step}; the first frame had loss ${number(first.loss)}, ${percent(first.accuracy)} right.`,
    settings.head === "own"
      ? say`At this step ψ goes from ${low} at 0° over ${middle} at 90° to ${high} at 180°.`
      : say`At this step ψ falls from ${low} at 0° over ${middle} at 90° to ${high} at 180°.`,
    say`The pull at 1°: ${near}, at 90°: ${across}, at 179°: ${far}.`,
  ];
}
