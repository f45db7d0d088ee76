// What a page says, in its reader's language: the English of the scripts, or what a catalogue has in its place.

/** A text with what stands in its gaps, {0}, {1} and so on. */
const filled = (text, values) => text.replace(/\{(\d+)\}/g, (gap, k) => (k < values.length ? values[k] : gap));

/**
 * The translation of a text that comes from a table. A Chinese page has loaded the catalogue before.
 * @param {string} text
 * @returns {string}
 */
export function translated(text) {
  const words = /** @type {any} */ (globalThis).marginlabWords;
  return words && Object.hasOwn(words, text) ? words[text] : text;
}

/**
 * say`at scale ${s} the loss is ${l}` is looked up as "at scale {0} the loss is {1}". book/chinese.py finds each by its tag.
 * @param {TemplateStringsArray} parts
 * @param {...any} values
 */
export function say(parts, ...values) {
  const text = parts.reduce((before, part, k) => `${before}{${k - 1}}${part}`);
  return filled(translated(text), values);
}
