/**
 * The open recording: what the model heard in it, what a person made of that, and what is chosen.
 *
 * Tells `record`, `events` (heard ones or labels), `tags`, `selection`, `mode`, `classes` and `rules` when these
 * change. @import {Labels, ModelFacts, RecordingRecord, SoundEvent, Tag} from "./types.js"
 */

import * as api from "./api.js";
import { asLabels, identified, inOrder } from "./edits.js";
import { History } from "./history.js";
import { Latest } from "./latest.js";
import { OWN_RULES, ruleParameters } from "./rules.js";
import { Saver } from "./saver.js";

const SLIDER_MS = 60;
const PROGRESS_MS = 800;
const N_TAGS = 15;

/**
 * @typedef {{rules: import("./rules.js").Rules, hidden: ReadonlySet<string>}} Choice
 *   what counts as an event and is shown, in any recording
 */

export class Session extends EventTarget {
  /** @type {SoundEvent[]} */ heard = [];
  /** @type {Tag[]} */ tags = [];
  /** @type {History<Labels> | null} */ history = null;
  /** @type {"heard" | "labels"} */ mode = "heard";
  /** @type {number | null} */ selectedId = null;
  /** A stretch that a person marked. @type {{start: number, end: number} | null} */ range = null;
  /** Lanes without events, for labels to come or to look at scores. @type {Set<string>} */ asked = new Set();
  #events = new Latest(SLIDER_MS);
  #tags = new Latest(SLIDER_MS);
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #unwatch = () => {};
  #closing = new AbortController();

  /** @param {RecordingRecord} record @param {ModelFacts} model @param {Choice} choice */
  constructor(record, model, choice) {
    super();
    this.record = record;
    this.model = model;
    this.choice = choice;
    const put = (/** @type {object} */ labels) => api.saveLabels(record.id, labels);
    this.saver = new Saver(`htsat labels ${record.id} ${record.name}`, put, localStorage);
  }

  get durationS() {
    return this.record.duration_s ?? this.record.heard_s;
  }

  /** @returns {Labels | null} */
  get labels() {
    return this.history?.present ?? null;
  }

  /** What the lanes hold. */
  get shown() {
    const events = this.mode === "labels" && this.labels ? this.labels.events : this.heard;
    return events.filter((event) => !this.choice.hidden.has(event.label));
  }

  get selected() {
    return this.shown.find((event) => event.id === this.selectedId);
  }

  /** Hears, and fetches labels. Stays until `close`. */
  async open() {
    const { signal } = this.#closing;
    this.record = await api.recording(this.record.id, signal);
    this.#tell("record");
    const known = this.saver.kept() ?? (await api.labels(this.record.id, signal));
    if (known) {
      this.history = new History({ reviewed: known.reviewed, events: inOrder(identified(known.events)) });
      this.setMode("labels");
      void this.saver.send();
    }
    this.refresh();
    if (this.record.state === "waiting" || this.record.state === "hearing") {
      this.#unwatch = api.watch(this.record.id, (record) => this.#progressed(record));
    }
  }

  close() {
    this.#closing.abort();
    this.#unwatch();
    this.#events.stop();
    this.#tags.stop();
    clearTimeout(this.#timer);
    void this.saver.send();
  }

  /** Asks again what is heard; the last answer stays until there is another. */
  refresh() {
    if (this.record.heard_s === 0) return;
    this.#events.ask((signal) => this.#fetchEvents(signal));
    this.#tags.ask((signal) => this.#fetchTags(signal));
  }

  /** @param {import("./rules.js").Rules} rules */
  setRules(rules) {
    this.choice = { ...this.choice, rules };
    this.#tell("rules");
    this.#events.ask((signal) => this.#fetchEvents(signal));
  }

  resetRules() {
    this.setRules(OWN_RULES);
  }

  /** @param {ReadonlySet<string>} hidden */
  setHidden(hidden) {
    this.choice = { ...this.choice, hidden };
    this.#tell("classes");
    this.#tell("events");
  }

  /** A lane for a class, whether it has events or not. @param {string} label */
  askFor(label) {
    this.asked.add(label);
    if (!this.choice.hidden.has(label)) this.#tell("events");
    else this.setHidden(new Set([...this.choice.hidden].filter((name) => name !== label)));
  }

  /** @param {"heard" | "labels"} mode */
  setMode(mode) {
    this.mode = mode;
    this.selectedId = null;
    this.#tell("mode");
    this.#tell("events");
    this.#tell("selection");
  }

  /** @param {number | null} id */
  select(id) {
    this.selectedId = id;
    if (id !== null) this.range = null;
    this.#tell("selection");
  }

  /** @param {{start: number, end: number} | null} range */
  mark(range) {
    this.range = range;
    this.selectedId = null;
    this.#tell("selection");
  }

  /** The labels that corrections go to; the first time those are the events that are shown. */
  startLabels() {
    if (!this.history) this.history = new History({ reviewed: false, events: asLabels(this.shown) });
    if (this.mode !== "labels") this.setMode("labels");
  }

  /** One step that can be undone. @param {Labels} labels */
  change(labels) {
    this.startLabels();
    /** @type {History<Labels>} */ (this.history).push(labels);
    this.#labelsChanged();
  }

  undo() {
    this.history?.undo();
    this.#labelsChanged();
  }

  redo() {
    this.history?.redo();
    this.#labelsChanged();
  }

  /** Labels are thrown away, here and on the server. */
  async discardLabels() {
    this.saver.forget();
    await api.removeLabels(this.record.id);
    this.history = null;
    this.#recordLabels();
    this.setMode("heard");
  }

  #labelsChanged() {
    if (!this.labels) return;
    this.saver.save(this.labels);
    this.#recordLabels();
    this.#tell("events");
    this.#tell("selection");
  }

  #recordLabels() {
    const labels = this.labels;
    this.record = { ...this.record, reviewed: labels?.reviewed ?? false, n_labels: labels?.events.length ?? null };
    this.#tell("record");
  }

  /** @param {RecordingRecord} record */
  #progressed(record) {
    const { reviewed, n_labels } = this.record; // what is known here is newer
    this.record = { ...record, reviewed, n_labels };
    this.#tell("record");
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.refresh();
      },
      record.state === "hearing" ? PROGRESS_MS : 0,
    );
  }

  /** @param {AbortSignal} signal */
  async #fetchEvents(signal) {
    try {
      const { events } = await api.events(this.record.id, ruleParameters(this.choice.rules), signal);
      const selected = this.mode === "heard" ? this.selected : undefined;
      this.heard = identified(events);
      if (selected) this.#reselect(selected);
      this.#tell("events");
    } catch {
      // The last good answer stays; the state of the recording and of the server is told elsewhere.
    }
  }

  /** The event that took the place of the selected one. @param {SoundEvent} before */
  #reselect({ label, onset, offset }) {
    const same = this.heard.find((event) => event.label === label && event.onset < offset && event.offset > onset);
    this.select(same?.id ?? null);
  }

  /** @param {AbortSignal} signal */
  async #fetchTags(signal) {
    try {
      this.tags = await api.tags(this.record.id, N_TAGS, signal);
      this.#tell("tags");
    } catch {
      // As above.
    }
  }

  /** @param {"record" | "events" | "tags" | "selection" | "mode" | "classes" | "rules"} what */
  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}
