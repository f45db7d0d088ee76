// The engine in a worker: unpacks the images once, and trains whatever it is asked to, one run at a time.

import { follow } from "./course.js";
import { simd } from "./kernels.js";
import { plain } from "./loops.js";
import { PIXELS, pack, unpack } from "./network.js";
import { IMAGES } from "./tables.js";

/** The two sets and the sample from a file of images: two pixels a byte, then labels, then the sample's indices. */
export function read(buffer, kernels, which = "all") {
  const { train: many, test: few } = IMAGES[which];
  const half = PIXELS / 2;
  let at = 0;
  const take = (n) => new Uint8Array(buffer, (at += n) - n, n);
  const parts = [many * half, few * half, many, few].map(take);
  const sample = Uint32Array.from(new Uint16Array(buffer.slice(at)));
  const data = { train: unpack(parts[0], parts[2], kernels), test: unpack(parts[1], parts[3], kernels), sample };
  kernels.keep?.();
  return data;
}

/** Base64 of a gzip file to an ArrayBuffer. */
async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/**
 * Makes a worker's scope answer: each {images, which} comes once, and is answered with {ready: which} when they are
 * unpacked; each {run, settings, which}, settings as in moves.js, with {run, frame} time and again, and at its end with
 * {run, done}, {run, stopped} or {run, error}. A new run ends the one before it: that one looks, every few steps, whether
 * there is any. {drawn}, an image of 28 × 28, is answered with {drawn}, its embedding by the newest weights.
 */
export function serve(scope, kernels = simd() ?? plain) {
  const channel = new MessageChannel();
  channel.port1.start();
  const breath = () =>
    new Promise((done) => {
      channel.port1.addEventListener("message", done, { once: true });
      channel.port2.postMessage(0);
    });
  const sets = new Map();
  let current;
  let reader;
  let everyone;
  const kept = []; // of the newest course
  const take = async (images, which) => {
    sets.set(
      which,
      inflate(images).then((buffer) => read(buffer, kernels, which)),
    );
    await sets.get(which);
    scope.postMessage({ ready: which });
  };
  const follows = async (run, settings, which) => {
    current = run;
    const data = await sets.get(which);
    if (run !== current) return;
    const options = { kernels, epochs: IMAGES[which].epochs, onReader: (...its) => ([reader, everyone] = its) };
    for (const frame of follow(data, settings, options, kept)) {
      if (frame) scope.postMessage({ run, frame }, [frame.embeddings.buffer, frame.directions.buffer]);
      await breath();
      if (run !== current) return scope.postMessage({ run, stopped: true });
    }
    scope.postMessage({ run, done: true });
  };
  scope.onmessage = async ({ data: { images, which, run, settings, drawn, guests } }) => {
    try {
      if (drawn && reader) scope.postMessage({ drawn: reader(pack(drawn)) });
      if (guests && reader)
        scope.postMessage({ guests: { places: guests.map((it) => reader(pack(it))), ...everyone() } });
      if (images) await take(images, which);
      if (settings) await follows(run, settings, which);
    } catch (error) {
      scope.postMessage({ run, error: String(error) });
    }
  };
}
