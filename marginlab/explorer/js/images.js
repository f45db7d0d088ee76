// What comes with a built page, and what is fetched: frames, the images that they show, and those to train with.

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
/** @type {any} */
const shared = self; // into which the scripts of images put them

const FINEST = 2047; // as in page.py: the largest coordinate of a frame

/** A frame as the page has it, in some 4 kB, as one that can be drawn. */
export function unpackFrame({ reach, embeddings, directions, linear, loss, ...rest }) {
  const packed = bytes(embeddings);
  const pair = (i) => (packed[3 * i] << 16) | (packed[3 * i + 1] << 8) | packed[3 * i + 2];
  const share = (k) => ((k % 2 ? pair(k >> 1) & 4095 : pair(k >> 1) >> 12) - FINEST - 1) / FINEST;
  const coordinates = Float32Array.from({ length: (2 * packed.length) / 3 }, (_, k) => share(k) * reach);
  const frame = {
    ...rest,
    loss: loss ?? Number.NaN,
    directions: Float32Array.from(directions),
    embeddings: coordinates,
  };
  return linear ? { ...frame, linear: Float32Array.from(linear) } : frame;
}

/** Labels and images of the digits that the frames show. */
export function sample() {
  const pairs = bytes(shared.marginlabSample.images);
  const shade = (_, i) => (i % 2 ? pairs[i >> 1] & 15 : pairs[i >> 1] >> 4);
  const labels = Uint8Array.from(shared.marginlabSample.labels, Number);
  return { labels, images: Uint8Array.from({ length: 2 * pairs.length }, shade) };
}

/**
 * Fetches images, "first" or "all", each once: a script, added on the first touch of a control, and not before. address:
 * of the page's script, beside which they lie.
 */
export function imagesFrom(address) {
  const images = new Map();
  const load = (which) =>
    new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = new URL(`marginlab-${which}.js`, address).href;
      script.onload = () => done(shared.marginlabImages[which]);
      script.onerror = () => {
        images.delete(which); // the next touch tries again
        fail(new Error(`The images did not load: ${script.src}`));
      };
      document.head.append(script);
    });
  return (which) => {
    if (!images.has(which)) images.set(which, load(which));
    return images.get(which);
  };
}
