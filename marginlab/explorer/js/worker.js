// The engine in a worker: unpacks the images once, and trains whatever it is asked to, one run at a time.

import { follow } from "./course.js";
import { simd } from "./kernels.js";
import { PIXELS, pack, plain, unpack } from "./network.js";

/** The two sets and the sample from one file: images, two pixels a byte, then labels, then the sample's indices. */
export function read(buffer, kernels) {
  const [many, few] = [60000, 10000];
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
 * Makes a worker's scope answer: {images} comes once; each {run, settings}, as in moves.js, is answered with {run, frame} time and again,
 * and at its end with {run, done}, {run, stopped} or {run, error}. A new run ends the one before it: that one looks, every
 * few steps, whether there is any. {drawn}, an image of 28 × 28, is answered with {drawn}, its embedding by the newest weights.
 */
export function serve(scope, kernels = simd() ?? plain) {
  const channel = new MessageChannel();
  channel.port1.start();
  const breath = () =>
    new Promise((done) => {
      channel.port1.addEventListener("message", done, { once: true });
      channel.port2.postMessage(0);
    });
  let data;
  let current;
  let reader;
  const kept = []; // of the newest course
  scope.onmessage = async ({ data: { images, run, settings, drawn } }) => {
    try {
      if (drawn && reader) scope.postMessage({ drawn: reader(pack(drawn)) });
      if (images) data = inflate(images).then((buffer) => read(buffer, kernels));
      if (settings === undefined) return;
      current = run;
      const ready = await data;
      if (run !== current) return;
      for (const frame of follow(ready, settings, { kernels, onReader: (it) => (reader = it) }, kept)) {
        if (frame) scope.postMessage({ run, frame }, [frame.embeddings.buffer, frame.directions.buffer]);
        await breath();
        if (run !== current) return scope.postMessage({ run, stopped: true });
      }
      scope.postMessage({ run, done: true });
    } catch (error) {
      scope.postMessage({ run, error: String(error) });
    }
  };
}
