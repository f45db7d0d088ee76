// A digit that the reader draws: the pad, where the newest weights put it, and what is said of it.

import { angles, answer } from "./frame.js";
import { createPad } from "./pad.js";
import { say } from "./say.js";
import { degrees } from "./words.js";

export class OwnDigit {
  drawn = null; // Uint8Array(784)
  place = null; // [x, y], by the newest weights

  /** embed(image) asks where it lies, time and again; changed() hears of what is drawn or wiped. */
  constructor(canvas, embed, changed) {
    this.embed = embed;
    this.wipe = createPad(canvas, (image) => {
      this.drawn = image;
      if (image) embed(image);
      else this.place = null;
      changed();
    });
  }

  /** Ask again: the weights are others. */
  again() {
    if (this.drawn) this.embed(this.drawn);
  }

  landed(embedding) {
    this.place = this.drawn && embedding;
  }

  /** What to say under the pad; shown: the embedding as the scene has it, or null. */
  words({ frame, own: shown, answer: read }) {
    if (shown) {
      const [theta] = angles({ ...frame, embeddings: shown }, [read]);
      return read < 0 ? say`Read as nothing.` : say`Read as ${read}. θ to its direction: ${degrees(theta)}.`;
    }
    if (!this.drawn) return say`Draw a digit in the square, with mouse or finger.`;
    return this.place ? say`Your digit is shown at the last frame.` : say`Waiting for the network …`;
  }

  /** The class that it is taken for in a frame. */
  read(frame, settings) {
    return answer({ ...frame, embeddings: this.place }, 0, settings);
  }
}
