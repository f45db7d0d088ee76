// @ts-check
// A sheet's page: folds its hints, and tells whether the number or word in a field is right. What is right is not
// in the page: only on which step of a ladder it lies, as a salted SHA-256 (book/_ext/sheet_page.py).
// All in a function: a script that is opened from a file can be no module, and its names would be the page's.

(() => {
  const ZERO = 1e-9; // what is nearer to 0 is 0

  /** The first 32 bits of the fractional parts of the roots of the first primes. @param {number} root */
  function constants(root, /** @type {number} */ count) {
    const out = [];
    for (let n = 2; out.length < count; n++) {
      let prime = true;
      for (let k = 2; k * k <= n; k++) prime &&= n % k !== 0;
      if (prime) out.push(((n ** (1 / root) % 1) * 2 ** 32) | 0);
    }
    return out;
  }

  /** SHA-256 of a text, in hexadecimal. Not the browser's own: over plain http it has none. @param {string} text */
  function sha256(text) {
    const bytes = new TextEncoder().encode(text);
    const words = new Int32Array((((bytes.length + 8) >> 6) + 1) * 16);
    for (let k = 0; k < bytes.length; k++) words[k >> 2] |= bytes[k] << (24 - 8 * (k % 4));
    words[bytes.length >> 2] |= 0x80 << (24 - 8 * (bytes.length % 4));
    words[words.length - 1] = bytes.length * 8;
    const [state, rounds] = [constants(2, 8), constants(3, 64)];
    const turn = (/** @type {number} */ x, /** @type {number} */ n) => (x >>> n) | (x << (32 - n));
    const w = new Int32Array(64);
    for (let start = 0; start < words.length; start += 16) {
      let [a, b, c, d, e, f, g, h] = state;
      for (let k = 0; k < 64; k++) {
        const [x, y] = [w[k - 15], w[k - 2]];
        w[k] =
          k < 16
            ? words[start + k]
            : w[k - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[k - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
        const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + rounds[k] + w[k];
        const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        [a, b, c, d, e, f, g, h] = [(one + two) | 0, a, b, c, (d + one) | 0, e, f, g];
      }
      for (const [k, it] of [a, b, c, d, e, f, g, h].entries()) state[k] = (state[k] + it) | 0;
    }
    return state.map((it) => (it >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** The step that an answer lies on, or "" where it is none. @param {HTMLElement} field @param {string} text */
  function step(field, text) {
    const { kind, step: height, shift } = field.dataset;
    if (kind === "word") return text.replace(/^["'\s]+|["'\s]+$/g, "").toLowerCase();
    const plain = text.trim().replace("−", "-");
    const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) ? Number(plain) : Number.NaN;
    if (!Number.isFinite(value)) return "";
    if (Math.abs(value) <= ZERO) return "0";
    return `${value < 0 ? "-" : "+"}${Math.floor(Math.log(Math.abs(value)) / Number(height) + Number(shift))}`;
  }

  /** What there is to say of an answer. @param {HTMLElement} field @param {string} text */
  function verdict(field, text) {
    const at = step(field, text);
    if (!at && field.dataset.kind === "word") return ["", "Write one of the two words."];
    if (!at)
      return [
        "",
        "That is no number. Write one such as 0.25, -3 or 1e-4, with a point; expressions are for the notebook.",
      ];
    if (sha256(`${field.dataset.salt}:${at}`) === field.dataset.mark) return ["true", "Right."];
    return ["false", "Not right yet. Work it out once more, or run the cell after it in the notebook."];
  }

  /** A line to fill in becomes a field with a button. @param {HTMLElement} field */
  function live(field) {
    const label = /** @type {HTMLLabelElement} */ (field.querySelector("label"));
    const input = Object.assign(document.createElement("input"), {
      id: `field-${field.dataset.salt}`,
      type: "text",
      autocomplete: "off",
      spellcheck: false,
    });
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Check" });
    const said = document.createElement("output");
    label.htmlFor = said.htmlFor.value = input.id;
    button.setAttribute("aria-label", `Check ${label.textContent?.replace("=", "").trim()}`);
    const check = () => {
      const [right, words] = verdict(field, input.value);
      field.dataset.right = right;
      said.textContent = words;
    };
    button.addEventListener("click", check);
    input.addEventListener("keydown", (event) => event.key === "Enter" && check());
    input.addEventListener("input", () => {
      said.textContent = "";
      delete field.dataset.right;
    });
    field.querySelector(".marginlab-blank")?.replaceWith(input);
    field.append(button, said);
  }

  for (const it of document.querySelectorAll(".marginlab-field")) live(/** @type {HTMLElement} */ (it));

  const folds = /** @type {HTMLDetailsElement[]} */ ([...document.querySelectorAll(".marginlab-fold")]);
  const open = () => folds.filter((it) => it.open);
  const fold = (/** @type {HTMLDetailsElement[]} */ those) => {
    for (const it of folds) it.open = those.includes(it);
  };
  let before = open().filter(() => false);
  fold(before);
  // On paper everything is shown.
  addEventListener("beforeprint", () => {
    before = open();
    fold(folds);
  });
  addEventListener("afterprint", () => fold(before));
})();
