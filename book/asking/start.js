// Questions, predictions, progress and the review, on every page.

import { predictions } from "./predictions.js";
import { progress } from "./progress.js";
import { questions } from "./questions.js";
import { review } from "./review.js";

/** table: {lesson: the names of all that it asks} */
export function start(table) {
  questions();
  predictions();
  progress(table);
  review();
}
