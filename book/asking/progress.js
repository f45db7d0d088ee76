// How far a reader has come: ticks in the sidebar, and the way back to where the reading stopped.

import { make } from "./dom.js";
import { all, replace } from "./kept.js";
import { say } from "../../marginlab/explorer/js/say.js";

const LESSON = /lessons\/(\w+)\/lesson\.html$/;
const SIDEBAR = ".bd-sidebar-primary a.reference.internal";
const lessonOf = (path) => LESSON.exec(path)?.[1];

/** Of a lesson how many of those that it asks are done: a right answer, a prediction that was made or shown. */
function count(asked) {
  const { questions, predictions } = all();
  const done = (name) => {
    const [kind, id] = [name.slice(0, name.indexOf("-")), name.slice(name.indexOf("-") + 1)];
    return kind === "question"
      ? Object.hasOwn(questions, id) && questions[id] === true
      : Object.hasOwn(predictions, id);
  };
  return asked.filter(done).length;
}

function ticks(table) {
  for (const link of document.querySelectorAll(SIDEBAR)) {
    const { href } = /** @type {HTMLAnchorElement} */ (link);
    const lesson = lessonOf(new URL(href).pathname);
    if (!lesson || !Object.hasOwn(table, lesson)) continue;
    link.querySelector(".marginlab-tick")?.remove();
    const [done, many] = [count(table[lesson]), table[lesson].length];
    if (!done) continue;
    const text = done === many ? "✓" : `${done}/${many}`;
    const tick = make("span", { className: "marginlab-tick", textContent: ` ${text}` });
    tick.setAttribute("role", "img");
    tick.setAttribute("aria-label", done === many ? say`all done` : say`${done} of ${many} done`);
    link.append(tick);
  }
}

/** The address of a chapter, in the language of the page where there is one. */
function chapter(lesson) {
  const links = /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(SIDEBAR));
  const link = [...links].find(({ href }) => lessonOf(new URL(href).pathname) === lesson);
  return (
    link?.href.replace(/#.*$/, "") ??
    `${document.documentElement.dataset.content_root ?? "./"}lessons/${lesson}/lesson.html`
  );
}

/** Remembers the last heading that was read past, of a chapter. */
function follow(here) {
  const headings = [...document.querySelectorAll("article section > h2")];
  let asked = 0;
  const look = () => {
    asked = 0;
    const read = headings.filter((heading) => heading.getBoundingClientRect().top < innerHeight / 2);
    const last = read[read.length - 1];
    if (!last || !scrollY) return;
    const [id, words] = [last.parentElement?.id, last.firstChild?.textContent?.trim()];
    const { place } = all();
    if (place.id !== id || place.lesson !== here) replace({ ...all(), place: { lesson: here, id, words } });
  };
  addEventListener("scroll", () => (asked ||= requestAnimationFrame(look)), { passive: true });
}

/** The link back, in the sidebar and on the first page. */
function goOn(table, here) {
  const { lesson, id, words } = all().place;
  for (const old of document.querySelectorAll(".marginlab-goon")) old.remove();
  if (typeof words !== "string" || typeof id !== "string" || !Object.hasOwn(table, lesson) || lesson === here) return;
  const link = () => {
    const href = `${chapter(lesson)}#${encodeURIComponent(id)}`;
    return make("a", { href, textContent: say`Go on: chapter ${Number(lesson.slice(0, 2))}, ${words}` });
  };
  const paragraph = () => make("p", { className: "marginlab-goon" }, link());
  document.querySelector(".bd-sidebar-primary nav.bd-links")?.prepend(paragraph());
  if (/\/book\/intro\.html$/.test(location.pathname)) document.querySelector("article h1")?.after(paragraph());
}

export function progress(table) {
  const here = lessonOf(location.pathname);
  const draw = () => ticks(table);
  document.addEventListener("marginlab-kept", draw);
  draw();
  goOn(table, here);
  if (here) follow(here);
}
