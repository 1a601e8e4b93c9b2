/** The lanes of all classes that are shown; only those on screen are drawn. @import {SoundEvent} from "./types.js" */

import { hueOf } from "./colors.js";
import { Curves } from "./curves.js";
import { inOrder, replaced } from "./edits.js";
import { lanesOf } from "./lane-layout.js";
import { LaneRow } from "./lane-row.js";
import { thresholdOf } from "./rules.js";

export class Lanes {
  /** @type {import("./session.js").Session | null} */ session = null;
  /** @type {Map<string, LaneRow>} */ #rows = new Map();
  /** @type {Curves | null} */ #curves = null;
  /** Classes whose scores are drawn. @type {Set<string>} */ #curved = new Set();
  /** An event as it would be if a person let go now. @type {SoundEvent | null} */ #draft = null;
  hasAllCurves = false;

  /** @param {HTMLElement} root @param {() => void} redraw */
  constructor(root, redraw) {
    this.root = root;
    this.redraw = redraw;
    document.addEventListener("scroll", redraw, { capture: true, passive: true });
  }

  /** @param {import("./session.js").Session} session */
  show(session) {
    this.#curves?.stop();
    this.session = session;
    this.#rows.clear();
    this.#curved.clear();
    this.#draft = null;
    this.#curves = new Curves(session.record.id, this.redraw);
    this.#changed(session);
    for (const change of ["events", "mode"]) session.addEventListener(change, () => this.#changed(session));
  }

  /** @param {SoundEvent | null} event */
  setDraft(event) {
    this.#draft = event;
    this.#arrange();
  }

  /** @param {boolean} isShown */
  showAllCurves(isShown) {
    this.hasAllCurves = isShown;
    this.#curved.clear();
    this.redraw();
  }

  /** @param {string} label */
  toggleCurve(label) {
    if (!this.#curved.delete(label)) this.#curved.add(label);
    this.redraw();
  }

  /** The class of the lane at a place on the screen. @param {number} clientX @param {number} clientY */
  labelAt(clientX, clientY) {
    const lane = document.elementFromPoint(clientX, clientY)?.closest("[data-label]");
    return lane instanceof HTMLElement ? lane.dataset.label : undefined;
  }

  /** Scrolls until a lane is on screen. @param {string} label */
  reveal(label) {
    this.#rows.get(label)?.element.scrollIntoView({ block: "nearest" });
  }

  /** @param {import("./view.js").View} view */
  draw(view) {
    const { session } = this;
    if (!session) return;
    const visible = this.#visible();
    const curved = visible.filter(([label]) => this.#hasCurve(label)).map(([label]) => label);
    this.#curves?.want(curved, view, session.record.heard_s);
    const pictures = visible.map(([label, row]) => ({ row, picture: this.#picture(session, label, view) }));
    for (const { row, picture } of pictures) row.place(picture);
    for (const { row, picture } of pictures) row.draw(picture);
  }

  /** @param {import("./session.js").Session} session @param {string} label @param {import("./view.js").View} view */
  #picture(session, label, view) {
    const { choice, model, mode, heard, selectedId } = session;
    return {
      view,
      selectedId,
      heard: mode === "labels" ? heard.filter((event) => event.label === label) : [],
      curve: this.#hasCurve(label) ? this.#curves?.get(label) : undefined,
      hasCurve: this.#hasCurve(label),
      threshold: thresholdOf(choice.rules, model.rules, model.labels.indexOf(label)),
    };
  }

  /** Classes of a person's own have no scores. @param {string} label */
  #hasCurve(label) {
    return this.hasAllCurves !== this.#curved.has(label) && !!this.session?.model.labels.includes(label);
  }

  #visible() {
    const top = this.root.getBoundingClientRect().top;
    const rows = [...this.#rows];
    const heightPx = rows[0]?.[1].element.offsetHeight ?? 1;
    const first = Math.max(0, Math.floor(-top / heightPx));
    return rows.slice(first, Math.ceil((window.innerHeight - top) / heightPx));
  }

  /** @param {import("./session.js").Session} session */
  #changed(session) {
    if (session !== this.session) return;
    this.root.classList.toggle("editing", session.mode === "labels" || session.labels === null);
    this.#arrange();
  }

  /** Rows for the lanes that there are now, in their order. */
  #arrange() {
    const { session } = this;
    if (!session) return;
    const { hidden } = session.choice;
    const staying = session.mode === "labels" ? [...this.#rows.keys()].filter((label) => !hidden.has(label)) : [];
    const lanes = lanesOf(this.#drafted(session.shown), staying, session.asked);
    for (const label of hidden) lanes.delete(label);
    const before = this.#rows;
    this.#rows = new Map(
      [...lanes.keys()].map((label) => [label, before.get(label) ?? this.#newRow(session, label)]),
    );
    for (const [label, events] of lanes) /** @type {LaneRow} */ (this.#rows.get(label)).events = events;
    const elements = [...this.#rows.values()].map((row) => row.element);
    const isSame =
      elements.length === this.root.children.length &&
      elements.every((row, index) => row === this.root.children[index]);
    if (!isSame) this.root.replaceChildren(...elements);
    this.redraw();
  }

  /** @param {readonly SoundEvent[]} events */
  #drafted(events) {
    const draft = this.#draft;
    if (!draft) return events;
    const isNew = events.every((event) => event.id !== draft.id);
    return isNew ? inOrder([...events, draft]) : replaced(events, draft);
  }

  /** @param {import("./session.js").Session} session @param {string} label */
  #newRow(session, label) {
    return new LaneRow(label, hueOf(label, session.model.labels), {
      onCurve: () => this.toggleCurve(label),
      onHide: () => session.setHidden(new Set([...session.choice.hidden, label])),
    });
  }
}
