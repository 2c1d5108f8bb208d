// Whoever uses the keyboard keeps their place: where the element that has the focus goes away, what is around it takes over.
(() => {
  const NOTED = ["class", "data-device", "data-state", "disabled", "hidden", "style"]; // attributes that take an element away
  let path = []; // from the element that has the focus outwards

  const isThere = (each) => each.isConnected && each.checkVisibility() && !each.matches(":disabled");
  const keep = () => {
    const [held] = path;
    if (!held || ![held, document.body].includes(document.activeElement) || isThere(held)) return;
    const next = path.find(isThere);
    if (next && !next.hasAttribute("tabindex")) next.tabIndex = -1;
    next?.focus({ preventScroll: true });
  };

  let due = false;
  const watcher = new MutationObserver(() => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      keep();
    });
  });

  const forget = () => {
    path = [];
    watcher.disconnect(); // a mouse has no place to keep, and nor has a page that is just built
  };
  document.addEventListener("pointerdown", forget, true);
  document.addEventListener("focusin", ({ target }) => {
    forget();
    if (!target.matches(":focus-visible")) return;
    for (let each = target; each && each !== document.body; each = each.parentElement) path.push(each);
    watcher.observe(document, { attributes: true, attributeFilter: NOTED, childList: true, subtree: true });
  });
})();
