/** The keyboard: one table for what keys do and for the page that tells of them. */

import { byId, element } from "./dom.js";

/**
 * @typedef {{keys: string[], shown: string, text: string, run: () => void}} Key
 *   `keys` as in `KeyboardEvent.key`, with `Ctrl+`, `Alt+` or `Shift+` before it, in this order; `shown` is for people
 */

const POINTER = [
  ["click an event", "hear it"],
  ["drag an event", "move it, also to another lane"],
  ["drag its end", "make it longer or shorter"],
  ["drag in a lane", "a new event of that class"],
  ["drag on the waveform", "mark a stretch to play or label"],
  ["wheel on the plots", "zoom; with shift, or sideways: scroll"],
  ["ctrl + wheel", "zoom, also on the lanes"],
  ["drag on the overview", "move or resize the view"],
  ["alt while dragging", "do not snap to other events"],
  ["double click a slider", "the model's own rule"],
];

/** The name of a press in the table. @param {KeyboardEvent} event */
export function nameOf({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  const isLetter = key.length === 1;
  const parts = [
    (ctrlKey || metaKey) && "Ctrl",
    altKey && "Alt",
    shiftKey && !(isLetter && !ctrlKey && !metaKey) && "Shift",
  ];
  return [...parts.filter(Boolean), isLetter ? key.toLowerCase() : key].join("+");
}

/** Whether a press belongs to the element that has the focus. @param {KeyboardEvent} event */
function isTaken(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest("dialog")) return true;
  if (target.matches('input[type="search"], input:not([type]), select')) return true;
  if (target.matches('input[type="range"]')) return event.key.startsWith("Arrow");
  const isPressable = target.matches("button:not(.block), a, summary, input") && target.matches(":focus-visible");
  return isPressable && (event.key === " " || event.key === "Enter");
}

/** What was pressed with the pointer gives the keyboard back, so that space plays. */
function leaveButtons() {
  document.addEventListener("click", (event) => {
    const pressed = /** @type {HTMLElement} */ (event.target).closest("button, summary, a");
    if (event.detail > 0 && pressed instanceof HTMLElement && pressed === document.activeElement) pressed.blur();
  });
}

/** @param {Key[]} table */
export function listenToKeys(table) {
  leaveButtons();
  const actions = new Map(table.flatMap(({ keys, run }) => keys.map((key) => [key, run])));
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isTaken(event)) return;
    const run = actions.get(nameOf(event));
    if (!run) return;
    event.preventDefault();
    run();
  });
}

/** @param {Key[]} listening @param {Key[]} correcting */
export function describeKeys(listening, correcting) {
  fill(
    "listening-keys",
    listening.map(({ shown, text }) => [shown.split(" ").map((key) => element("kbd", {}, key)), text]),
  );
  fill(
    "correcting-keys",
    correcting.map(({ shown, text }) => [shown.split(" ").map((key) => element("kbd", {}, key)), text]),
  );
  fill(
    "pointer-list",
    POINTER.map(([what, text]) => [[what], text]),
  );
}

/** @param {string} id of a list @param {[(Node | string)[], string][]} rows what is done, and what that means */
function fill(id, rows) {
  const cells = rows.flatMap(([what, text]) => [element("dt", {}, ...what), element("dd", {}, text)]);
  byId(id).replaceChildren(...cells);
}
