// Copying a text: a browser may refuse, as it does over plain http and in frames.

/**
 * Whether the text was copied. If not, the field that holds it is marked, to be copied by hand.
 * @param {string} text
 * @param {HTMLInputElement | HTMLTextAreaElement} [field]
 */
export async function copied(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field?.focus();
    field?.select();
    return false;
  }
}
