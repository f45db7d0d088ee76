// The three loops in which training spends its time (`plain` in network.js), as WebAssembly, four numbers at a time.
// The program is put together here, byte by byte, so that nobody needs a tool to build it. Every helper below returns
// the bytes of one expression; `store(row, 16, plus(load(row, 16), load(y, 16)))` reads as it runs.

const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)]);
const list = (items) => [...leb(items.length), ...items.flat()];
const sized = (bytes) => [...leb(bytes.length), ...bytes];

const get = (local) => [0x20, local];
const set = (local, value) => [...value, 0x21, local];
const number = (n) => [0x41, n]; // 0 to 63
const add = (a, b) => [...a, ...b, 0x6a];
const shift = (a, bits) => [...a, ...number(bits), 0x74];
const multiply = (a, b) => [...a, ...b, 0x6c];
const byteAt = (at) => [...at, 0x2d, 0, 0];
const floatAt = (at) => [...at, 0x2a, 2, 0];
const storeFloat = (at, value) => [...at, ...value, 0x38, 2, 0];
/** do { body } while (a < b), of whole numbers. */
const loop = (body, a, b) => [0x03, 0x40, ...body, ...a, ...b, 0x49, 0x0d, 0, 0x0b];

// Of four float32 at once: SIMD.
const load = (at, offset) => [...at, 0xfd, 0, 2, offset];
const store = (at, offset, value) => [...at, ...value, 0xfd, 11, 2, offset];
const four = (value) => [...value, 0xfd, 19];
const plus = (a, b) => [...a, ...b, 0xfd, ...leb(228)];
const times = (a, b) => [...a, ...b, 0xfd, ...leb(230)];
const lane = (a, i) => [...a, 0xfd, 31, i];
const addFloats = (a, b) => [...a, ...b, 0x92];

// Parameters and locals of each function. Pointers count bytes; `length` is a row's, a multiple of 64 bytes.
const [Y, W, INDEX, VALUE, END, LENGTH, ROW, AT, STOP, V] = Array(10).keys();
const y = get(AT);
const row = get(ROW);
const v = get(V);
const OFFSETS = [0, 16, 32, 48];

/** For each q: point ROW at w[index[q]], do `before`, then `inner` for every 16 numbers of the row, then `after`. */
function forEachRow(before, inner, after) {
  const next = (local, by) => set(local, add(get(local), number(by)));
  const along = loop([...OFFSETS.flatMap(inner), ...advance(ROW), ...advance(AT)], get(AT), get(STOP));
  const setup = [...set(ROW, add(get(W), multiply(byteAt(get(INDEX)), get(LENGTH)))), ...set(AT, get(Y)), ...before];
  const step = [...next(INDEX, 1), ...next(VALUE, 4)];
  const start = set(STOP, add(get(Y), get(LENGTH)));
  return [...start, ...loop([...setup, ...along, ...after, ...step], get(INDEX), get(END))];
}
const advance = (local) => set(local, add(get(local), shift(number(1), 6)));

const value = set(V, four(floatAt(get(VALUE))));
const FUNCTIONS = {
  gather: forEachRow(value, (o) => store(y, o, plus(load(y, o), times(v, load(row, o)))), []),
  scatter: forEachRow(value, (o) => store(row, o, plus(load(row, o), times(v, load(y, o)))), []),
  dots: forEachRow(
    set(V, four([0x43, 0, 0, 0, 0])), // 0.0
    (o) => set(V, plus(v, times(load(row, o), load(y, o)))),
    storeFloat(get(VALUE), addFloats(addFloats(lane(v, 0), lane(v, 1)), addFloats(lane(v, 2), lane(v, 3)))),
  ),
};

function program() {
  const [I32, V128, FUNCTION] = [0x7f, 0x7b, 0x60];
  const names = Object.keys(FUNCTIONS);
  const text = (word) => list([...word].map((c) => [c.charCodeAt(0)]));
  const section = (id, items) => [id, ...sized(list(items))];
  const locals = list([
    [3, I32],
    [1, V128],
  ]);
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
    ...section(1, [[FUNCTION, ...list(Array(6).fill([I32])), 0]]),
    ...section(2, [[...text("js"), ...text("memory"), 2, 0, 1]]),
    ...section(
      3,
      names.map(() => [0]),
    ),
    ...section(
      7,
      names.map((name, i) => [...text(name), 0, i]),
    ),
    ...section(
      10,
      names.map((name) => sized([...locals, ...FUNCTIONS[name], 0x0b])),
    ),
  ]);
}

// Of a row the numbers come in blocks of 16, and an index is a byte: more than that the program cannot reach.
const BLOCK = 16;
const MOST = 256;

/** Refuses a matrix that the program would read or write beside. */
function check(w, index, from, to, n) {
  if (n % BLOCK) throw new RangeError(`a row must have a multiple of ${BLOCK} numbers, got ${n}`);
  if (w.length > MOST * n) throw new RangeError(`a matrix must have at most ${MOST} rows, got ${w.length / n}`);
  if (!(index instanceof Uint8Array)) throw new TypeError("an index must be a Uint8Array");
  if (from < 0 || to > index.length)
    throw new RangeError(`from and to must be within 0 and ${index.length}, got ${from} and ${to}`);
}

/** `plain` of network.js, fast, for arrays that come from its own `array`; null where the browser has no SIMD. */
export function simd(megabytes = 40) {
  const bytes = program();
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(bytes)) return null;
  const memory = new WebAssembly.Memory({ initial: megabytes * 16 });
  /** @type {any} */
  const run = new WebAssembly.Instance(new WebAssembly.Module(bytes), { js: { memory } }).exports;
  let top = 0;
  let kept = 0;
  /** One of the program's functions: y and w as they lie in memory, and the part of the list from `from` to `to`. */
  const call = (name, y, w, index, value, from, to, n) => {
    check(w, index, from, to, n);
    const at = index.byteOffset;
    if (to > from) run[name](y.byteOffset, w.byteOffset, at + from, value.byteOffset + 4 * from, at + to, 4 * n);
  };
  return {
    array(Type, n) {
      const out = new Type(memory.buffer, top, n).fill(0);
      top = Math.ceil((top + out.byteLength) / 64) * 64;
      return out;
    },
    /** Arrays made so far are to stay; `rewind` takes back those made since. */
    keep() {
      kept = top;
    },
    rewind() {
      top = kept;
    },
    gather: (y, w, index, value, from, to, n) => call("gather", y, w, index, value, from, to, n),
    scatter: (w, index, value, from, to, y, n) => call("scatter", y, w, index, value, from, to, n),
    dots: (value, w, index, from, to, y, n) => call("dots", y, w, index, value, from, to, n),
  };
}
