/** The list of recordings. @import {RecordingRecord} from "./types.js" */

import * as api from "./api.js";
import { byId, element, icon, say } from "./dom.js";
import { clock, counted } from "./format.js";

const POLL_MS = 1500;
const IDLE_POLL_MS = 10000;

/** What a recording's line says of it; its name stands above. @param {RecordingRecord} record */
export function stateText({ name, state, error, duration_s, heard_s, n_labels }) {
  const length = duration_s === null ? "" : clock(duration_s);
  if (state === "failed") return error?.replace(`${name}: `, "") ?? "cannot be heard";
  if (state === "hearing") return `hearing, ${clock(heard_s)}${length && ` of ${length}`}`;
  if (state === "waiting") return length || "not heard yet";
  return n_labels === null ? length : `${length} · ${counted(n_labels, "label")}`;
}

/**
 * The first recording after the present one, around the list, that nobody has reviewed.
 *
 * @param {RecordingRecord[]} records
 * @param {string | undefined} id
 */
export function nextOpen(records, id) {
  const at = records.findIndex((record) => record.id === id);
  const rotated = [...records.slice(at + 1), ...records.slice(0, at + 1)];
  return rotated.find((record) => !record.reviewed && record.state !== "failed" && record.id !== id);
}

/** Tells `open` with a record. */
export class Library extends EventTarget {
  /** @type {RecordingRecord[]} */ records = [];
  /** @type {string | undefined} */ currentId;
  /** The recording that was last to be opened. @type {string | undefined} */ askedId;
  /** Files on their way, by name. @type {Map<string, number>} */ #uploads = new Map();
  /** @type {Map<string, {content: string, row: HTMLLIElement}>} */ #rows = new Map();
  /** How often a recording came or went here; a list that was on its way meanwhile is too old. */ #nChanges = 0;
  #list = byId("recordings");
  #find = /** @type {HTMLInputElement} */ (byId("find-recording"));
  #onlyOpen = /** @type {HTMLInputElement} */ (byId("only-open"));

  constructor() {
    super();
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    this.#find.addEventListener("input", () => this.#draw());
    this.#onlyOpen.addEventListener("change", () => this.#draw());
  }

  /** Asks for the list, and goes on asking: often while something is heard. */
  async follow() {
    const isBusy = () => this.records.some(({ state, id }) => state === "hearing" && id !== this.currentId);
    try {
      this.#merge(await this.#present());
    } finally {
      setTimeout(() => void this.follow().catch(() => {}), isBusy() ? POLL_MS : IDLE_POLL_MS);
    }
  }

  async #present() {
    for (;;) {
      const asked = this.#nChanges;
      const records = await api.recordings();
      if (asked === this.#nChanges) return records;
    }
  }

  /** What is known of a recording now. @param {RecordingRecord} record */
  update(record) {
    const isKnown = this.records.some(({ id }) => id === record.id);
    this.records = isKnown
      ? this.records.map((other) => (other.id === record.id ? record : other))
      : [...this.records, record];
    this.#draw();
  }

  /** @param {string} id */
  forget(id) {
    this.#nChanges += 1;
    this.records = this.records.filter((record) => record.id !== id);
    this.#draw();
  }

  /** @param {string | undefined} id */
  setCurrent(id) {
    this.currentId = id;
    this.#draw();
  }

  /** Sends files one after the other; the first one is opened as soon as it is there. @param {File[]} files */
  async upload(files) {
    for (const file of files) this.#uploads.set(file.name, 0);
    for (const [index, file] of files.entries()) {
      try {
        const record = await api.upload(file, file.name, (share) => this.#sent(file.name, share));
        this.#nChanges += 1;
        this.update(record);
        if (index === 0) this.#open(record);
      } catch (error) {
        say(`${file.name}: ${/** @type {Error} */ (error).message}`);
      }
      this.#uploads.delete(file.name);
      this.#draw();
    }
  }

  /** @param {string} name @param {number} share */
  #sent(name, share) {
    this.#uploads.set(name, share);
    this.#draw();
  }

  /** The open recording is known better here than in the list. @param {RecordingRecord[]} records */
  #merge(records) {
    const current = this.records.find(({ id }) => id === this.currentId);
    this.records = records.map((record) => (record.id === current?.id ? current : record));
    this.#draw();
  }

  /** @param {Event} event */
  #clicked(event) {
    const id = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset.id;
    const record = this.records.find((known) => known.id === id);
    if (record) this.#open(record);
  }

  /** @param {RecordingRecord} record */
  #open(record) {
    this.askedId = record.id;
    this.dispatchEvent(new CustomEvent("open", { detail: record }));
  }

  #draw() {
    const text = this.#find.value.trim().toLowerCase();
    const found = this.records.filter(
      ({ name, reviewed, id }) =>
        name.toLowerCase().includes(text) && !(this.#onlyOpen.checked && reviewed && id !== this.currentId),
    );
    const hasFocus = /** @type {HTMLElement | null} */ (this.#list.querySelector(":focus-visible"));
    const focusedId = hasFocus?.dataset.id;
    this.#list.replaceChildren(
      ...[...this.#uploads].map(([name, share]) => uploadRow(name, share)),
      ...found.map((record) => this.#row(record)),
    );
    const focused = focusedId && this.#list.querySelector(`[data-id="${CSS.escape(focusedId)}"]`);
    if (focused) /** @type {HTMLElement} */ (focused).focus();
    byId("no-recordings").hidden = this.records.length + this.#uploads.size > 0;
    this.#drawLearning();
  }

  /** The row of a record, the same element as long as nothing in it changes. @param {RecordingRecord} record */
  #row(record) {
    const isCurrent = record.id === this.currentId;
    const content = JSON.stringify([record, isCurrent]);
    const known = this.#rows.get(record.id);
    if (known?.content === content) return known.row;
    const row = recordingRow(record, isCurrent);
    this.#rows.set(record.id, { content, row });
    return row;
  }

  /** What there is to learn from. */
  #drawLearning() {
    const reviewed = this.records.filter((record) => record.reviewed);
    const nLabels = reviewed.reduce((sum, { n_labels }) => sum + (n_labels ?? 0), 0);
    byId("learn").hidden = !this.records.some(({ n_labels }) => n_labels !== null);
    byId("learn-text").textContent =
      `${reviewed.length} of ${counted(this.records.length, "recording")} reviewed, ${counted(nLabels, "label")}`;
    byId("labels-zip").hidden = reviewed.length === 0;
  }
}

/** @param {string} name @param {number} share */
function uploadRow(name, share) {
  const progress = element("progress", { max: 1, value: share, ariaLabel: `Sending ${name}` });
  const state = element("span", { className: "recording-state" }, "sending");
  return element(
    "li",
    { className: "recording" },
    element("span", { className: "recording-name" }, name),
    state,
    progress,
  );
}

/** @param {RecordingRecord} record @param {boolean} isCurrent */
function recordingRow(record, isCurrent) {
  const { id, name, state, reviewed, duration_s, heard_s } = record;
  const mark = element("span", { className: "recording-mark" });
  if (reviewed) {
    mark.append(icon("check"), element("span", { className: "hidden" }, "reviewed"));
  }
  const text = element("span", { className: "recording-state" }, stateText(record));
  const button = element("button", { type: "button", className: `recording ${state}` });
  button.append(element("span", { className: "recording-name", title: name }, name), mark, text);
  if (state === "hearing") {
    const progress = element("progress", { max: duration_s ?? 1, ariaLabel: `Hearing ${name}` });
    if (duration_s) progress.value = heard_s;
    button.append(progress);
  }
  button.dataset.id = id;
  if (isCurrent) button.setAttribute("aria-current", "true");
  return element("li", {}, button);
}
