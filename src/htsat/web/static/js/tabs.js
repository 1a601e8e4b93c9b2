/** Tabs, by pointer and by arrows. */

/** @param {HTMLElement} list with the role `tablist` */
export function tabs(list) {
  const buttons = [.../** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll('[role="tab"]'))];
  for (const button of buttons) button.addEventListener("click", () => chooseTab(button));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const index = buttons.indexOf(/** @type {HTMLElement} */ (event.target)) + step;
    const next = buttons[(index + buttons.length) % buttons.length];
    next.focus();
    chooseTab(next);
    event.preventDefault();
    event.stopPropagation();
  });
}

/** @param {HTMLElement} chosen */
export function chooseTab(chosen) {
  for (const tab of chosen.parentElement?.querySelectorAll('[role="tab"]') ?? []) {
    const isChosen = tab === chosen;
    tab.setAttribute("aria-selected", String(isChosen));
    /** @type {HTMLElement} */ (tab).tabIndex = isChosen ? 0 : -1;
    const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
    if (panel) panel.hidden = !isChosen;
  }
}
