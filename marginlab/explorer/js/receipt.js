// A receipt of a run that has ended: one line of CSV, which says all that it takes to make the run again, and what came of
// it. `python -m marginlab.course verify` (course/receipts.py) makes it again and compares.
//
// The seal binds what is said, the student's name too: who changes a letter has another seal. It is no secret: it shows
// an edit, and keeps nobody from making a receipt.

import { sha256, utf8 } from "./digest.js";
import { write } from "./link.js";

/** The line above the receipts. */
export const HEADER = "receipt,name,run,accuracy,end,weights,seal";
export const LONGEST_NAME = 80;

/** A name as it is sealed: composed signs, single spaces, and nothing that cannot be seen. */
export function tidy(name) {
  const plain = name.normalize("NFC").replace(/[\p{Cc}\p{Cs}\s]+/gu, " ");
  return [...plain.trim()].slice(0, LONGEST_NAME).join("").trim();
}

/** How a run ended: its last step, and of a run that goes on from another after how many moves. */
export function endOf({ step, stage, died }) {
  return `${died ? "NaN at step" : "step"} ${step}${stage ? ` after move ${stage}` : ""}`;
}

/** 32 digits over all of it, each part on a line of its own. */
export const sealOf = (parts) => sha256(utf8(parts.join("\n"))).slice(0, 32);

const quoted = (text) => `"${text.replaceAll('"', '""')}"`;

/** Of a run's settings and its last frame the line to hand in; version: that of the engine. */
export function receipt(version, name, settings, frame) {
  const parts = [version, tidy(name), write(settings), String(frame.accuracy), endOf(frame), frame.weights];
  const [, whose, run, ...rest] = parts;
  return [`marginlab ${version}`, quoted(whose), quoted(run), ...rest, sealOf(parts)].join(",");
}
