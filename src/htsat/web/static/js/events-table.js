/**
 * The table of events; as many rows as are on screen, so that thousands cost nothing.
 *
 * @import {SoundEvent} from "./types.js"
 */

import { hueOf } from "./colors.js";
import { byId, dot, element } from "./dom.js";
import { clock, percent, seconds } from "./format.js";
import { sorted } from "./lane-layout.js";
import { described } from "./lane-row.js";

const ROW_PX = 28;
const SPARE_ROWS = 10;

export class EventsTable {
  /** @type {SoundEvent[]} */ #events = [];
  /** @type {import("./lane-layout.js").SortKey} */ #key = "onset";
  #isDescending = false;

  /** @param {(event: SoundEvent) => void} onChoose */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.panel = byId("panel-events");
    this.table = byId("events");
    this.body = /** @type {HTMLElement} */ (this.table.querySelector("tbody"));
    this.panel.addEventListener("scroll", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.panel);
    for (const button of this.table.querySelectorAll("button")) {
      button.addEventListener("click", () => this.#sortBy(/** @type {typeof this.key} */ (button.dataset.key)));
    }
    this.body.addEventListener("click", (event) => this.#choose(event));
    this.body.addEventListener("keydown", (event) => this.#keyPressed(event));
  }

  get key() {
    return this.#key;
  }

  /** @param {import("./session.js").Session} session */
  show(session) {
    this.session = session;
    const update = () => {
      if (session === this.session) this.#update(session);
    };
    for (const change of ["events", "mode"]) session.addEventListener(change, update);
    session.addEventListener("selection", () => session === this.session && this.#draw());
    update();
  }

  /** Scrolls to an event. @param {SoundEvent} event */
  reveal(event) {
    const top = this.#events.findIndex(({ id }) => id === event.id) * ROW_PX;
    const roomPx = this.panel.clientHeight - 2 * ROW_PX;
    if (top < this.panel.scrollTop || top > this.panel.scrollTop + roomPx) this.panel.scrollTop = top - roomPx / 2;
  }

  /** @param {import("./session.js").Session} session */
  #update(session) {
    this.#events = sorted(session.shown, this.#key, this.#isDescending);
    byId("n-events").textContent = String(this.#events.length);
    this.table.setAttribute("aria-rowcount", String(this.#events.length + 1));
    this.#draw();
  }

  /** @param {import("./lane-layout.js").SortKey} key */
  #sortBy(key) {
    this.#isDescending = key === this.#key ? !this.#isDescending : key === "probability" || key === "duration";
    this.#key = key;
    for (const button of this.table.querySelectorAll("button")) {
      const direction = this.#isDescending ? "descending" : "ascending";
      button.parentElement?.setAttribute("aria-sort", button.dataset.key === key ? direction : "none");
    }
    if (this.session) this.#update(this.session);
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.panel.scrollTop / ROW_PX) - SPARE_ROWS);
    const last = Math.min(
      this.#events.length,
      first + Math.ceil(this.panel.clientHeight / ROW_PX) + 2 * SPARE_ROWS,
    );
    const rows = this.#events.slice(first, last).map((event, index) => this.#row(event, first + index));
    this.body.replaceChildren(space(first), ...rows, space(this.#events.length - last));
  }

  /** @param {SoundEvent} event @param {number} index */
  #row(event, index) {
    const sure = event.probability === undefined ? "" : percent(event.probability);
    const name = element(
      "td",
      { title: event.label },
      dot(hueOf(event.label, this.session?.model.labels ?? [])),
      event.label,
    );
    const times = [clock(event.onset, 2), seconds(event.offset - event.onset)].map((text) =>
      element("td", {}, text),
    );
    const isSelected = event.id === this.session?.selectedId;
    const row = element(
      "tr",
      { tabIndex: isSelected || index === 0 ? 0 : -1 },
      ...times,
      name,
      element("td", {}, sure),
    );
    row.dataset.id = String(event.id);
    row.setAttribute("aria-rowindex", String(index + 2));
    row.setAttribute("aria-label", described(event));
    row.setAttribute("aria-selected", String(isSelected));
    return row;
  }

  /** @param {Event} event */
  #choose(event) {
    const row = /** @type {HTMLElement} */ (event.target).closest("tr");
    const chosen = this.#events.find(({ id }) => String(id) === row?.dataset.id);
    if (chosen) this.onChoose(chosen);
  }

  /** @param {KeyboardEvent} event */
  #keyPressed(event) {
    const row = /** @type {HTMLElement} */ (event.target).closest("tr");
    const step = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
    if (event.key === "Enter") this.#choose(event);
    else if (step instanceof HTMLElement) step.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Room for rows that are not drawn. @param {number} nRows */
function space(nRows) {
  const cell = element("td", { colSpan: 4 });
  cell.style.height = `${nRows * ROW_PX}px`;
  return element("tr", { className: "space", ariaHidden: "true" }, cell);
}
