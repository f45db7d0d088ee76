// Questions: after an answer every choice has its reason; "ask again" asks what was wrong, and nothing else.

import { choices, make, rightOf } from "./dom.js";
import { get, set } from "./kept.js";
import { say } from "../../marginlab/explorer/js/say.js";

/** The first answer to a question, and how many it took until the right one: a class's report asks for both. */
function count(id, mark, choice, known) {
  const before = get("firsts", id);
  if (before === undefined && known !== undefined) return; // the first was before this was kept
  const { first, tries } = before ?? { first: choice, tries: 0 };
  if (known !== true) set("firsts", id, { first, tries: tries + 1, mark });
}

/** @param {HTMLFieldSetElement} field */
function prepare(field) {
  const id = field.id.replace("question-", "");
  const legend = /** @type {HTMLElement} */ (field.querySelector("legend"));
  const right = rightOf(field);
  field.classList.add("marginlab-asked");
  const reasons = [...field.querySelectorAll(".marginlab-why")];
  const inputs = choices(field, (k) => {
    field.classList.add("marginlab-answered");
    field.classList.toggle("marginlab-wrong", k !== right);
    for (const [j, reason] of reasons.entries()) reason.classList.toggle("marginlab-chosen", j === k);
    const known = get("questions", id);
    count(id, field.dataset.mark, k, known);
    set("questions", id, k === right || known === true);
    legend.textContent = k === right ? say`Question ✓` : say`Question ✗`;
  });
  for (const reason of reasons) reason.setAttribute("role", "status");
  if (get("questions", id) === true) legend.textContent = say`Question ✓`;
  return {
    field,
    wrong: () => field.classList.contains("marginlab-wrong"),
    again() {
      field.classList.remove("marginlab-answered", "marginlab-wrong");
      legend.textContent = say`Question`;
      for (const input of inputs) input.checked = false;
    },
  };
}

export function questions() {
  const fields = /** @type {HTMLFieldSetElement[]} */ ([...document.querySelectorAll("fieldset.marginlab-question")]);
  const all = fields.map(prepare);
  if (!all.length) return;
  const button = make("button", { type: "button" });
  const bar = make("p", { className: "marginlab-retry", hidden: true }, button);
  fields[fields.length - 1].after(bar);
  const tell = () => {
    const many = all.filter((it) => it.wrong()).length;
    bar.hidden = many === 0;
    button.textContent =
      many === 1 ? say`Ask again the one that was wrong` : say`Ask again the ${many} that were wrong`;
  };
  for (const { field } of all) field.addEventListener("change", tell);
  button.addEventListener("click", () => {
    const wrong = all.filter((it) => it.wrong());
    for (const it of wrong) it.again();
    tell();
    wrong[0].field.scrollIntoView({ block: "center" });
    /** @type {HTMLElement} */ (wrong[0].field.querySelector("input")).focus({ preventScroll: true });
  });
}
