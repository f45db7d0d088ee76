// Built pages as chapters of an EPUB: what a browser without scripts shows, with nothing folded, as XHTML.
//
// The browser does the work: it parses without running anything, MathJax gives each formula as MathML, and the
// serializer writes XML that is well formed.

const XHTML = "http://www.w3.org/1999/xhtml";
/** What only a screen with scripts has a use for. */
const DROPPED =
  "script, style, button, input, svg, .headerlink, .marginlab-see, .marginlab-care, .sd-summary-icon, .viewcode-link";
/** What readers' programs do not know, or fold, and what it becomes. */
const RENAMED = { fieldset: "div", legend: "p", details: "div", summary: "p", label: "span", noscript: "div" };
const KEPT = ["id", "class", "href", "src", "alt", "colspan", "rowspan", "scope", "start", "lang"];
/** The words of an explorer's picture that are not so here. */
const NOT_HERE = "With JavaScript this picture has sliders, and a network that retrains as they move.";
const HERE = "In the book for the browser this picture has sliders, and a network that retrains as they move.";

/** @param {Element} old @param {string} name */
function rename(old, name) {
  const made = old.ownerDocument.createElement(name);
  for (const { name: key, value } of old.attributes) made.setAttribute(key, value);
  made.classList.add(`was-${old.localName}`);
  made.append(...old.childNodes);
  old.replaceWith(made);
}

/** A formula in TeX as MathML, with the TeX beside it. @param {string} tex @param {boolean} display */
function mathml(tex, display) {
  const text = /** @type {any} */ (globalThis).MathJax.tex2mml(tex, { display });
  const made = new DOMParser().parseFromString(text.replace(/&nbsp;/g, "\u00a0"), "application/xml").documentElement;
  if (made.localName !== "math" || made.querySelector("merror, parsererror")) throw new Error(`no MathML of ${tex}`);
  for (const it of [made, ...made.querySelectorAll("*")]) {
    for (const { name } of [...it.attributes]) if (/^(class|style|data-.*)$/.test(name)) it.removeAttribute(name);
  }
  made.setAttribute("alttext", tex.replace(/\\class\{[\w-]+\}/g, "").trim());
  return made;
}

/** Puts MathML in the place of each formula of an article. @param {Element} article */
function formulas(article) {
  for (const it of article.querySelectorAll(".math")) {
    const words = /** @type {Text[]} */ ([...it.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE));
    const [, open, tex] = /^\s*\\([[(])([\s\S]*)\\[\])]\s*$/.exec(words.map((node) => node.data).join("")) ?? [];
    if (tex === undefined) throw new Error(`no formula: ${it.outerHTML.slice(0, 200)}`);
    for (const node of words) node.remove();
    it.append(mathml(tex, open === "["));
  }
}

/** Names the files of an article's pictures; those that stand in the page itself go into `files`. */
function pictures(article, url, files) {
  for (const it of article.querySelectorAll("img")) {
    const source = it.getAttribute("src") ?? "";
    const inside = /^data:image\/(png|svg)\S*?(;base64)?,/.exec(source);
    if (!inside) {
      const path = new URL(source, url).pathname.slice(1);
      files[path] = "";
      it.setAttribute("src", path);
      continue;
    }
    const rest = source.slice(inside[0].length);
    const data = inside[2] ? rest : btoa(unescape(rest)); // whose escapes are of UTF-8 bytes, one each
    const name = `_images/in-${Object.keys(files).length}.${inside[1]}`;
    files[name] = data;
    it.setAttribute("src", name);
  }
}

/** Links within the book lead to its chapters; those to what is not in it become plain words. */
function links(article, url, names) {
  for (const it of article.querySelectorAll("a")) {
    const href = it.getAttribute("href");
    const to = href && !/^#explorer(-\d+)?(\?|$)/.test(href) ? new URL(href, url) : null;
    if (to && to.origin !== url.origin) continue;
    const page = to?.pathname.slice(1).replace(/\.html$/, "") ?? "";
    if (to && Object.hasOwn(names, page)) it.setAttribute("href", `${names[page]}${decodeURIComponent(to.hash)}`);
    else it.replaceWith(...it.childNodes);
  }
}

/** Code that is folded says what it is, and no longer what a click would do. @param {Element} article */
function unfolded(article) {
  for (const it of article.querySelectorAll("summary:has(.collapsed)")) {
    const said = (it.querySelector(".collapsed")?.textContent ?? "")
      .replace(/^Show /, "")
      .replace("code cell source", "the code");
    it.textContent = `${said.charAt(0).toUpperCase()}${said.slice(1)}`;
  }
}

/** Tables of many columns get smaller letters: a page of paper does not scroll. @param {Element} article */
function tables(article) {
  for (const it of article.querySelectorAll("table")) {
    const many = Math.max(...[...it.rows].map((row) => row.cells.length));
    if (many > 6) it.classList.add("wide");
  }
}

/** What is left of an article is plain: elements that are known, with attributes that are known. */
function plain(article) {
  for (const it of article.querySelectorAll(DROPPED)) it.remove();
  unfolded(article);
  tables(article);
  for (const [old, name] of Object.entries(RENAMED)) for (const it of article.querySelectorAll(old)) rename(it, name);
  const texts = article.ownerDocument.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = /** @type {Text} */ (texts.currentNode);
    text.data = text.data.replace(NOT_HERE, HERE);
  }
  for (const it of [article, ...article.querySelectorAll("*")]) {
    for (const { name } of [...it.attributes]) if (!KEPT.includes(name)) it.removeAttribute(name);
    if (!it.getAttribute("class")) it.removeAttribute("class");
  }
}

const words = (it) => it?.textContent?.replace(/\s+/g, " ").trim() ?? "";

/** An article as a chapter's file. @param {Element} article @param {string} title */
function file(article, title) {
  const page = document.implementation.createDocument(XHTML, "html");
  const make = (name, attributes = {}, ...inner) => {
    const made = page.createElementNS(XHTML, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...inner);
    return made;
  };
  const style = make("link", { rel: "stylesheet", type: "text/css", href: "book.css" });
  page.documentElement.setAttribute("lang", "en");
  page.documentElement.setAttribute("xml:lang", "en");
  page.documentElement.append(
    make("head", {}, make("title", {}, title), style),
    make("body", {}, ...[...article.childNodes].map((node) => page.importNode(node, true))),
  );
  return new XMLSerializer().serializeToString(page);
}

/** Links to a place that no chapter has lead to the chapter. @param {{name: string, article: Element}[]} chapters */
function places(chapters) {
  const known = new Set(
    chapters.flatMap(({ name, article }) => [...article.querySelectorAll("[id]")].map((it) => `${name}#${it.id}`)),
  );
  for (const { article } of chapters) {
    for (const it of article.querySelectorAll('a[href*=".xhtml#"]')) {
      const href = it.getAttribute("href") ?? "";
      if (!known.has(href)) it.setAttribute("href", href.replace(/#.*/, ""));
    }
  }
}

/**
 * The chapters, and the pictures that they show: of those from the book's own folder the path alone.
 * @param {{path: string, name: string, html: string}[]} pages path: as in a link, without its ending; name: of the file
 */
export function convert(pages) {
  const names = Object.fromEntries(pages.map(({ path, name }) => [path, name]));
  /** @type {Record<string, string>} */
  const files = {};
  const chapters = pages.map(({ path, name, html }) => {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    const article = /** @type {Element} */ (parsed.querySelector("article"));
    const url = new URL(`https://book.invalid/${path}.html`);
    plain(article);
    pictures(article, url, files);
    links(article, url, names);
    formulas(article);
    return { name, article };
  });
  places(chapters);
  const made = chapters.map(({ name, article }) => {
    const title = words(article.querySelector("h1"));
    const sections = [...article.querySelectorAll("section[id] > h2")].map((it) => [it.parentElement?.id, words(it)]);
    return { name, title, sections, text: file(article, title), maths: Boolean(article.querySelector("math")) };
  });
  return { chapters: made, files };
}
