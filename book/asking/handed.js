// What a student may hand in of what is kept, for the report of a class: shown in full before it is saved.

import { make } from "./dom.js";
import { all, saveJson } from "./kept.js";

const PARTS = ["firsts", "predictions", "hints"];

/** What would be handed in. @param {string} name @param {string} version */
export function handed(name, version) {
  const kept = all();
  const parts = Object.fromEntries(PARTS.map((part) => [part, kept[part]]));
  return { marginlab: version, name: name.replace(/\s+/g, " ").trim(), ...parts };
}

/** How much is in it, in words. */
export function sum(content) {
  const parts = [
    [content.firsts, "question", "questions"],
    [content.predictions, "prediction", "predictions"],
    [content.hints, "hint", "hints"],
  ];
  const counts = parts.map(([part, one, many]) => [Object.keys(part).length, one, many]);
  const [questions, predictions, hints] = counts.map(([n, one, many]) => `${n} ${n === 1 ? one : many}`);
  return `In it now: ${questions}, ${predictions} and ${hints}.`;
}

/** The place from which it is handed in. @param {HTMLElement} place @param {string} version */
export function handIn(place, version) {
  const name = make("input", { type: "text", autocomplete: "off", maxLength: 80 });
  const button = make("button", { type: "button", textContent: "Save what to hand in" });
  const shown = make("pre", { tabIndex: 0 });
  shown.setAttribute("aria-label", "The whole file");
  const count = make("p", {});
  const draw = () => {
    const content = handed(name.value, version);
    count.textContent = sum(content);
    shown.textContent = JSON.stringify(content, null, 1);
  };
  name.addEventListener("input", draw);
  button.addEventListener("click", () => saveJson("marginlab-handed.json", handed(name.value, version)));
  document.addEventListener("marginlab-kept", draw);
  draw();
  const what = make("p", {
    textContent:
      "An instructor may ask for it, to see what a class found hard. It holds of each question your first answer " +
      "and how many it took to the right one, of each prediction what you said, and which hints of the sheets you " +
      "opened. It holds no times, and not where you read. Your name is in it only if you write it here. " +
      "Nothing is sent: you get a file, and hand it in or not.",
  });
  place.append(
    make(
      "details",
      { className: "marginlab-handed" },
      make("summary", { textContent: "Hand in what I answered" }),
      what,
      make("p", {}, make("label", {}, "Name, if you like: ", name), " ", button),
      count,
      make("details", {}, make("summary", { textContent: "See the whole file" }), shown),
    ),
  );
}
