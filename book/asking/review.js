// The page of short prompts: one at a time, those that are due; what was known comes again after growing intervals,
// what was not known again at once. And what is kept can be taken along, brought back, and forgotten.

import { make } from "./dom.js";
import { handIn } from "./handed.js";
import { all, cleaned, get, replace, saveJson, set } from "./kept.js";

const DAY = 86_400_000;
const DAYS = [1, 3, 7, 16, 35, 80]; // between the times that a prompt was known

/** When a prompt is due again that was known `times` times in a row. */
export const dueAfter = (times, now) => now + DAYS[Math.min(times, DAYS.length) - 1] * DAY;

/** What is kept of a prompt, {times, due}. Nonsense is as nothing. */
function keptOf(id) {
  const { times, due } = get("prompts", id) ?? {};
  return Number.isInteger(times) && times > 0 && Number.isFinite(due) ? { times, due } : { times: 0, due: 0 };
}

/** Prompts of which to ask now, first those seen before. */
function dueOf(cards, now) {
  const due = cards.filter((card) => keptOf(card.dataset.prompt).due <= now);
  const seen = due.filter((card) => keptOf(card.dataset.prompt).times > 0);
  return [...seen, ...due.filter((card) => !seen.includes(card))];
}

function ask(place, cards) {
  const status = make("p", { className: "marginlab-left" });
  status.setAttribute("role", "status");
  const button = (textContent) => make("button", { type: "button", textContent });
  const [turn, knew, not] = [button("Show the answer"), button("I knew it"), button("Not yet")];
  place.prepend(status);
  place.append(make("p", { className: "marginlab-controls" }, turn, knew, not));
  let queue = dueOf(cards, Date.now());

  function show(focus = true) {
    const [now] = queue;
    for (const card of cards) {
      card.hidden = card !== now;
      card.classList.add("marginlab-front");
    }
    turn.hidden = !now;
    knew.hidden = not.hidden = true;
    const next = Math.min(...cards.map((card) => keptOf(card.dataset.prompt).due));
    const days = Math.max(1, Math.ceil((next - Date.now()) / DAY));
    const done = `Nothing is due. The next prompt comes in ${days} ${days === 1 ? "day" : "days"}.`;
    status.textContent = now ? `${queue.length} of ${cards.length} prompts are due.` : done;
    if (focus && now) turn.focus();
  }
  turn.addEventListener("click", () => {
    queue[0].classList.remove("marginlab-front");
    turn.hidden = true;
    knew.hidden = not.hidden = false;
    knew.focus();
  });
  knew.addEventListener("click", () => {
    const id = queue[0].dataset.prompt;
    const times = keptOf(id).times + 1;
    queue = queue.slice(1);
    set("prompts", id, { times, due: dueAfter(times, Date.now()) });
    show();
  });
  not.addEventListener("click", () => {
    const [first, ...rest] = queue;
    set("prompts", first.dataset.prompt, { times: 0, due: 0 });
    queue = [...rest.slice(0, 2), first, ...rest.slice(2)]; // again at once: after two others
    show();
  });
  show(false);
  return () => {
    queue = dueOf(cards, Date.now());
    show(false);
  };
}

/** Buttons that give what is kept as a file, take one, and forget it all. */
function care(place, changed) {
  const said = make("span", {});
  said.setAttribute("role", "status");
  const out = make("button", { type: "button", textContent: "Save my progress as a file" });
  const file = make("input", { type: "file", accept: "application/json,.json" });
  const reset = make("button", { type: "button", textContent: "Forget my progress" });
  out.addEventListener("click", () => saveJson("marginlab-progress.json", all()));
  file.addEventListener("change", async () => {
    try {
      const found = JSON.parse(await file.files[0].text());
      // What was made to be handed in is a part, and would put the rest out of mind.
      const whole = !Object.hasOwn(found, "marginlab");
      if (!whole || !Object.values(cleaned(found)).some((part) => Object.keys(part).length)) throw new Error("nothing");
      replace(found);
      said.textContent = "Your progress is back.";
    } catch {
      said.textContent = "That file holds no progress of this book. Nothing was changed.";
    }
    file.value = "";
    changed();
  });
  let sure = false;
  reset.addEventListener("click", () => {
    if (sure) {
      replace({});
      changed();
    }
    said.textContent = sure ? "All is forgotten." : "";
    sure = !sure;
    reset.textContent = sure ? "Really forget it all?" : "Forget my progress";
  });
  const bring = make("label", {}, "Bring it back from a file: ", file);
  place.append(make("p", {}, out, " ", reset), make("p", {}, bring), make("p", {}, said));
}

export function review(version) {
  const place = document.querySelector(".marginlab-review");
  if (!place) return;
  const cards = /** @type {HTMLElement[]} */ ([...place.querySelectorAll("[data-prompt]")]);
  place.classList.add("marginlab-live");
  const changed = ask(place, cards);
  const box = /** @type {HTMLElement} */ (document.querySelector(".marginlab-care"));
  box.hidden = false;
  care(box, changed);
  handIn(box, version);
}
