// "embed": a dialog that makes the link to an explorer alone, and the line that puts it into a page of one's own.

import { copied } from "./clipboard.js";
import { write } from "./link.js";
import { say } from "./say.js";
import { FAMILY } from "./tables.js";

const HEIGHT = 720; // px: all of an explorer, at a width from 700 px on

export const SHARE = `
.mle { box-sizing: border-box; width: min(620px, calc(100vw - 16px)); max-height: calc(100vh - 16px); padding: 14px 18px;
  overflow: auto; color: #2b2d33; background: #ffffff; border: 1px solid #8b909a; border-radius: 10px;
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.mle::backdrop { background: #0007; }
.mle h2 { font-size: 19px; line-height: 1.3; margin: 0 0 6px; }
.mle p { margin: 0 0 8px; }
.mle table { display: table; width: auto; margin: 0 0 10px; border-collapse: collapse; font: inherit; }
.mle :is(th, td) { padding: 2px 18px 2px 0; border: 0; text-align: left; font-weight: 400; background: none; }
.mle thead th { font-weight: 650; }
.mle td label { display: block; padding: 3px 8px; }
.mle [type=checkbox] { width: 18px; height: 18px; margin: 0; vertical-align: middle; accent-color: #1a74cf; }
.mle-field { display: block; margin: 0 0 2px; font-weight: 650; }
.mle :is([type=url], [type=text], textarea) { box-sizing: border-box; width: 100%; padding: 5px 8px; color: inherit;
  background: transparent; border: 1px solid #767b85; border-radius: 6px; font: 13px/1.4 ui-monospace, Menlo, Consolas, monospace; }
.mle textarea { resize: vertical; }
.mle button { font: inherit; min-height: 34px; padding: 3px 12px; margin: 3px 6px 9px 0; color: inherit; cursor: pointer;
  background: #f4f5f7; border: 1px solid #8b909a; border-radius: 6px; }
.mle :is(button, input, textarea):focus-visible { outline: 2px solid #1a74cf; outline-offset: 2px; }
html[data-theme="dark"] .mle { color: #eceef2; background: #15171b; }
html[data-theme="dark"] .mle button { background: #23262c; }
html[data-theme="dark"] .mle [type=checkbox] { accent-color: #6db5ff; }
html[data-theme="dark"] .mle :is(button, input, textarea):focus-visible { outline-color: #6db5ff; }
@media print { .mlx .mle-open { display: none; } }
`;

const HTML = `<form method="dialog">
<h2 id="mle-title">${say`Put this explorer into a page of yours`}</h2>
<p>${say`It stands there alone, as it is set now. What you hide is not there for its readers; what you lock shows its value.`}</p>
<table><thead><tr><th scope="col">${say`control`}</th><th scope="col">${say`hide`}</th><th scope="col">${say`lock`}</th></tr></thead>
<tbody></tbody></table>
<label class="mle-field" for="mle-book">${say`The book’s address on the web`}</label>
<input type="url" id="mle-book" aria-describedby="mle-file" autocomplete="off" spellcheck="false">
<p id="mle-file" role="status"></p>
<label class="mle-field" for="mle-link">${say`Link`}</label>
<input type="text" id="mle-link" readonly><button type="button" data-copy="mle-link">${say`copy the link`}</button>
<label class="mle-field" for="mle-line">${say`Line for a page, as Moodle’s or Canvas’s HTML takes it`}</label>
<textarea id="mle-line" rows="4" readonly></textarea><button type="button" data-copy="mle-line">${say`copy the line`}</button>
<button value="close">${say`close`}</button></form>`;
const FILE = say`This page is a file, which others cannot open. Write here where the book is on the web.`;

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** The link to an explorer alone; book: the address of the book's folder, settings and withheld as in link.js. */
export const linkOf = (book, settings, withheld) => `${book}embed.html#explorer?${write(settings, withheld)}`;

/** The line of HTML with which it stands in a page. */
export function lineOf(link, { head }) {
  const title = say`Explorer: ${FAMILY[head].title}`;
  return `<iframe src="${escaped(link)}" title="${escaped(title)}" width="100%" height="${HEIGHT}" style="border: 0" allow="clipboard-write"></iframe>`;
}

/** A row of the table: a control's name as the page has it, and two boxes. */
function rowOf([name, title]) {
  const row = document.createElement("tr");
  const head = Object.assign(document.createElement("th"), { textContent: title, scope: "row" });
  const boxes = [
    ["hide", say`hide`],
    ["lock", say`lock`],
  ].map(([what, said]) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", name: what, value: name });
    box.setAttribute("aria-label", `${said} ${title}`);
    const [cell, label] = [document.createElement("td"), document.createElement("label")];
    label.append(box);
    cell.append(label);
    return cell;
  });
  row.append(head, ...boxes);
  return row;
}

/** Copies what a field holds, and says so on the button. */
async function copy(button, field) {
  button.textContent = (await copied(field.value, field)) ? say`copied` : say`marked: copy it by hand`;
}

/** Opens the dialog. home: the address of the book's folder; "" where it is on no web. */
function open(opener, { settings, controls }, home) {
  const dialog = Object.assign(document.createElement("dialog"), { className: "mle", innerHTML: HTML });
  dialog.setAttribute("aria-labelledby", "mle-title");
  const $ = (query) => /** @type {any} */ (dialog.querySelector(query));
  $("tbody").append(...controls.map(rowOf));
  $("#mle-book").value = home;
  const chosen = (what) =>
    [...dialog.querySelectorAll(`[name=${what}]:checked`)].map((/** @type {any} */ it) => it.value);
  const fill = () => {
    const book = $("#mle-book").value.trim();
    const link = linkOf(book && book.replace(/\/?$/, "/"), settings, { hide: chosen("hide"), lock: chosen("lock") });
    $("#mle-file").textContent = book ? "" : FILE;
    $("#mle-link").value = link;
    $("#mle-line").value = lineOf(link, settings);
  };
  dialog.addEventListener("input", fill);
  for (const button of dialog.querySelectorAll("[data-copy]"))
    button.addEventListener("click", () => copy(button, $(`#${button.getAttribute("data-copy")}`)));
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener.focus();
  });
  fill();
  document.body.append(dialog);
  dialog.showModal();
}

/** The button that opens it. now(): {settings, controls: [[name, title], …]} at that moment; address: of the page's script. */
export function makeShare(now, address) {
  const button = Object.assign(document.createElement("button"), {
    type: "button",
    textContent: say`embed`,
    className: "mle-open",
  });
  button.setAttribute("aria-haspopup", "dialog");
  const home = new URL("../", address);
  button.addEventListener("click", () => open(button, now(), home.protocol === "file:" ? "" : home.href));
  return button;
}
