// @ts-check
// A card for a symbol, a term of the glossary or a paper, where it stands: by pointer, by focus, by touch.
// All in a function: a script that is opened from a file can be no module, and its names would be the page's.

(() => {
  /**
   * @typedef {{name: string, range: string, here: string, first: string[]}} Said
   * @typedef {{symbols: Record<string, Said>, terms: Record<string, string[]>, notation: string}} Cards
   */

  const say = /** @type {any} */ (self).marginlabSay; // asking.js has brought it
  const data = document.getElementById("marginlab-cards");
  /** @type {Cards} */
  const cards = data ? JSON.parse(data.textContent ?? "") : { symbols: {}, terms: {}, notation: "" };

  /** Of a symbol the control of an explorer that has its value, and what of the picture it is, as a link's "look" says. */
  const LIVE = Object.assign(Object.create(null), {
    m: { control: "margin", look: "wedges" },
    scale: { control: "scale", look: "loss" },
    psi: { look: "psi" },
    theta: { told: ".mlx-which", look: "clusters" },
    x: { look: "lengths" },
    length: { look: "lengths" },
    w: { look: "order" },
    L: { look: "loss" },
    p: { look: "right" },
    delta: { look: "wedges" },
  });
  /** Of parts of an explorer the symbols that they show. */
  const SHOWS = [
    ["[name=margin]", ["m"]],
    ["[name=scale]", ["scale"]],
    [".mlx-plane", ["x", "w", "theta"]],
    ["figure:nth-of-type(1) .mlx-chart", ["L"]],
    ["figure:nth-of-type(2) .mlx-chart", ["psi", "theta"]],
    ["figure:nth-of-type(3) .mlx-chart", ["psi", "theta"]],
  ];

  const LINKS = 'article a:is([href*="glossary.html#"], [href*="bibliography.html#id"])';
  const card = Object.assign(document.createElement("div"), { className: "marginlab-card", id: "marginlab-card" });
  card.setAttribute("role", "status");
  card.hidden = true;
  document.body.append(card);
  /** @type {Element | null} */
  let of = null;
  let leaving = 0;

  /** @param {Element} it */
  const nameOf = (it) => [...it.classList].find((name) => name.startsWith("sym-"))?.slice(4) ?? "";

  /** @param {string} name */
  function add(tag, text, name = "") {
    const made = Object.assign(document.createElement(tag), { textContent: text, className: name });
    card.append(made);
    return made;
  }

  /** What an explorer of this page says of a symbol just now; "" for nothing. @param {string} name */
  function live(name) {
    const explorer = document.querySelector(".marginlab-explorer");
    const { control, told } = LIVE[name] ?? {};
    if (!explorer) return "";
    const output = control && explorer.querySelector(`[name=${control}]`)?.closest("label")?.querySelector("output");
    if (output) return say`In the explorer now: ${output.textContent}.`;
    if (!told) return "";
    // Its bars are there once a digit is pointed at.
    if (!explorer.querySelector(".mlx-logits > *")) return say`In the explorer: point at a digit, and it is said of that one.`;
    return say`In the explorer now: ${explorer.querySelector(told)?.textContent}`;
  }

  /** Every place of a symbol, lit or not; and the part of the explorer that shows it. */
  function light(names, on) {
    for (const name of names) {
      const { control } = LIVE[name] ?? {};
      const slider = control && document.querySelector(`.marginlab-explorer [name=${control}]`);
      slider?.closest("label")?.classList.toggle("mlp-lit", on);
      for (const it of document.querySelectorAll(`.sym-${name}`)) it.classList.toggle("marginlab-lit", on);
    }
  }

  /** @param {string} look */
  function mark(look) {
    document.querySelector(".marginlab-explorer")?.dispatchEvent(new CustomEvent("marginlab-look", { detail: look }));
  }

  /** @param {string} name */
  function ofSymbol(name) {
    const said = cards.symbols[name];
    add("strong", said.name);
    if (said.here) add("p", said.here);
    if (said.range) add("p", say`Range: ${said.range}.`);
    const now = live(name);
    if (now) add("p", now, "marginlab-now");
    const where = add("p", said.first.length ? say`First in ` : "");
    const link = (text, href) => where.append(Object.assign(document.createElement("a"), { textContent: text, href }));
    if (said.first.length) {
      link(said.first[0], said.first[1]);
      where.append(" · ");
    }
    link(say`all symbols`, cards.notation);
  }

  /** @param {HTMLAnchorElement} link */
  function ofLink(link) {
    const term = cards.terms[link.hash.slice(1)];
    if (link.title) {
      link.dataset.card = link.title; // the browser's own tip would stand beside the card
      link.title = "";
    }
    if (term) {
      add("strong", term[0]);
      add("p", term[1]);
    } else if (link.dataset.card) add("p", link.dataset.card);
    return Boolean(term || link.dataset.card);
  }

  /** @param {Element} it */
  function place(it) {
    // A formula's box is as wide as the text: its card stands under what is written.
    const at = (it.querySelector("mjx-math") ?? it).getBoundingClientRect();
    card.hidden = false;
    const { width, height } = card.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - width - 8));
    const below = at.bottom + 6 + height < innerHeight;
    card.style.left = `${left + scrollX}px`;
    card.style.top = `${(below ? at.bottom + 6 : Math.max(8, at.top - height - 6)) + scrollY}px`;
  }

  /** Opens the card of a symbol, of a formula with its symbols, or of a link. @param {Element} it */
  function open(it) {
    clearTimeout(leaving);
    if (of === it) return;
    close();
    card.replaceChildren();
    const name = nameOf(it);
    if (name && Object.hasOwn(cards.symbols, name)) {
      ofSymbol(name);
      light([name], true);
      if (Object.hasOwn(LIVE, name)) mark(LIVE[name].look);
    } else if (it instanceof HTMLAnchorElement) {
      if (!ofLink(it)) return;
    } else if (!ofFormula(it)) return;
    of = it;
    place(it);
  }

  /** All symbols of a formula, a line each. @param {Element} it */
  function ofFormula(it) {
    const names = [...new Set([...it.querySelectorAll("[class*=sym-]")].map(nameOf))].filter(
      (name) => name in cards.symbols,
    );
    for (const name of names) {
      const glyph = it.querySelector(`math .sym-${name}`); // as a browser draws it, with its indices
      const letter = document.createElementNS("http://www.w3.org/1998/Math/MathML", "math");
      letter.append(glyph?.cloneNode(true) ?? name);
      for (const part of letter.children) part.removeAttribute("class"); // here it stands for no place in the text
      add("p", "").append(letter, ` ${cards.symbols[name].name}. ${live(name)}`);
    }
    return names.length > 0;
  }

  function close() {
    clearTimeout(leaving);
    if (!of) return;
    const name = nameOf(of);
    if (name) {
      light([name], false);
      if (Object.hasOwn(LIVE, name)) mark("");
    }
    of = null;
    card.hidden = true;
  }

  /** Not at once: the pointer may be on its way to the card. */
  function leave() {
    clearTimeout(leaving);
    leaving = setTimeout(close, 250);
  }

  /** What of a thing pointed at has a card. @param {EventTarget | null} target */
  function subject(target) {
    if (!(target instanceof Element)) return null;
    return target.closest(`[class*="sym-"], ${LINKS}`);
  }

  document.addEventListener("pointerover", (event) => {
    const it = subject(event.target);
    if (it) open(it);
    else if (of && event.target instanceof Element && card.contains(event.target)) clearTimeout(leaving);
    else if (of) leave();
  });
  document.addEventListener("click", (event) => {
    const it = subject(event.target);
    if (it && !(it instanceof HTMLAnchorElement)) open(it);
    else if (event.target instanceof Element && !card.contains(event.target)) close();
  });
  document.addEventListener("focusin", ({ target }) => {
    if (!(target instanceof Element) || card.contains(target)) return clearTimeout(leaving);
    const it = target.closest(LINKS) ?? target.closest("mjx-container");
    if (it) open(it);
    else close();
  });
  document.addEventListener("keydown", ({ key }) => key === "Escape" && close());

  // The other way: what of the picture is pointed at lights its symbols in the text.
  for (const explorer of document.querySelectorAll(".marginlab-explorer")) {
    explorer.addEventListener("pointerover", ({ target }) => {
      const names = (of) => SHOWS.filter(([part]) => of.closest?.(part)).flatMap(([, names]) => names);
      light(
        SHOWS.flatMap(([, names]) => names),
        false,
      );
      light(names(/** @type {Element} */ (target)), true);
    });
    explorer.addEventListener("pointerleave", () =>
      light(
        SHOWS.flatMap(([, names]) => names),
        false,
      ),
    );
  }

  /** A button on each display formula that lists its symbols. */
  function listable() {
    for (const formula of document.querySelectorAll("article div.math")) {
      const shown = formula.querySelector("mjx-container");
      if (!shown?.querySelector("[class*=sym-]") || formula.querySelector(".marginlab-list")) continue;
      const button = Object.assign(document.createElement("button"), { type: "button", className: "marginlab-list" });
      button.textContent = say`symbols`;
      button.setAttribute("aria-label", say`The symbols of this formula`);
      button.addEventListener("click", (event) => {
        event.stopPropagation();
        if (of === shown) close();
        else open(shown);
      });
      formula.append(button);
    }
  }

  const MathJax = /** @type {any} */ (self).MathJax;
  if (MathJax?.startup?.promise) MathJax.startup.promise.then(listable);
  else addEventListener("load", () => /** @type {any} */ (self).MathJax?.startup?.promise?.then(listable));
})();
