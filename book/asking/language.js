// The way to the same page in the other language: to the same place in it, and to the same run of an explorer.

export function language() {
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(".marginlab-language"))) {
    const follow = () => Object.assign(link, { hash: location.hash, search: location.search });
    // An explorer changes the address without an event: so it is asked for when the link is about to be used.
    for (const event of ["pointerdown", "keydown", "click"]) link.addEventListener(event, follow);
  }
}
