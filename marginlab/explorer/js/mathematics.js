// exp, log, sin, cos, atan2, acos, tanh and pow that are the same in every browser.
//
// Naive: Math.exp. The standard leaves its last bits to the browser. Between Firefox and two versions of V8 the loss of up
// to four frames of a run differed in the last digit; the weights, which are float32, rounded that away in the runs
// that were compared. Nothing says that they always do, and a weight that differs once is followed by all.
// Cure: only what IEEE 754 fixes (+, −, ×, ÷, a root, rounding to float32), and whole numbers.
//
// Textbook methods: the argument is brought near 0 by a constant in several parts (Cody and Waite), and a Taylor series
// does the rest. What is larger than a float64 can say is kept as a sum of two, hi + lo.
// Errors, in units of the last place (ulp), as tests/test_mathematics.py measures them against 80 digits:
//   exp, log, sin, cos, pow  < 1     at any argument
//   atan2, acos, tanh        < 2

const { abs, floor, fround, sqrt } = Math;

// ---- The parts of a number ----

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);
float[0] = 1;
const HIGH = words[1] ? 1 : 0; // which of a number's two words has its exponent
const ROOT_OF_TWO = 1.4142135623730951;
const TINY = 2.2250738585072014e-308; // 2^-1022: below it numbers have fewer digits
const LIFT = 18014398509481984; // 2^54

let exponent = 0;

/** x > 0 as m · 2^exponent, √½ <= m <= √2; gives m, and leaves the exponent there. */
function mantissa(x) {
  exponent = -1023;
  if (x < TINY) {
    x *= LIFT;
    exponent -= 54;
  }
  float[0] = x;
  exponent += words[HIGH] >>> 20;
  words[HIGH] = (words[HIGH] & 0xfffff) | 0x3ff00000;
  if (float[0] <= ROOT_OF_TWO) return float[0];
  exponent += 1;
  return float[0] / 2;
}

// 2^k from k = -1022 to 1023, each twice the one before.
const LEAST = -1022;
const POWERS = new Float64Array(2046);
POWERS[0] = TINY;
for (let i = 1; i < POWERS.length; i++) POWERS[i] = 2 * POWERS[i - 1];

/** y · 2^k, 1/2 < y < 2, rounded once where it is a number with fewer digits. */
function scaled(y, k) {
  if (k > 1023) return 2 * y * POWERS[k - 1 - LEAST];
  if (k >= LEAST) return y * POWERS[k - LEAST];
  return (y * POWERS[k + 200 - LEAST]) / POWERS[200 - LEAST];
}

/** What rounding took from the product p of a and b: halves of 24 bits and of the rest have products without any. */
function missed(a, b, p) {
  const a1 = fround(a);
  const b1 = fround(b);
  const a2 = a - a1;
  const b2 = b - b1;
  return a1 * b1 - p + a1 * b2 + a2 * b1 + a2 * b2;
}

// ---- exp, tanh ----

// log 2: 42 bits, so that its multiples by an exponent are exact, and the rest.
const LN2 = 0.6931471805598903;
const LN2_REST = 5.497923018708371e-14;
const BY_LN2 = 1.4426950408889634;

let power = 0;

/** e^(hi + lo) = (1 + what this gives) · 2^power: a Taylor series within ±log(2)/2, to the 13th power. */
function beyondOne(hi, lo) {
  power = floor(hi * BY_LN2 + 0.5);
  const a = hi - power * LN2;
  const b = power * LN2_REST - lo;
  const r = a - b;
  const r2 = r * r;
  const r4 = r2 * r2;
  const low = 1 / 2 + r * (1 / 6) + r2 * (1 / 24 + r * (1 / 120));
  const middle = 1 / 720 + r * (1 / 5040) + r2 * (1 / 40320 + r * (1 / 362880));
  const high = 1 / 3628800 + r * (1 / 39916800) + r2 * (1 / 479001600 + r * (1 / 6227020800));
  return a + (r2 * (low + r4 * (middle + r4 * high)) - b);
}

/** e^(hi + lo). */
function raised(hi, lo) {
  if (hi > 709.8) return Number.POSITIVE_INFINITY;
  if (hi < -745.2) return 0;
  if (Number.isNaN(hi)) return hi;
  const rest = beyondOne(hi, lo);
  return scaled(1 + rest, power);
}

/** @param {number} x */
export const exp = (x) => raised(x, 0);

/** By e^(2x) - 1, which keeps its digits near 0. @param {number} x */
export function tanh(x) {
  const size = abs(x);
  if (size === 0 || Number.isNaN(x)) return x;
  const sign = x < 0 ? -1 : 1;
  if (size > 22) return sign;
  const rest = beyondOne(2 * size, 0);
  const t = power ? rest * POWERS[power - LEAST] + (POWERS[power - LEAST] - 1) : rest;
  const d = t + 2;
  const q = t / d;
  return sign * (size < 1 ? q - (q * (t - (d - 2))) / d : 1 - 2 / d); // what rounding took from t + 2 is given back
}

// ---- log, pow ----

/** Of log((1 + s)/(1 - s)) = 2s + z·s·(2/3 + …), z being s², what is in the brackets from 2/5 on, over z. */
function fifthOn(z) {
  const z2 = z * z;
  const low = 2 / 5 + z * (2 / 7) + z2 * (2 / 9 + z * (2 / 11));
  const high = 2 / 13 + z * (2 / 15) + z2 * (2 / 17 + z * (2 / 19) + z2 * (2 / 21));
  return low + z2 * z2 * high;
}

/** @param {number} x */
export function log(x) {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY) return x === 0 ? Number.NEGATIVE_INFINITY : x < 0 ? Number.NaN : x;
  const f = mantissa(x) - 1;
  const s = f / (2 + f);
  const z = s * s;
  const half = 0.5 * f * f;
  // 2s = f - s·f, and s·f = f²/2 - s·f²/2: so the largest term, f, is exact.
  const small = s * (half + z * (2 / 3 + z * fifthOn(z))) + exponent * LN2_REST;
  return exponent * LN2 - (half - small - f);
}

const THIRD = 2 / 3;
const THIRD_REST = 3.700743415417188e-17;

let logRest = 0;

/** log x of a finite x > 0 as a sum of two, to 2^-64: gives the first, and leaves the second in logRest. */
function logInTwo(x) {
  const m = mantissa(x);
  const f = m - 1;
  const d = m + 1;
  const s = f / d;
  const p = s * d;
  const sRest = (f - p - missed(s, d, p) - s * (m - (d - 1))) / d;
  const z = s * s;
  const zRest = missed(s, s, z) + 2 * s * sRest;
  const cube = z * s;
  const cubeRest = missed(z, s, cube) + z * sRest + zRest * s;
  const third = cube * THIRD;
  const thirdRest = missed(cube, THIRD, third) + cube * THIRD_REST + cubeRest * THIRD;
  const whole = exponent * LN2;
  const first = whole + 2 * s;
  const sum = first + third;
  const rest = whole - first + 2 * s + (first - sum + third);
  const lo = rest + (2 * sRest + thirdRest + cube * z * fifthOn(z) + exponent * LN2_REST);
  const hi = sum + lo;
  logRest = sum - hi + lo;
  return hi;
}

/** x to the power y, as JavaScript's ** has it: NaN of 1 to an infinite power. @param {number} x @param {number} y */
export function pow(x, y) {
  if (y === 0) return 1;
  if (y === 1) return x;
  if (y === 2) return x * x;
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  const size = abs(x);
  const sign = (x < 0 || Object.is(x, -0)) && abs(y % 2) === 1 ? -1 : 1;
  // Beyond 2^66 an exponent leaves no power between 0 and ∞ but 1.
  if (size === 0 || size === Number.POSITIVE_INFINITY || (abs(y) > 7e19 && size !== 1))
    return size > 1 === y > 0 ? sign * Number.POSITIVE_INFINITY : sign * 0;
  if (x < 0 && floor(y) !== y) return Number.NaN;
  if (size === 1) return abs(y) === Number.POSITIVE_INFINITY ? Number.NaN : sign;
  const hi = logInTwo(size);
  const p = y * hi;
  return sign * raised(p, missed(y, hi, p) + y * logRest);
}

// ---- sin, cos ----

// π/2 in four parts; the first three have 32 bits, so that their multiples up to 2^21 are exact.
const FIRST = 1.5707963267341256;
const SECOND = 6.077100506303966e-11;
const NEXT = 2.0222662487111665e-21;
const LAST = 8.4784276603689e-32;
const BY_QUARTER = 0.6366197723675814;
const EIGHTH = 0.7853981633974483; // of a turn, π/4
const FAR = 1048576; // 2^20; beyond it by whole numbers without end

let angle = 0;
let angleRest = 0;

/** x = angle + angleRest + a number of quarters of a turn; gives that number, 0 to 3. |angle| is π/4 at most. */
function quarter(x) {
  if (abs(x) > FAR) return farQuarter(x);
  const k = floor(x * BY_QUARTER + 0.5);
  const a = x - k * FIRST; // exact
  const b = k * SECOND;
  const c = k * NEXT;
  const first = a - b;
  const near = first - a;
  const firstRest = a - (first - near) - (b + near);
  const second = first - c;
  const close = second - first;
  const secondRest = first - (second - close) - (c + close);
  const rest = firstRest + secondRest - k * LAST;
  angle = second + rest;
  angleRest = second - angle + rest;
  return k & 3;
}

// 2/π times 2^1200, and π/2 times 2^127: enough for the largest numbers.
const INVERSE = BigInt(
  "0xa2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1d" +
    "eb1cb129a73ee88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b" +
    "5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b",
);
const QUARTER = BigInt("0xc90fdaa22168c234c4c6628b80dc1cd1");

/** `quarter` of a number so large that a part of π/2 would not do, as Payne and Hanek did it. */
function farQuarter(x) {
  const m = mantissa(abs(x));
  const bits = BigInt(1200 + 53 - exponent);
  const turns = BigInt(m * 9007199254740992) * INVERSE; // 2^53
  const whole = (turns + (1n << (bits - 1n))) >> bits;
  const part = (turns - (whole << bits)) >> (bits - 128n); // of a quarter, times 2^128
  const turned = (part * QUARTER) >> 127n;
  const sign = x < 0 ? -1 : 1;
  const unit = 2.938735877055719e-39; // 2^-128
  angle = sign * Number(turned) * unit;
  angleRest = sign * Number(turned - BigInt(Number(turned))) * unit;
  const k = Number(whole & 3n);
  return x < 0 ? -k & 3 : k;
}

/** sin(hi + lo) within π/4, to the 17th power. */
function sinNear(hi, lo) {
  const z = hi * hi;
  const z2 = z * z;
  const low = -1 / 6 + z * (1 / 120) + z2 * (-1 / 5040 + z * (1 / 362880));
  const high = -1 / 39916800 + z * (1 / 6227020800) + z2 * (-1 / 1307674368000 + z * (1 / 355687428096000));
  return hi + (hi * z * (low + z2 * z2 * high) + (lo - 0.5 * z * lo));
}

/** cos(hi + lo) within π/4, to the 16th power. */
function cosNear(hi, lo) {
  const z = hi * hi;
  const z2 = z * z;
  const low = 1 / 24 + z * (-1 / 720) + z2 * (1 / 40320 + z * (-1 / 3628800));
  const high = 1 / 479001600 + z * (-1 / 87178291200) + z2 * (1 / 20922789888000);
  const half = 0.5 * z;
  const most = 1 - half;
  return most + (1 - most - half + (z2 * (low + z2 * z2 * high) - hi * lo));
}

/** @param {number} x radians */
export function sin(x) {
  if (abs(x) <= EIGHTH) return x === 0 ? x : sinNear(x, 0);
  if (!Number.isFinite(x)) return Number.NaN;
  const k = quarter(x);
  const value = k & 1 ? cosNear(angle, angleRest) : sinNear(angle, angleRest);
  return k & 2 ? -value : value;
}

/** @param {number} x radians */
export function cos(x) {
  if (abs(x) <= EIGHTH) return cosNear(x, 0);
  if (!Number.isFinite(x)) return Number.NaN;
  const k = quarter(x);
  const value = k & 1 ? sinNear(angle, angleRest) : cosNear(angle, angleRest);
  return k === 1 || k === 2 ? -value : value;
}

// ---- atan2, acos ----

const PI_REST = 1.2246467991473532e-16;

/** atan t - t within ±1/6, to the 21st power. */
function atanRest(t) {
  const z = t * t;
  const z2 = z * z;
  const low = -1 / 3 + z * (1 / 5) + z2 * (-1 / 7 + z * (1 / 9));
  const high = -1 / 11 + z * (1 / 13) + z2 * (-1 / 15 + z * (1 / 17) + z2 * (-1 / 19 + z * (1 / 21)));
  return t * z * (low + z2 * z2 * high);
}

/** The angle from the longer of two legs, 0 <= a <= b: from atan 1/4, atan 1/2 or atan 1 where one of them is near. */
function slant(a, b) {
  const q = a / b;
  if (q < 0.125) return q + atanRest(q);
  const by = b > 1e300 ? 0.25 : b < 1e-290 ? LIFT : 1; // so that nothing overflows, nor loses digits
  a *= by;
  b *= by;
  // a - b/4, a - b/2 and a - b are exact.
  if (q < 0.375) return turnedBy(0.24497866312686414, 1.0698755618734451e-17, (a - b / 4) / (b + a / 4));
  if (q < 0.7208) return turnedBy(0.4636476090008061, 2.2698777452961687e-17, (a - b / 2) / (b + a / 2));
  return turnedBy(EIGHTH, 3.061616997868383e-17, (a - b) / (b + a));
}

const turnedBy = (hi, lo, t) => hi + (t + (lo + atanRest(t)));

/** The angle of the point (x, y), -π to π. @param {number} y @param {number} x */
export function atan2(y, x) {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  const a = abs(y);
  const b = abs(x);
  const behind = x < 0 || Object.is(x, -0);
  let turn = a === b ? (a ? EIGHTH : 0) : a < b ? slant(a, b) : slant(b, a);
  if (a > b) turn = behind ? Math.PI / 2 + (turn + PI_REST / 2) : Math.PI / 2 - (turn - PI_REST / 2);
  else if (behind) turn = Math.PI - (turn - PI_REST);
  return y < 0 || Object.is(y, -0) ? -turn : turn;
}

/** NaN beyond ±1. @param {number} x */
export const acos = (x) => atan2(sqrt((1 - x) * (1 + x)), x);
