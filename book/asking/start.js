// Questions, predictions, progress, the review and the report of a problem, on every page.

import { predictions } from "./predictions.js";
import { progress } from "./progress.js";
import { questions } from "./questions.js";
import { report } from "./report.js";
import { review } from "./review.js";

/** table: {lesson: the names of all that it asks}; version: the book's */
export function start(table, version) {
  questions();
  predictions();
  progress(table);
  review(version);
  report();
}
