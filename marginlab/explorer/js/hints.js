// What to look at, in a word: as a link says, or else as the settings do.

import { hasMargin } from "./room.js";
import { say } from "./say.js";
import { limits, TABS } from "./words.js";

const [LEARNING, PSI, PULL] = TABS;

/** Of each word that a link may say, which part of the picture it means, and the sentence: one line under the plane. Where the charts are folded away, another part. */
export const HINTS = {
  clusters: { part: "stage", words: say`Look at how wide each fan of digits is.` },
  wedges: { part: "stage", words: say`Look at the hatched wedges.` },
  order: { part: "stage", words: say`Look at the order of the digits on the rim.` },
  lengths: { part: "stage", words: say`Look at how far out the digits lie.` },
  lands: { part: "stage", words: say`Look at the shaded lands.` },
  rings: { part: "stage", words: say`Look at the red rings.` },
  right: { part: "now", words: say`Look at the share that is right.` },
  end: { part: "now", words: say`Look at how the run ends, and why.` },
  loss: {
    part: LEARNING,
    words: say`Look at the loss, the red curve.`,
    folded: { part: "now", words: say`Look at the loss, in the line above the picture.` },
  },
  limit: {
    part: LEARNING,
    words: say`Look at the loss, not at the share right.`,
    folded: { part: "now", words: say`Look at the loss, in the line above the picture, not at the share right.` },
  },
  psi: { part: PSI, words: say`Look at ψ.` },
  past: { part: PSI, words: say`Look at the grey part of ψ, past π.` },
  pull: { part: PULL, words: say`Look at the pull.` },
};

/** The word for settings of which no link says what to look at. */
export function hintFor(settings, goesOn) {
  if (settings.naive === "acos") return "end";
  if (settings.naive) return settings.naive === "clip" ? "pull" : "rings";
  if (settings.head === "own") return "psi";
  if (limits(settings)) return "limit";
  if (goesOn) return "clusters";
  if (settings.head === "softmax") return "lands";
  return hasMargin(settings) ? "wedges" : "clusters";
}
