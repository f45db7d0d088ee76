// Which digit is looked at: by mouse and finger the nearest one, by keys one after the other.

const { atan2, hypot } = Math;

/** The point nearest to (x, y) and less than `most` px away, or null. places are (2n,) in px. */
export function nearest(places, x, y, most) {
  let [found, least] = [null, most];
  for (let i = 0; 2 * i < places.length; i++) {
    const away = hypot(places[2 * i] - x, places[2 * i + 1] - y);
    if (away < least) [found, least] = [i, away];
  }
  return found;
}

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Where a key leads from the point in focus: sideways to the next round the middle, up and down from digit to digit. */
export function byKey(key, focus, places, labels, size) {
  const by = STEPS[key];
  if (!by || !places.length) return undefined;
  const order = Array.from(labels, (_, i) => i);
  const turn = (i) => atan2(size / 2 - places[2 * i + 1], places[2 * i] - size / 2);
  const sideways = key === "ArrowLeft" || key === "ArrowRight";
  const queue = sideways ? order.sort((a, b) => turn(a) - turn(b)) : order;
  let k = focus == null ? -by : queue.indexOf(focus);
  do k = (k + by + queue.length) % queue.length;
  while (!sideways && focus != null && labels[queue[k]] === labels[focus]);
  return queue[k];
}

/** Lets a canvas say which point is looked at: look(i or null). state has {places, focus} as they are. */
export function pointAt(canvas, labels, state, look) {
  const found = (event) => {
    const edge = canvas.getBoundingClientRect();
    const most = event.pointerType === "touch" ? 26 : 14;
    const zoom = edge.width / canvas.clientWidth || 1; // of the page, where it is projected
    return nearest(state.places, (event.clientX - edge.left) / zoom, (event.clientY - edge.top) / zoom, most);
  };
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch") look(found(event) ?? state.focus);
  });
  canvas.addEventListener("pointerdown", (event) => look(found(event)));
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Escape") look(null);
    const next = byKey(event.key, state.focus, state.places, labels, canvas.clientWidth);
    if (next === undefined) return;
    event.preventDefault();
    look(next);
  });
}
