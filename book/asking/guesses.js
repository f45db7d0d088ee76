// How a reader says a number, a point or a curve: by pointer on a board, and by keys on sliders.

import { filled, said, share, valueAt } from "./axes.js";
import { Board } from "./board.js";
import { make } from "./dom.js";
import { say } from "../../marginlab/explorer/js/say.js";

const FINE = 1000; // steps of a slider at most

/** A slider along an axis, from which `changed` hears a number. */
function slider(axis, words, changed) {
  const span = (axis.to - axis.from) * 10 ** (axis.digits ?? 0);
  const steps = axis.log ? FINE : Math.min(FINE, Math.round(span));
  const input = make("input", { type: "range", min: "0", max: String(steps), value: String(Math.round(steps / 2)) });
  const shown = make("output", { textContent: "" });
  const show = (v) => {
    input.value = String(Math.round(share(axis, v) * steps));
    input.setAttribute("aria-valuetext", said(axis, v));
    shown.textContent = said(axis, v);
  };
  input.setAttribute("aria-valuetext", say`nothing said yet`);
  input.addEventListener("input", () => {
    const v = valueAt(axis, Number(input.value) / steps);
    show(v);
    changed(v);
  });
  return { row: make("label", { className: "marginlab-slide" }, make("span", {}, words), input, shown), show };
}

/** Hears a pointer that is held down on a board, as numbers of its axes. */
function pointed(board, heard) {
  board.svg.addEventListener("pointerdown", (event) => {
    board.svg.setPointerCapture(event.pointerId);
    event.preventDefault();
    heard(board.at(event), true);
  });
  board.svg.addEventListener("pointermove", (event) => {
    if (board.svg.hasPointerCapture(event.pointerId)) heard(board.at(event), false);
  });
}

/** Each gives {board, rows, guess(), draw(guess, right)}; `changed` is called when something was said. */
export const GUESSES = {
  number(data, changed) {
    const board = new Board({ ...data, name: say`Axis: ${data.x.name}` });
    let guess = null;
    const hear = (v) => {
      guess = v;
      board.show([{ points: [[v, 0]] }]);
      changed();
    };
    const one = slider(data.x, data.x.name, hear);
    pointed(board, ([v]) => {
      one.show(v);
      hear(v);
    });
    const marks = (mine) => (mine === null ? [] : [{ points: [[mine, 0]] }]);
    const draw = (mine, right) => board.show([...marks(mine), { points: [[right, 0]], right: true }]);
    return { board, rows: [one.row], guess: () => guess, draw };
  },

  point(data, changed) {
    const board = new Board({ ...data, name: say`The plane` });
    const middle = ({ from, to }) => (from + to) / 2;
    let guess = null;
    const hear = (place) => {
      guess = place;
      board.show([{ points: [place] }]);
      changed();
    };
    const across = slider(data.x, data.x.name, (v) => hear([v, guess ? guess[1] : middle(data.y)]));
    const up = slider(data.y, data.y.name, (v) => hear([guess ? guess[0] : middle(data.x), v]));
    pointed(board, (place) => {
      across.show(place[0]);
      up.show(place[1]);
      hear(place);
    });
    const draw = (mine, right) =>
      board.show([...(mine === null ? [] : [{ points: [mine] }]), { points: [right], right: true }]);
    return { board, rows: [across.row, up.row], guess: () => guess, draw };
  },

  curve(data, changed) {
    const board = new Board({ ...data, name: say`Axes: ${data.y.name} against ${data.x.name}` });
    const places = data.value.map(([x]) => x);
    const heights = places.map(() => null);
    let last = 0;
    const curveOf = (all) => all.map((v, k) => [places[k], v]);
    const show = () => board.show([{ points: curveOf(filled(heights)), here: last }]);
    const put = (k, v) => {
      heights[k] = v;
      last = k;
      show();
      changed();
    };
    const nearest = (x) => {
      const off = places.map((p) => Math.abs(share(data.x, p) - share(data.x, x)));
      return off.indexOf(Math.min(...off));
    };
    const height = slider(data.y, data.y.name, (v) => put(last, v));
    const order = { from: 0, to: places.length - 1, name: data.x.name };
    const place = slider(order, data.x.name, (k) => go(Math.round(k)));
    function go(k) {
      last = k;
      place.row.querySelector("input").setAttribute("aria-valuetext", said(data.x, places[k]));
      place.row.querySelector("output").textContent = said(data.x, places[k]);
      if (heights.some((v) => v !== null)) {
        height.show(filled(heights)[k]);
        show();
      }
    }
    place.show(0);
    go(0);
    pointed(board, ([x, y], begun) => {
      const k = nearest(x);
      const from = begun ? k : last;
      const start = heights[from] ?? y;
      // A quick finger passes places between two moves.
      const step = Math.sign(k - from);
      for (let j = from + step; step && j !== k; j += step)
        heights[j] = start + ((j - from) / (k - from)) * (y - start);
      put(k, y);
      place.show(k);
      go(k);
    });
    const guess = () => (heights.some((v) => v !== null) ? filled(heights) : null);
    const draw = (mine, right) =>
      board.show([...(mine === null ? [] : [{ points: curveOf(mine) }]), { points: right, right: true }]);
    return { board, rows: [place.row, height.row], guess, draw };
  },
};
