// A formula of one's own for ψ(θ), such as ucos(theta + m) - 0.1*theta: read, and run on dual numbers. The same parser as
// marginlab/formula.py, by the same grammar. A formula becomes a program for a stack; nothing of its text is executed.

import { cos, exp, log, pow, sin, tanh } from "./mathematics.js";
import { GRAMMAR } from "./tables.js";

const { operators: OPERATORS, signs: SIGNS, functions: FUNCTIONS, limits: LIMITS, variable: VARIABLE } = GRAMMAR;
const own = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined); // "constructor" is no function

/** Why a text is no formula; place: the character at which it goes wrong, from 1. */
export class FormulaError extends Error {
  constructor(kind, place, what = null) {
    const names = [VARIABLE, ...Object.keys(GRAMMAR.constants), ...GRAMMAR.letters, ...Object.keys(FUNCTIONS)];
    const signs = [...(what ?? "")];
    const said = what === null ? GRAMMAR.end : `“${signs.slice(0, 20).join("")}${signs.length > 20 ? "…" : ""}”`;
    /** @type {Record<string, any>} */
    const words = { ...LIMITS, what: said, names: names.join(", ") };
    const why = Object.entries(words).reduce(
      (text, [name, its]) => text.replace(`{${name}}`, () => its),
      GRAMMAR.errors[kind],
    );
    super(`${why} (at character ${place})`);
    this.place = place;
  }
}

// ---- From characters to tokens ----

const isDigit = (c) => c >= "0" && c <= "9";
const isStart = (c) => (c >= "a" && c <= "z") || (c >= "A" && c <= "Z") || c === "_";
const isName = (c) => isStart(c) || isDigit(c);

/** Where the characters end that are allowed from here on. */
function run(signs, at, allowed) {
  while (at < signs.length && allowed(signs[at])) at++;
  return at;
}

/** Where the number ends that begins here; here, if none does: 2, 2.5, .5, 2e-3. */
function numberAt(signs, at) {
  const whole = run(signs, at, isDigit);
  const end = signs[whole] === "." ? run(signs, whole + 1, isDigit) : whole;
  if (end === at || (end === at + 1 && signs[at] === ".")) return at;
  if (signs[end] !== "e" && signs[end] !== "E") return end;
  const power = signs[end + 1] === "+" || signs[end + 1] === "-" ? end + 2 : end + 1;
  const last = run(signs, power, isDigit);
  return last > power ? last : end;
}

/** [{kind, what, place}]: kind is "number", "name", "sign" or "end"; places count from 1. */
function tokensOf(signs) {
  const tokens = [];
  let at = 0;
  while (at < signs.length) {
    const sign = own(GRAMMAR.spellings, signs[at]) ?? signs[at];
    const place = at + 1;
    if (GRAMMAR.spaces.includes(sign)) {
      at++;
      continue;
    }
    if (own(OPERATORS, sign) || "(),".includes(sign)) {
      tokens.push({ kind: "sign", what: sign, place });
      at++;
    } else if (sign !== signs[at]) {
      tokens.push({ kind: "name", what: sign, place });
      at++;
    } else {
      const kind = isStart(sign) ? "name" : "number";
      const end = kind === "name" ? run(signs, at, isName) : numberAt(signs, at);
      if (end === at) throw new FormulaError("character", place, sign);
      tokens.push({ kind, what: signs.slice(at, end).join(""), place });
      at = end;
    }
  }
  return [...tokens, { kind: "end", what: null, place: signs.length + 1 }];
}

// ---- From tokens to a program ----

/** By precedence climbing: an operator's right side is all that binds more than it does. */
class Parser {
  at = 0;
  depth = 0;
  program = [];
  moving = []; // of what lies on the stack, whether θ is in it

  constructor(tokens) {
    this.tokens = tokens;
  }

  emit(op, value, takes = 0) {
    const moves = this.moving.splice(this.moving.length - takes).some(Boolean) || value === VARIABLE;
    this.moving.push(moves);
    this.program.push({ op, value, moves });
  }

  fail(kind) {
    const { what, place } = this.tokens[this.at];
    throw new FormulaError(kind, place, what);
  }

  take(sign, missing) {
    const { kind, what } = this.tokens[this.at];
    if (kind !== "sign" || what !== sign) this.fail(missing);
    this.at++;
  }

  whole() {
    if (this.tokens[0].kind === "end") throw new FormulaError("empty", 1);
    this.expression(0);
    if (this.tokens[this.at].kind !== "end") this.fail("operator");
    return this.program;
  }

  expression(least) {
    this.depth++;
    if (this.depth > LIMITS.depth) this.fail("deep");
    this.operand();
    for (let row = this.operator(); row && row.binds >= least; row = this.operator()) {
      this.at++;
      this.expression(row.binds + (row.right ? 0 : 1));
      this.emit(row.op === "power" ? this.power() : row.op, 2, 2);
    }
    this.depth--;
  }

  operator() {
    const { kind, what } = this.tokens[this.at];
    return kind === "sign" ? own(OPERATORS, what) : undefined;
  }

  /** What does not move has no term in the slope: in x^2 that with log x would be NaN below 0. */
  power() {
    const [base, exponent] = this.moving.slice(-2);
    if (base && exponent) return "power";
    return base ? "constant_power" : "power_of_constant";
  }

  operand() {
    const { kind, what, place } = this.tokens[this.at++];
    const sign = kind === "sign" ? own(SIGNS, what) : undefined;
    if (kind === "number") {
      if (!Number.isFinite(Number(what))) throw new FormulaError("large", place, what);
      this.emit("number", Number(what));
    } else if (kind === "name") this.name(what);
    else if (sign) {
      this.expression(sign.binds);
      if (sign.op) this.emit(sign.op, 1, 1);
    } else if (kind === "sign" && what === "(") {
      this.expression(0);
      this.take(")", "close");
    } else {
      this.at--;
      this.fail("operand");
    }
  }

  name(what) {
    const row = own(FUNCTIONS, what);
    if (own(GRAMMAR.constants, what) !== undefined) this.emit("number", GRAMMAR.constants[what]);
    else if (what === VARIABLE || GRAMMAR.letters.includes(what)) this.emit("name", what);
    else if (row) {
      this.take("(", "open");
      for (let left = row.takes - 1; left >= 0; left--) {
        this.expression(0);
        if (left) this.take(",", "comma");
        else this.take(")", "close");
      }
      this.emit(row.op, row.takes, row.takes);
    } else {
      this.at--;
      this.fail("name");
    }
  }
}

/** {text, program, letters: those of its own that it has}; throws a FormulaError. */
export function parse(text) {
  // A character may be two units long; what is longer than that is not even taken apart.
  const signs = text.length > 2 * LIMITS.length ? null : [...text];
  if (!signs || signs.length > LIMITS.length) throw new FormulaError("long", LIMITS.length + 1);
  const program = new Parser(tokensOf(signs)).whole();
  const has = (letter) => program.some(({ op, value }) => op === "name" && value === letter);
  return { text, program, letters: GRAMMAR.letters.filter(has) };
}

let last = null; // a run asks for one formula, hundreds of thousands of times

/** The same, remembered as long as no other is asked for. */
export function known(text) {
  if (last?.text !== text) last = parse(text);
  return last;
}

/** What is wrong with a text, in words; nothing if it is a formula. */
export function wrongWith(text) {
  try {
    parse(text);
    return "";
  } catch (error) {
    if (error instanceof FormulaError) return error.message;
    throw error;
  }
}

// ---- To run it ----

/** The cosine unrolled: falls for all φ, where cos φ would turn back up at π. */
export function ucos(phi) {
  const k = Math.floor(phi / Math.PI);
  return (k % 2 === 0 ? 1 : -1) * cos(phi) - 2 * k;
}

// The stack: values v and slopes d in θ. Each rule takes its arguments from place i on and leaves its result there.
const SIZE = LIMITS.length;
const V = new Float64Array(SIZE);
const D = new Float64Array(SIZE);

const put = (i, value, slope) => {
  V[i] = value;
  D[i] = slope;
};
const constantPower = (x, dx, y) => y * pow(x, y - 1) * dx;
const powerOfConstant = (x, y, dy) => (x === 0 ? 0 : pow(x, y) * log(x) * dy); // x^y log x goes to 0 with x
const choose = (i, first) => (first ? i : i + 1);

const RULES = {
  add: (i, j) => put(i, V[i] + V[j], D[i] + D[j]),
  subtract: (i, j) => put(i, V[i] - V[j], D[i] - D[j]),
  multiply: (i, j) => put(i, V[i] * V[j], D[i] * V[j] + V[i] * D[j]),
  divide: (i, j) => put(i, V[i] / V[j], (D[i] - (V[i] / V[j]) * D[j]) / V[j]),
  power: (i, j) => put(i, pow(V[i], V[j]), constantPower(V[i], D[i], V[j]) + powerOfConstant(V[i], V[j], D[j])),
  constant_power: (i, j) => put(i, pow(V[i], V[j]), constantPower(V[i], D[i], V[j])),
  power_of_constant: (i, j) => put(i, pow(V[i], V[j]), powerOfConstant(V[i], V[j], D[j])),
  negative: (i) => put(i, -V[i], -D[i]),
  sin: (i) => put(i, sin(V[i]), cos(V[i]) * D[i]),
  cos: (i) => put(i, cos(V[i]), -sin(V[i]) * D[i]),
  exp: (i) => put(i, exp(V[i]), exp(V[i]) * D[i]),
  log: (i) => put(i, log(V[i]), D[i] / V[i]),
  sqrt: (i) => put(i, Math.sqrt(V[i]), D[i] / (2 * Math.sqrt(V[i]))),
  abs: (i) => put(i, Math.abs(V[i]), Math.sign(V[i]) * D[i]),
  tanh: (i) => put(i, tanh(V[i]), (1 - pow(tanh(V[i]), 2)) * D[i]),
  ucos: (i) => put(i, ucos(V[i]), -Math.abs(sin(V[i])) * D[i]),
  minimum: (i, j) => put(i, V[choose(i, V[i] <= V[j])], D[choose(i, V[i] <= V[j])]),
  maximum: (i, j) => put(i, V[choose(i, V[i] >= V[j])], D[choose(i, V[i] >= V[j])]),
};

/**
 * [ψ(θ), dψ/dθ] of a formula, with the values of its letters. heard(op, value, moves) is told of each operation before it
 * is done: of its first argument, and whether θ is in its arguments.
 */
export function dual({ program }, theta, letters, heard = null) {
  let top = 0;
  for (const { op, value, moves } of program) {
    if (op === "number") put(top++, value, 0);
    else if (op === "name") put(top++, value === VARIABLE ? theta : letters[value], value === VARIABLE ? 1 : 0);
    else {
      top -= value;
      heard?.(op, V[top], moves);
      RULES[op](top, top + 1);
      if (!moves) D[top] = 0; // of sqrt(m) at m = 0 the rule would say 0/0
      top++;
    }
  }
  return [V[0], D[0]];
}
