// The digit that is looked at: its image, label, angle and logits.

import { answer, logits } from "./frame.js";
import { say } from "./say.js";
import { degrees } from "./words.js";

const { abs, max, min } = Math;
const HINT = say`Point at a dot, or focus on the picture and use the arrow keys, to see its digit.`;

/** Only what changes is written: the browser lays out anew for every writing. */
export function write(element, html) {
  if (element.mlxWritten === html) return;
  element.innerHTML = html;
  element.mlxWritten = html;
}

/** Paints image i of images (14 × 14 of 0 to 15) into a canvas of that size. */
function stamp(canvas, images, i) {
  const pen = canvas.getContext("2d");
  const picture = pen.createImageData(14, 14);
  for (let k = 0; k < 196; k++) picture.data.set([43, 45, 51, images[196 * i + k] * 17], 4 * k);
  pen.fillStyle = "#f4f5f7";
  pen.putImageData(picture, 0, 0);
  pen.globalCompositeOperation = "destination-over";
  pen.fillRect(0, 0, 14, 14);
  pen.globalCompositeOperation = "source-over";
}

/** Writes what there is to say of scene.focus into elements {image, which, bars}. */
export function showPoint({ image, which, bars }, images, { frame, thetas, colours, focus, labels, settings }) {
  image.hidden = focus == null || !images;
  if (focus == null) {
    write(which, HINT);
    write(bars, "");
    return;
  }
  if (images) stamp(image, images, focus);
  const values = logits(frame, focus, settings);
  const read = answer(frame, focus, settings);
  const theta = Number.isFinite(thetas[focus]) ? degrees(thetas[focus]) : say`none`;
  const what = settings.head === "softmax" && !frame.linear ? say`cosines` : say`logits`;
  write(
    which,
    say`Digit ${labels[focus]}, read as ${read < 0 ? say`nothing` : read}. θ to its class: ${theta}. Its ${what}, class by class:`,
  );
  const [low, high] = [min(...values), max(...values)];
  const shown = (v) => (Number.isFinite(v) ? v.toFixed(abs(v) < 10 ? 1 : 0).replace("-", "−") : "NaN");
  const bar = (v, j) =>
    `<span><i style="--c:${colours[j]};--h:${(v - low) / (high - low) || 0}"></i><b>${j}</b><br>${shown(v)}</span>`;
  write(bars, values.map(bar).join(""));
}
