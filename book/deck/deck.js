// @ts-check
// Turns the slides of a deck, by keys, by a clicker and by two buttons; opens the speaker's notes in a window of their own.
// All in a function: a script that is opened from a file can be no module, and its names would be the page's.

(() => {
  const [WIDTH, HEIGHT] = [1280, 720];
  const FORWARD = ["ArrowRight", "ArrowDown", "PageDown", " "];
  const BACK = ["ArrowLeft", "ArrowUp", "PageUp"];
  const MINE = "input, select, textarea, button, canvas, summary"; // what has keys of its own
  const main = /** @type {HTMLElement} */ (document.querySelector("main"));
  const slides = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".slide")]);
  const wish = matchMedia("(prefers-color-scheme: dark)");
  const turn = Object.assign(document.createElement("nav"), { className: "turn" });
  const place = document.createElement("span");
  /** @type {Window | null} */
  let speaker = null;
  let at = 0;

  /** Dark where the system is, and on paper never. */
  const dress = (dark = wish.matches) => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  };
  const fit = () => main.style.setProperty("zoom", String(Math.min(innerWidth / WIDTH, innerHeight / HEIGHT)));
  /** What of a slide still waits for a key. @param {HTMLElement} slide */
  const waiting = (slide) => [...slide.querySelectorAll(".later:not(.come)")];

  /** Shows a slide; whole: with all that waits for a key. @param {number} to @param {boolean} [whole] */
  function show(to, whole = false) {
    at = Math.max(0, Math.min(to, slides.length - 1));
    slides.forEach((slide, k) => slide.classList.toggle("now", k === at));
    for (const each of slides[at].querySelectorAll(".later")) each.classList.toggle("come", whole);
    place.textContent = `${at + 1} / ${slides.length}`;
    if (!location.hash.startsWith("#explorer") || !slides[at].querySelector(".marginlab-explorer"))
      history.replaceState(history.state, "", `#${at + 1}`);
    note();
  }

  function forward() {
    const [next] = waiting(slides[at]);
    if (next) next.classList.add("come");
    else if (at < slides.length - 1) show(at + 1);
  }

  const back = () => at && show(at - 1, true);

  /** Writes what the speaker sees: the notes of this slide, and what comes next. */
  function note() {
    if (!speaker || speaker.closed) return;
    const paper = speaker.document;
    const add = (/** @type {string} */ tag, text = "") =>
      paper.body.appendChild(Object.assign(paper.createElement(tag), { textContent: text }));
    const title = (/** @type {number} */ k) => slides[k]?.querySelector("h2")?.textContent ?? "the end";
    paper.body.replaceChildren();
    add("p", `${at + 1} of ${slides.length} · next: ${title(at + 1)}`);
    add("h1", title(at));
    const notes = paper.importNode(/** @type {Node} */ (slides[at].querySelector(".notes")), true);
    /** @type {HTMLElement} */ (notes).hidden = false;
    paper.body.append(notes);
  }

  /** The window belongs to this page, so that it works from a file: nothing is loaded there. */
  function openNotes() {
    speaker = open("", "marginlab-notes", "popup,width=760,height=620");
    if (!speaker) return;
    const paper = speaker.document;
    paper.title = `Notes: ${document.title}`;
    const looks =
      ":root { color-scheme: light dark; } img { max-width: 100%; background: white; } " +
      "body { font: 19px/1.5 system-ui, sans-serif; margin: 1.5rem; max-width: 44rem; }";
    paper.head.replaceChildren(Object.assign(paper.createElement("style"), { textContent: looks }));
    for (const style of document.querySelectorAll("style")) paper.head.append(paper.importNode(style, true));
    speaker.onkeydown = onKey;
    note();
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const busy = /** @type {Element} */ (target).closest?.(MINE);
    // A clicker sends Page Down, whatever has the focus.
    if (busy && !key.startsWith("Page")) return;
    if (FORWARD.includes(key)) forward();
    else if (BACK.includes(key)) back();
    else if (key === "Home") show(0);
    else if (key === "End") show(slides.length - 1);
    else if (key === "n") openNotes();
    else if (key === "f") document.documentElement.requestFullscreen?.();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  /** A button of the two. @param {string} text @param {string} name @param {() => void} does */
  function button(text, name, does) {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    made.setAttribute("aria-label", name);
    made.addEventListener("click", () => {
      does();
      made.blur();
    });
    return made;
  }

  turn.append(
    button("N", "speaker's notes", openNotes),
    button("‹", "slide before", back),
    place,
    button("›", "next slide", forward),
  );
  document.body.append(turn);
  addEventListener("keydown", onKey, true);
  addEventListener("resize", fit);
  wish.addEventListener("change", () => dress());
  addEventListener("beforeprint", () => dress(false));
  addEventListener("afterprint", () => dress());
  /** A link to an explorer leads to its slide, "#7" to the seventh. */
  const follow = () => {
    const name = /^#(explorer(?:-\d+)?)\?/.exec(location.hash)?.[1];
    if (!name) return show(Number(/^#(\d+)$/.exec(location.hash)?.[1] ?? 1) - 1);
    const all = [...document.querySelectorAll(".marginlab-explorer")];
    const found = all[Number(name.split("-")[1] ?? 1) - 1] ?? all[0];
    show(found ? slides.indexOf(/** @type {HTMLElement} */ (found.closest(".slide"))) : 0, true);
  };
  addEventListener("hashchange", follow);
  dress();
  fit();
  follow();
})();
