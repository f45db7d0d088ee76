// Challenges for a ψ of one's own: every run that has ended is held against those of the page. What was met stays in this
// browser alone.

import { psi, slope } from "./equation.js";
import { angles, turnsOf } from "./frame.js";
import { CHALLENGES, FAMILY } from "./tables.js";

const KEPT = "marginlab-challenges";
const percent = (share) => `${(100 * share).toFixed(2)} %`;
const number = (v) => v.toFixed(3).replace("-", "−");
const middle = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** How many of the ten neighbours on the circle are neighbours as numbers, 9 and 0 among them, whichever way round. */
export function neighbours(directions) {
  const turns = turnsOf(directions);
  const round = [...turns.keys()].sort((a, b) => turns[a] - turns[b]);
  const steps = round.map((digit, k) => (round[(k + 1) % round.length] - digit + round.length) % round.length);
  return Math.max(...[1, round.length - 1].map((step) => steps.filter((it) => it === step).length));
}

/** Of a run that has ended {settings, frame, labels: of the images that the frame shows} what is asked about. */
export function factsOf({ settings, frame, labels }) {
  const { steps } = CHALLENGES.death;
  const values = Array.from({ length: steps + 1 }, (_, k) => psi((k / steps) * Math.PI, settings));
  return {
    settings,
    accuracy: frame.accuracy,
    died: Boolean(frame.died),
    finite: values.every(Number.isFinite),
    median: (middle(angles(frame, labels)) * 180) / Math.PI,
    neighbours: neighbours(frame.directions),
    pull: -slope(0, settings),
  };
}

/** Of each challenge whether a run meets it, and what is said of that run. seeds: accuracies by seed, of this formula. */
export const CHECKS = {
  scale: ({ settings, accuracy }, asked) => ({
    met: settings.scale === asked.scale && accuracy >= asked.accuracy,
    words: `${percent(accuracy)} right at scale ${settings.scale}.`,
  }),
  hills: ({ median, accuracy }, asked) => ({
    met: accuracy >= asked.accuracy && median <= asked.median,
    words: `Half of the digits are within ${median.toFixed(2)}° of their rays, with ${percent(accuracy)} right.`,
  }),
  death: ({ died, finite }) => ({
    met: died && finite,
    words: `The run ${died ? "ended in NaN" : "lived"}, and ψ is ${finite ? "finite everywhere" : "not finite everywhere"}.`,
  }),
  order: (facts, asked) => ({
    met: !facts.died && facts.neighbours >= asked.neighbours,
    words: `Of the ten pairs of neighbours ${facts.neighbours} are in order.`,
  }),
  pull: ({ pull, accuracy }, asked) => ({
    met: accuracy >= asked.accuracy && pull <= asked.pull,
    words: `The pull at 0° is ${Number.isFinite(pull) ? number(pull) : "no number"}, with ${percent(accuracy)} right.`,
  }),
  median(facts, asked, seeds) {
    const all = Array.from({ length: asked.seeds }, (_, seed) => seeds[seed]);
    const missing = all.flatMap((accuracy, seed) => (accuracy === undefined ? [seed] : []));
    if (missing.length) return { met: false, words: `Of this ψ the seeds ${missing.join(", ")} are missing.` };
    const [low, high] = [Math.min(...all), Math.max(...all)].map(percent);
    const beside = `${FAMILY[asked.head].title}’s is ${percent(asked.accuracy)}`;
    return {
      met: middle(all) > asked.accuracy,
      words: `The median is ${percent(middle(all))}, from ${low} to ${high}; ${beside}.`,
    };
  },
};

/** What was met, by name. Storage may be forbidden. */
function kept() {
  try {
    return Object.keys(CHALLENGES).filter((name) => JSON.parse(localStorage.getItem(KEPT) ?? "[]").includes(name));
  } catch {
    return [];
  }
}

function keep(names) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(names));
  } catch {
    // Where nothing may be kept the page works, and forgets.
  }
}

/** Brings the challenges of a page to life: elements of the class marginlab-challenge, each with its data-challenge. */
export function prepare() {
  /** @type {HTMLElement[]} */
  const every = [.../** @type {any} */ (document.querySelectorAll(".marginlab-challenge"))];
  const boxes = every.filter(({ dataset }) => Object.hasOwn(CHALLENGES, dataset.challenge));
  if (!boxes.length) return;
  const met = new Set(kept());
  const seeds = new Map(); // of each formula its accuracies, by seed
  const news = Object.assign(document.createElement("p"), { className: "marginlab-met" });
  news.setAttribute("role", "status");
  boxes[0].before(news);
  const tell = (box, words, now = false) => {
    const name = box.dataset.challenge;
    const said = now ? "✓ Met. " : met.has(name) ? "✓ Met before. " : "Not met yet. ";
    box.dataset.met = String(met.has(name));
    box.querySelector(".marginlab-run").textContent = `${said}${words}`;
  };
  for (const box of boxes) {
    box.append(Object.assign(document.createElement("p"), { className: "marginlab-run" }));
    tell(box, "");
  }
  document.addEventListener("marginlab-run", (/** @type {CustomEvent} */ { detail }) => {
    if (detail.settings.head !== "own" || detail.settings.moves.length) return;
    const { seed, ...formula } = detail.settings;
    const key = JSON.stringify(formula);
    const facts = factsOf(detail);
    seeds.set(key, { ...seeds.get(key), [seed]: facts.accuracy });
    const before = new Set(met);
    for (const box of boxes) {
      const name = box.dataset.challenge;
      const found = CHECKS[name](facts, CHALLENGES[name], seeds.get(key));
      if (found.met) met.add(name);
      tell(box, `This run: ${found.words}`, found.met);
    }
    keep([...met]);
    const titles = [...met].filter((name) => !before.has(name)).map((name) => CHALLENGES[name].title);
    if (titles.length) news.textContent = `Met: ${titles.join(", ")}.`;
  });
}
