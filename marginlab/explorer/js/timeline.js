// The moment of a run that is shown: it follows a run that comes in, plays one that is there, and keeps time with others.

import { finite } from "./frame.js";

const { ceil, floor, max, min, round } = Math;

/**
 * draw() paints the moment at `position`, a frame's number or between two; onPlay(playing) hears of starts and stops.
 * Timelines of one group keep the same time, once their runs have ended.
 */
export class Timeline {
  frames = [];
  position = 0;
  following = true;
  playing = false;
  ended = false;
  #asked = 0;
  #before = 0;

  constructor({ draw, onPlay, calm, group = null }) {
    this.draw = draw;
    this.onPlay = onPlay;
    this.calm = calm;
    this.group = group;
    this.heard = (/** @type {any} */ { detail }) => this.#hear(detail);
    if (group) document.addEventListener("marginlab-time", this.heard);
  }

  get last() {
    return this.frames.length - 1;
  }

  /** The frame that is nearest. */
  get now() {
    return this.frames[round(this.position)];
  }

  /** Begins with no frame. */
  clear() {
    Object.assign(this, { frames: [], position: 0 });
  }

  push(frame) {
    this.frames.push(frame);
    if (this.frames.length === 1) this.#before = performance.now();
    this.need();
  }

  /** Ask for one drawing, however many reasons there are. */
  need() {
    if (!this.#asked) this.#asked = requestAnimationFrame((time) => this.#tick(time));
  }

  #tick(time) {
    this.#asked = 0;
    const passed = min(max(time - this.#before, 0) / 1000, 0.1);
    this.#before = time;
    const target = this.playing || this.following ? this.last : this.position;
    if (this.position < target) this.#advance(target, passed);
    if (this.playing && this.position >= this.last) this.pause();
    this.draw();
    if (this.position >= (this.playing || this.following ? this.last : this.position)) return;
    if (this.calm.matches && this.playing) setTimeout(() => this.need(), 250);
    else this.need();
  }

  #advance(target, passed) {
    // A run that comes in is followed closely; one that is played takes its time, ten frames a second.
    const rate = this.playing ? 10 : max(15, 5 * (target - this.position));
    const next = floor(this.position) + 1;
    if (!finite(this.frames[min(next, this.last)])) this.position = next;
    else if (this.calm.matches) this.position = this.playing ? min(next, target) : target;
    else this.position = min(this.position + rate * passed, target);
    this.#share();
  }

  pause() {
    this.playing = false;
    this.onPlay(false);
  }

  toggle() {
    if (this.playing || !this.frames.length) return this.pause();
    if (this.position >= this.last) this.position = 0;
    [this.playing, this.following, this.#before] = [true, false, performance.now()];
    this.onPlay(true);
    this.need();
  }

  seek(to) {
    if (!this.frames.length) return;
    this.pause();
    this.following = false;
    this.position = min(max(to, 0), this.last);
    this.#share();
    this.need();
  }

  back() {
    this.seek(ceil(this.position - 1e-6) - 1);
  }

  on() {
    this.seek(floor(this.position + 1e-6) + 1);
  }

  // Told as a share of the run, since the frames of two may differ in number.
  #share() {
    if (!this.group) return;
    const detail = { group: this.group, from: this, at: this.position / (this.last || 1) };
    document.dispatchEvent(new CustomEvent("marginlab-time", { detail }));
  }

  #hear({ group, from, at }) {
    if (group !== this.group || from === this || !this.frames.length || !this.ended) return;
    this.pause();
    this.following = false;
    this.position = at * this.last;
    this.need();
  }

  end() {
    document.removeEventListener("marginlab-time", this.heard);
    cancelAnimationFrame(this.#asked);
  }
}
