// The explorer's life in a notebook: what the kernel sends, handed to the view. `widget.py` joins this with the others.

import { createView } from "./view.js";

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
// Copied, since a message's buffers may lie at any offset, and floats may not.
const floats = (view) => new Float32Array(bytes(view).slice().buffer);

/**
 * Whether an element keeps the arrow keys to itself: a notebook goes from cell to cell by them, and Notebook 7 hears
 * them before a slider does.
 */
const keeps =
  (el) =>
  (/** @type {any} */ { target, key }) => {
    if (el.parentElement?.contains(target))
      target.toggleAttribute("data-lm-suppress-shortcuts", key.startsWith("Arrow"));
  };

export function render({ model, el }) {
  const labels = bytes(model.get("labels")).slice();
  const images = bytes(model.get("images")).slice();
  const embed = (image) => model.send({ drawn: true }, undefined, [image.buffer]);
  const view = createView(el, { labels, images, embed, group: model.get("group") });
  let run = null; // the run that the view shows

  const push = (facts, parts) => {
    const [embeddings, directions, linear] = parts.map(floats);
    view.push({ ...facts, loss: facts.loss ?? NaN, accuracy: facts.accuracy ?? NaN, embeddings, directions, linear });
  };
  /** A whole run: one that ended before this view was there, or of which it has missed frames. */
  const whole = () => {
    const { id, settings, frames, words } = model.get("run");
    if (id === undefined) return;
    if (id !== run || view.frames.length !== frames.length) {
      view.reset(settings);
      const all = model.get("floats");
      let at = all.byteOffset;
      for (const { sizes, ...facts } of frames) {
        push(
          facts,
          sizes.map((size) => new DataView(all.buffer, (at += size) - size, size)),
        );
      }
    }
    run = id;
    view.notice("");
    view.done(words);
  };
  const heard = (message, buffers) => {
    if (message.drawn) return view.landed(floats(buffers[0]));
    view.notice("");
    if (message.settings) {
      run = message.id;
      view.reset(message.settings);
      view.done(message.words);
    }
    if (message.frame && message.id === run) push(message.frame, buffers);
    if (message.notice) view.notice(message.notice);
  };
  const lost = () => view.notice("The kernel has stopped. Run the cell again to go on.");

  model.on("change:run", whole);
  model.on("msg:custom", heard);
  model.on("comm_live_update", lost);
  whole();
  const keep = keeps(el);
  addEventListener("keydown", keep, true);
  return () => {
    removeEventListener("keydown", keep, true);
    model.off("change:run", whole);
    model.off("msg:custom", heard);
    model.off("comm_live_update", lost);
    view.destroy();
  };
}
