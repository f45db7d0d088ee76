// @ts-check
// ?present: a page for a projector. Larger type, nothing at its sides, and Page Down and Page Up, which clickers send, go from
// figure to figure and from explorer to explorer. Escape leaves it.
// All in a function: a script that is opened from a file can be no module, and its names would be the page's.

(() => {
  const STOPS =
    "h1, .marginlab-explorer, .marginlab-figure, .marginlab-gallery, figure, .cell_output img, .marginlab-moving";
  const NAME = "marginlab-present";
  const root = document.documentElement;
  const asked = () => new URLSearchParams(location.search).has("present");
  const on = () => root.classList.contains(NAME) && !document.querySelector("dialog[open]");
  /** @type {Element | null} */
  let at = null;

  /** What can be gone to, in its order: of what stands within another only the outer. */
  const stops = () =>
    [...document.querySelectorAll(STOPS)].filter(
      (it) => !it.parentElement?.closest(STOPS) && it.getBoundingClientRect().height > 0,
    );

  /** The stop next to where one is; where one has scrolled away from it, next to what is on the screen. @param {number} by */
  function next(by) {
    const all = stops();
    const top = (/** @type {Element} */ it) => it.getBoundingClientRect().top;
    const seen = at && Math.abs(top(at) + at.getBoundingClientRect().height / 2 - innerHeight / 2) < innerHeight;
    if (at && seen && all.includes(at)) return all[all.indexOf(at) + by];
    return by > 0 ? all.find((it) => top(it) > 8) : all.findLast((it) => top(it) < -8);
  }

  /** @param {number} by */
  function go(by) {
    const to = next(by);
    if (!to) return;
    at = to;
    // In the middle, where it fits; else from its top.
    to.scrollIntoView({ block: to.getBoundingClientRect().height > innerHeight ? "start" : "center" });
  }

  function leave() {
    root.classList.remove(NAME);
    const address = new URL(location.href);
    address.searchParams.delete("present");
    history.replaceState(history.state, "", address);
  }

  addEventListener(
    "keydown",
    (event) => {
      const { key, target } = event;
      if (!on()) return;
      // Before the theme's own scripts, which take this key for theirs; a walk through a picture ends by it first.
      if (key === "Escape" && !document.querySelector(".mlx-walking")) leave();
      const by = { PageDown: 1, PageUp: -1 }[key];
      // A clicker does not know what has the focus: a slider has the arrows too, a text has none.
      if (!by || /** @type {Element} */ (target).closest?.("textarea, [type=text], [type=url], [type=search]")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      go(by);
    },
    true,
  );
  if (asked()) root.classList.add(NAME);
})();
