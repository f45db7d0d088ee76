// "Report a problem here": says where the reader is, for a form where there is one, else to copy.

import { copied } from "../../marginlab/explorer/js/clipboard.js";
import { say } from "../../marginlab/explorer/js/say.js";

/** The page, its section on the screen, the version and what an explorer shows. @param {HTMLElement} button */
function place(button) {
  const heads = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("article :is(h1, h2, h3)")]);
  const reached = heads.filter((it) => it.getBoundingClientRect().top < innerHeight / 2).pop() ?? heads[0];
  const name = (/** @type {HTMLElement | undefined} */ it) => it?.innerText.replace(/#\s*$/, "").trim() ?? "";
  const explorer = location.hash.startsWith("#explorer") ? [say`Explorer: ${location.hash}`] : [];
  return [
    say`Page: ${name(heads[0])}`,
    say`Section: ${name(reached)}`,
    say`Version: ${button.dataset.version}`,
    ...explorer,
    say`What is wrong: `,
  ].join("\n");
}

/** Makes the buttons live. */
export function report() {
  for (const it of document.querySelectorAll(".marginlab-report")) {
    const button = /** @type {HTMLElement} */ (it);
    const shown = Object.assign(document.createElement("textarea"), { className: "marginlab-reported", rows: 5 });
    shown.setAttribute("aria-label", say`Where the problem is: copy this, and add what is wrong`);
    // Where one has scrolled to tells the section: that is asked before the button is scrolled to and pressed.
    let where = "";
    addEventListener("scrollend", () => {
      if (button.getBoundingClientRect().top > innerHeight) where = place(button);
    });
    button.addEventListener("click", async () => {
      const text = where || place(button);
      if (button.dataset.to) {
        open(`${button.dataset.to}?body=${encodeURIComponent(text)}`, "_blank", "noopener");
        return;
      }
      shown.value = text;
      button.after(shown);
      button.textContent = (await copied(text, shown))
        ? say`Copied: send it to whoever gave you this book`
        : say`Copy this, and send it to whoever gave you this book`;
    });
  }
}
