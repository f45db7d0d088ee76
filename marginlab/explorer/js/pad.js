// A pad for a digit of one's own, and the digit as MNIST has its own: 28 × 28 pixels, 20 of them tall or wide.

const SIDE = 196; // of the pad, in its own px
const PEN = 2.6; // as thick as MNIST's, in its pixels
const { hypot, max, min } = Math;

/** Strokes, each a list of points [x, y], into a canvas's context. */
function trace(ctx, strokes, width) {
  [ctx.lineWidth, ctx.lineCap, ctx.lineJoin] = [width, "round", "round"];
  for (const stroke of strokes) {
    ctx.beginPath();
    for (const point of [stroke[0], ...stroke]) ctx.lineTo(...point); // the first one twice: a dot is seen too
    ctx.stroke();
  }
}

/** Strokes as an image, (784,) of 0 to 255, its mass in the middle as in MNIST; null where there are none. */
export function asMnist(strokes) {
  const points = strokes.flat();
  if (!points.length) return null;
  const [width, height] = [0, 1].map((axis) => {
    const along = points.map((p) => p[axis]);
    return max(...along) - min(...along);
  });
  let [mass, x, y] = [0, 0, 0];
  for (const stroke of strokes) {
    stroke.forEach(([x1, y1], i) => {
      const [x0, y0] = stroke[max(i - 1, 0)];
      const length = hypot(x1 - x0, y1 - y0) + 1e-6; // a dot has a mass too
      mass += length;
      x += (length * (x0 + x1)) / 2;
      y += (length * (y0 + y1)) / 2;
    });
  }
  const scale = min((20 - PEN) / max(width, height), 1);
  const ctx = new OffscreenCanvas(28, 28).getContext("2d");
  ctx.setTransform(scale, 0, 0, scale, 14 - (scale * x) / mass, 14 - (scale * y) / mass);
  trace(ctx, strokes, PEN / scale);
  const { data } = ctx.getImageData(0, 0, 28, 28);
  return Uint8Array.from({ length: 784 }, (_, i) => data[4 * i + 3]);
}

/**
 * Makes a canvas a pad. drawn(image) hears of each change, with what `asMnist` makes of it. Returns how to put strokes
 * on it, each [[x, y], …] in shares of its side, in place of those that are there.
 */
export function padOf(canvas, drawn) {
  [canvas.width, canvas.height] = [2 * SIDE, 2 * SIDE];
  const ctx = canvas.getContext("2d");
  ctx.scale(2, 2);
  ctx.strokeStyle = "#2b2d33";
  let strokes = [];
  let asked = 0;

  const changed = () => {
    ctx.clearRect(0, 0, SIDE, SIDE);
    trace(ctx, strokes, 16);
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => drawn(asMnist(strokes)));
  };
  const add = ({ clientX, clientY }) => {
    // By the box on the screen: on a page that is zoomed for a projector offsetX is in other pixels than clientWidth.
    const { left, top, width, height } = canvas.getBoundingClientRect();
    strokes.at(-1).push([((clientX - left) / width) * SIDE, ((clientY - top) / height) * SIDE]);
    changed();
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    strokes.push([]);
    add(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) add(event);
  });
  return (given) => {
    strokes = given.map((stroke) => stroke.map(([x, y]) => [x * SIDE, y * SIDE]));
    changed();
  };
}

/** The same; returns how to clear it. */
export function createPad(canvas, drawn) {
  const put = padOf(canvas, drawn);
  return () => put([]);
}
