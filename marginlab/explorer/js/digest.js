// SHA-256 (FIPS 180-4), in plain JavaScript: the browser's own is missing in pages that come by http, and in a bare V8.

/** The first 32 bits behind the point of the second or third root of each of the first 64 primes, by whole numbers: exact. */
function rootsOfPrimes(times) {
  const below = (root) => (times === 2 ? root : root * root);
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  return Uint32Array.from(primes, (p) => {
    const whole = BigInt(p) << BigInt(32 * times);
    let root = 1n << 36n; // beyond 2^32 times the root of 311
    // Newton, from above: it falls until it has arrived.
    for (let next = 0n; ; root = next) {
      next = (BigInt(times - 1) * root + whole / below(root)) / BigInt(times);
      if (next >= root) return Number(root & 0xffffffffn);
    }
  });
}

const START = rootsOfPrimes(2).subarray(0, 8);
const ROUNDS = rootsOfPrimes(3);
const turned = (word, bits) => (word >>> bits) | (word << (32 - bits));

/** The next 64 bytes into the state. w: room for 64 words. */
function round(state, view, at, w) {
  for (let t = 0; t < 16; t++) w[t] = view.getUint32(at + 4 * t);
  for (let t = 16; t < 64; t++) {
    const near = turned(w[t - 15], 7) ^ turned(w[t - 15], 18) ^ (w[t - 15] >>> 3);
    const far = turned(w[t - 2], 17) ^ turned(w[t - 2], 19) ^ (w[t - 2] >>> 10);
    w[t] = w[t - 16] + near + w[t - 7] + far;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t++) {
    const chosen = (e & f) ^ (~e & g);
    const first = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + chosen + ROUNDS[t] + w[t];
    const most = (a & b) ^ (a & c) ^ (b & c);
    const second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + most;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
}

/** Of bytes, a Uint8Array, 64 hexadecimal digits. */
export function sha256(bytes) {
  const whole = new Uint8Array(64 * Math.ceil((bytes.length + 9) / 64));
  whole.set(bytes);
  whole[bytes.length] = 128;
  const view = new DataView(whole.buffer);
  view.setUint32(whole.length - 8, Math.floor(bytes.length / 0x20000000));
  view.setUint32(whole.length - 4, bytes.length << 3);
  const state = START.slice();
  const w = new Uint32Array(64);
  for (let at = 0; at < whole.length; at += 64) round(state, view, at, w);
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** The bytes of a text in UTF-8; it may have no half of a sign. */
export const utf8 = (text) =>
  Uint8Array.from(encodeURIComponent(text).match(/%..|./g) ?? [], (it) =>
    it.length > 1 ? Number.parseInt(it.slice(1), 16) : it.charCodeAt(0),
  );

/** Of float32 numbers their digest, 32 digits: in the order of bytes that most machines have, and one NaN for all. */
export function digestOf(numbers) {
  const view = new DataView(new ArrayBuffer(4 * numbers.length));
  numbers.forEach((value, i) => view.setFloat32(4 * i, value, true));
  numbers.forEach((value, i) => Number.isNaN(value) && view.setUint32(4 * i, 0x7fc00000, true));
  return sha256(new Uint8Array(view.buffer)).slice(0, 32);
}
