// Questions, predictions, progress, the review and the report of a problem, the other language, on every page.

import { language } from "./language.js";
import { predictions } from "./predictions.js";
import { progress } from "./progress.js";
import { questions } from "./questions.js";
import { report } from "./report.js";
import { review } from "./review.js";
import { say } from "../../marginlab/explorer/js/say.js";

/** table: {lesson: the names of all that it asks}; version: the book's */
export function start(table, version) {
  Object.assign(self, { marginlabSay: say }); // for symbols.js, which comes after it and is no module
  questions();
  predictions();
  progress(table);
  review(version);
  report();
  language();
}
