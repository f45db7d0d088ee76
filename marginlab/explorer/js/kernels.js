// The loops in which training spends its time (loops.js), as WebAssembly, four float32 or two float64 at a time.
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
const subtract = (a, b) => [...a, ...b, 0x6b];
const multiply = (a, b) => [...a, ...b, 0x6c];
const byteAt = (at) => [...at, 0x2d, 0, 0];
const storeByte = (at, value) => [...at, ...value, 0x3a, 0, 0];
const not = (a) => [...a, 0x45];
const floatAt = (at) => [...at, 0x2a, 2, 0];
const storeFloat = (at, value) => [...at, ...value, 0x38, 2, 0];
/** do { body } while (a < b), of whole numbers. */
const loop = (body, a, b) => [0x03, 0x40, ...body, ...a, ...b, 0x49, 0x0d, 0, 0x0b];

// Of four float32 at once: SIMD.
const load = (at, offset) => [...at, 0xfd, 0, 2, ...leb(offset)];
const store = (at, offset, value) => [...at, ...value, 0xfd, 11, 2, ...leb(offset)];
const four = (value) => [...value, 0xfd, 19];
const plus = (a, b) => [...a, ...b, 0xfd, ...leb(228)];
const times = (a, b) => [...a, ...b, 0xfd, ...leb(230)];
const lane = (a, i) => [...a, 0xfd, 31, i];
const addFloats = (a, b) => [...a, ...b, 0x92];
const ZERO = [0x43, 0, 0, 0, 0];
const atMostZero = (a) => [...a, ...ZERO, 0x5f];
const belowZero = (a) => [...a, ...ZERO, 0x5d];
const aboveZero = (a) => [...a, ...ZERO, 0x5e];
const choose = (a, b, first) => [...a, ...b, ...first, 0x1b];

// Of two float64: what two float32 in memory are, exactly, and back, rounded.
const twoAt = (at) => [...at, 0xfd, 93, 3, 0, 0xfd, 95];
const storeTwo = (at, value) => [...at, ...value, 0xfd, 94, 0xfd, 91, 3, 0, 0];
const both = (single) => [...single, 0xbb, 0xfd, 20];
const bothAt = (at, offset) => [...at, 0xfd, 10, 3, offset];
const ofTwo = (code) => (a, b) => [...a, ...b, 0xfd, ...leb(code)];
const [plus2, minus2, times2, by2] = [240, 241, 242, 243].map(ofTwo);
const root2 = (a) => [...a, 0xfd, ...leb(239)];
/** Their sum, as a float32. */
const sumOfTwo = (a) => [...set(V, a), ...get(V), 0xfd, 33, 0, ...get(V), 0xfd, 33, 1, 0xa0, 0xb6];

// Parameters and locals of each function. Pointers count bytes; `length` is a row's, a multiple of 64 bytes.
const [Y, W, INDEX, VALUE, END, LENGTH, MORE, ROW, AT, STOP, Q, R, V, X, HELD] = Array(15).keys();
const y = get(AT);
const row = get(ROW);
const v = get(V);
const OFFSETS = [0, 16, 32, 48];

/** For each q: point ROW at w[index[q]], do `before`, then `inner` for every 16 numbers of the row, then `after`. */
function forEachRow(before, inner, after) {
  const along = loop([...OFFSETS.flatMap(inner), ...advance(ROW), ...advance(AT)], get(AT), get(STOP));
  const setup = [...set(ROW, add(get(W), multiply(byteAt(get(INDEX)), get(LENGTH)))), ...set(AT, get(Y)), ...before];
  const step = [...go(INDEX, number(1)), ...go(VALUE, number(4))];
  const start = set(STOP, add(get(Y), get(LENGTH)));
  return [...start, ...loop([...setup, ...along, ...after, ...step], get(INDEX), get(END))];
}
const go = (local, by) => set(local, add(get(local), by));
const advance = (local) => go(local, shift(number(1), 6));
/** do { body } while AT is before the pointer `end`. */
const until = (end, body) => loop(body, get(AT), get(end));
const ofStep = (offset) => bothAt(get(LENGTH), offset);
const towards = (from, to, offset) => plus2(from, times2(minus2(to, from), ofStep(offset)));

/**
 * Along y in blocks of 48 numbers, and what is left in blocks of 16: of each block y is held in locals while, for each q,
 * ROW points at the same block of w[index[q]], V is value[q], and `each` is done; then `after`. What is held is neither
 * loaded nor stored again for every q.
 */
function forEachBlock(each, after) {
  const block = (count) => {
    const held = Array.from({ length: count }, (_, i) => [HELD + i, 16 * i]);
    const alongRow = (body) => held.flatMap(([local, o]) => body(local, o));
    const step = [
      ...set(ROW, add(get(STOP), multiply(byteAt(get(Q)), get(LENGTH)))),
      ...set(V, four(floatAt(get(R)))),
      ...alongRow(each),
      ...go(Q, number(1)),
      ...go(R, number(4)),
    ];
    return [
      ...alongRow((local, o) => set(local, load(y, o))),
      ...[...set(Q, get(INDEX)), ...set(R, get(VALUE))],
      ...loop(step, get(Q), get(END)),
      ...alongRow(after),
      ...[AT, STOP].flatMap((pointer) => go(pointer, shift(number(count), 4))),
    ];
  };
  // STOP is that place of w which is as far from its beginning as AT is from that of y.
  const left = (count) => [...subtract(add(get(Y), get(LENGTH)), get(AT)), ...shift(number(count), 4)];
  const repeat = (count) => [
    ...left(count),
    0x4f,
    0x04,
    0x40,
    0x03,
    0x40,
    ...block(count),
    ...left(count),
    0x4f,
    0x0d,
    0,
    0x0b,
    0x0b,
  ];
  return [...set(AT, get(Y)), ...set(STOP, get(W)), ...repeat(12), ...repeat(4)];
}

const FUNCTIONS = {
  gather: forEachBlock(
    (it, o) => set(it, plus(get(it), times(v, load(row, o)))),
    (it, o) => store(y, o, get(it)),
  ),
  scatter: forEachBlock(
    (it, o) => store(row, o, plus(load(row, o), times(v, get(it)))),
    () => [],
  ),
  dots: forEachRow(
    set(V, four(ZERO)),
    (o) => set(V, plus(v, times(load(row, o), load(y, o)))),
    storeFloat(get(VALUE), addFloats(addFloats(lane(v, 0), lane(v, 1)), addFloats(lane(v, 2), lane(v, 3)))),
  ),
  // Naive: a branch. Half of the units are on, no processor can guess which, and each wrong guess costs ten numbers.
  // Cure: all are written, and the end goes on, or stays.
  positive: [
    ...set(AT, get(Y)),
    ...set(ROW, number(0)),
    ...until(END, [
      ...storeByte(get(INDEX), get(ROW)),
      ...storeFloat(get(VALUE), floatAt(y)),
      ...set(STOP, not(atMostZero(floatAt(y)))),
      ...go(INDEX, get(STOP)),
      ...go(VALUE, shift(get(STOP), 2)),
      ...go(ROW, number(1)),
      ...go(AT, number(4)),
    ]),
  ],
  toPlane: [
    ...set(AT, get(Y)),
    ...set(X, load(get(VALUE), 0)),
    ...until(END, [
      ...storeFloat(y, choose(ZERO, floatAt(y), belowZero(floatAt(y)))),
      ...set(X, plus2(get(X), times2(both(floatAt(y)), twoAt(get(W))))),
      ...go(W, number(8)),
      ...go(AT, number(4)),
    ]),
    ...store(get(VALUE), 0, get(X)),
  ],
  // Y: h; W: w; INDEX: y; VALUE: x; LENGTH: the slopes of b; MORE: those of w.
  fromPlane: [
    ...set(AT, get(Y)),
    ...set(X, load(get(VALUE), 0)),
    ...until(END, [
      ...storeTwo(get(MORE), plus2(twoAt(get(MORE)), times2(both(floatAt(y)), get(X)))),
      ...storeFloat(get(INDEX), choose(sumOfTwo(times2(twoAt(get(W)), get(X))), ZERO, aboveZero(floatAt(y)))),
      ...storeFloat(get(LENGTH), addFloats(floatAt(get(LENGTH)), floatAt(get(INDEX)))),
      ...[MORE, W].flatMap((each) => go(each, number(8))),
      ...[INDEX, LENGTH, AT].flatMap((each) => go(each, number(4))),
    ]),
  ],
  // Y: the weights; W: g; INDEX: m; VALUE: v; LENGTH: the four numbers of the step.
  adam: [
    ...set(AT, get(Y)),
    ...until(END, [
      ...set(V, towards(twoAt(get(INDEX)), twoAt(get(W)), 8)),
      ...set(X, towards(twoAt(get(VALUE)), times2(twoAt(get(W)), twoAt(get(W))), 16)),
      ...storeTwo(get(INDEX), get(V)),
      ...storeTwo(get(VALUE), get(X)),
      ...storeTwo(y, minus2(twoAt(y), by2(times2(get(V), ofStep(0)), plus2(root2(get(X)), ofStep(24))))),
      ...[W, INDEX, VALUE, AT].flatMap((each) => go(each, number(8))),
    ]),
  ],
};

function program() {
  const [I32, V128, FUNCTION] = [0x7f, 0x7b, 0x60];
  const names = Object.keys(FUNCTIONS);
  const text = (word) => list([...word].map((c) => [c.charCodeAt(0)]));
  const section = (id, items) => [id, ...sized(list(items))];
  const locals = list([
    [5, I32],
    [14, V128],
  ]);
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
    ...section(1, [[FUNCTION, ...list(Array(7).fill([I32])), ...list([[I32]])]]),
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
      names.map((name) => sized([...locals, ...FUNCTIONS[name], ...get(INDEX), 0x0b])),
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

/** Refuses a list that the program would write beside. */
function checkPlace(index, from, n) {
  if (!(index instanceof Uint8Array)) throw new TypeError("an index must be a Uint8Array");
  if (from < 0 || from + n > index.length || n > MOST)
    throw new RangeError(`from and n must be within ${index.length} and at most ${MOST}, got ${from} and ${n}`);
}

/** `plain` of loops.js, fast, for arrays that come from its own `array`; null where the browser has no SIMD. */
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
    positive(index, value, from, y, n) {
      checkPlace(index, from, n);
      const at = index.byteOffset;
      return run.positive(y.byteOffset, 0, at + from, value.byteOffset + 4 * from, y.byteOffset + 4 * n) - at;
    },
    toPlane(x, y, w, n) {
      run.toPlane(y.byteOffset, w.byteOffset, 0, x.byteOffset, y.byteOffset + 4 * n);
    },
    fromPlane(y, h, from, w, x, gb, gw, n) {
      const at = h.byteOffset + 4 * from;
      run.fromPlane(at, w.byteOffset, y.byteOffset, x.byteOffset, at + 4 * n, gb.byteOffset, gw.byteOffset);
    },
    adam(w, g, m, v, by) {
      if (w.length % 2) throw new RangeError(`the weights must be an even number, got ${w.length}`);
      const end = w.byteOffset + 4 * w.length;
      run.adam(w.byteOffset, g.byteOffset, m.byteOffset, v.byteOffset, end, by.byteOffset);
    },
  };
}
