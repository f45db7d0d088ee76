// @ts-check
// Questions: the reasons come when a choice is made, and what was answered stays in this browser alone.

const KEPT = "marginlab-answers";

/** What was answered: {question: true where its first right answer was given}. Storage may be forbidden. */
function answers() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
    return kept && typeof kept === "object" && !Array.isArray(kept) ? kept : {};
  } catch {
    return {};
  }
}

/** @param {Record<string, boolean>} all */
function keep(all) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(all));
  } catch {
    // Where nothing may be kept the page works, and forgets.
  }
}

/** @param {HTMLFieldSetElement} field */
function prepare(field) {
  const id = field.id.replace("question-", "");
  const reasons = /** @type {HTMLElement[]} */ ([...field.querySelectorAll(".marginlab-why")]);
  const choices = /** @type {HTMLElement[]} */ ([...field.querySelectorAll(".marginlab-choice")]);
  field.classList.add("marginlab-asked");
  for (const reason of reasons) {
    reason.hidden = true;
    reason.setAttribute("role", "status");
  }
  for (const choice of choices) {
    const input = /** @type {HTMLInputElement} */ (choice.querySelector("input"));
    input.hidden = false;
    choice.addEventListener("click", (event) => {
      if (event.target !== input && !(event.target instanceof HTMLAnchorElement)) input.click();
    });
    input.addEventListener("change", () => {
      for (const reason of reasons) reason.hidden = reason.dataset.for !== input.id;
      const right = reasons.some((reason) => !reason.hidden && reason.dataset.right === "true");
      keep({ ...answers(), [id]: right || answers()[id] === true });
      tick(field, right);
    });
  }
  if (Object.hasOwn(answers(), id) && answers()[id] === true) tick(field, true);
}

/** @param {HTMLFieldSetElement} field @param {boolean} right */
function tick(field, right) {
  const legend = /** @type {HTMLElement} */ (field.querySelector("legend"));
  legend.textContent = right ? "Question ✓" : "Question";
}

for (const field of document.querySelectorAll("fieldset.marginlab-question")) {
  prepare(/** @type {HTMLFieldSetElement} */ (field));
}
addEventListener("beforeprint", () => {
  for (const reason of document.querySelectorAll(".marginlab-why")) /** @type {HTMLElement} */ (reason).hidden = false;
});
