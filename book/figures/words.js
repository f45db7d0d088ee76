// Numbers as people read them.

const { abs } = Math;
const plain = (text) => text.replace("-", "−");
const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A power of ten with its exponent raised. */
export const power = (n) => `10${[...String(n)].map((c) => (c === "-" ? "⁻" : RAISED[Number(c)])).join("")}`;

/** A number to so many decimals, without a minus before nothing. */
export const fixed = (v, digits) => plain((Number(v.toFixed(digits)) + 0).toFixed(digits));

/** A number to so many digits: the very small and the very large by a power of ten. */
export function short(v, digits = 2) {
  if (Number.isNaN(v)) return "NaN";
  if (!Number.isFinite(v)) return v < 0 ? "−∞" : "∞";
  const [head, exponent] = v.toExponential(digits - 1).split("e");
  const n = Number(exponent);
  if (v === 0 || (n >= -3 && n < 5)) return plain(grouped(Number(v.toPrecision(digits))));
  return Number(head) === 1 ? power(n) : `${plain(String(Number(head)))}·${power(n)}`;
}

/** A number with commas between thousands. */
export const grouped = (v) => {
  const [whole, part] = String(v).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (part ? `.${part}` : "");
};

/** Bytes in the unit that suits them, by thousands. */
export function bytes(v) {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  let k = 0;
  while (k < units.length - 1 && abs(Number((v / 1000 ** k).toPrecision(3))) >= 1000) k += 1;
  return `${grouped(Number((v / 1000 ** k).toPrecision(3)))} ${units[k]}`;
}

/** An angle in radians, as degrees. */
export const degrees = (theta, digits = 0) => `${fixed((theta * 180) / Math.PI, digits)}°`;
