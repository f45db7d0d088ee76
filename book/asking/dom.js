// Making elements.

/** @param {string} name @param {Record<string, any>} properties @param {...(Node | string)} children @returns {any} */
export function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** @param {string} name @param {Record<string, any>} attributes */
export function drawn(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/** The choices of a field as radio buttons, their words being part of them; chosen is told the number of a choice. */
export function choices(field, chosen) {
  const inputs = [];
  for (const choice of field.querySelectorAll(".marginlab-choice")) {
    const input = /** @type {HTMLInputElement} */ (choice.querySelector("input"));
    input.hidden = false;
    inputs.push(input);
    choice.addEventListener("click", ({ target }) => {
      if (target !== input && !(target instanceof HTMLAnchorElement) && !input.disabled) input.click();
    });
    input.addEventListener("change", () => chosen(inputs.indexOf(input)));
  }
  return inputs;
}

/** The place of the right one among a field's choices. */
export const rightOf = (field) =>
  [...field.querySelectorAll(".marginlab-why")].findIndex((it) => it.dataset.right === "true");
