// Files that a reader takes along.

/** Hands a file to the reader. @param {string} name @param {string} href its address */
export function save(name, href) {
  Object.assign(document.createElement("a"), { download: name, href }).click();
}

/** The same of a text. @param {string} name @param {string} text @param {string} type as "text/csv" */
export function saveText(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  save(name, address);
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // by then the browser has it
}
