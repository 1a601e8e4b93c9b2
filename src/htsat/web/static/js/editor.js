/**
 * Corrections of labels. Each is one step that can be undone, and is saved at once.
 *
 * @import {SoundEvent} from "./types.js"
 */

import { say } from "./dom.js";
import {
  added,
  asLabels,
  edges,
  movedTo,
  newEvent,
  replaced,
  resized,
  settled,
  snapped,
  without,
} from "./edits.js";
import { counted } from "./format.js";

const SNAP_PX = 6;

export class Editor {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
  }

  /** Whether what is shown can be corrected; says so if not. */
  isAllowed() {
    const { session } = this;
    const isHeardBesideLabels = session.mode === "heard" && session.labels !== null;
    if (isHeardBesideLabels) say("This is what the model heard. Press m for your labels.");
    return !isHeardBesideLabels && session.record.state !== "failed";
  }

  /** An event that was moved, resized or named otherwise, or a new one. @param {SoundEvent} event */
  put(event) {
    const isKnown = this.session.shown.some((other) => other.id === event.id);
    this.#change((events) => (isKnown ? replaced(events, settled(event)) : added(events, settled(event))));
    this.session.select(event.id);
  }

  /** @param {SoundEvent} event */
  remove(event) {
    this.#change((events) => without(events, event.id));
    this.session.select(null);
  }

  /**
   * Names an event otherwise, or a stretch for the first time.
   *
   * @param {SoundEvent | {start: number, end: number}} target
   * @param {string} label
   */
  name(target, label) {
    this.session.asked.add(label);
    if ("id" in target) this.put({ ...target, label });
    else this.put(newEvent(label, target.start, target.end));
  }

  /**
   * One end of an event at a moment.
   *
   * @param {SoundEvent} event
   * @param {"onset" | "offset"} edge
   * @param {number} timeS
   */
  setEdge(event, edge, timeS) {
    this.put(resized(event, edge, timeS, this.session.durationS));
  }

  /** @param {SoundEvent} event @param {number} deltaS */
  shift(event, deltaS) {
    this.put(movedTo(event, event.onset + deltaS, this.session.durationS));
  }

  /**
   * Says that everything is labelled as it should be; heard events become labels by that.
   *
   * @param {boolean} reviewed
   */
  review(reviewed) {
    if (this.session.record.state !== "done") {
      say("Not all of it has been heard yet.");
      return;
    }
    this.session.startLabels();
    const labels = this.session.labels;
    if (labels) this.session.change({ ...labels, reviewed });
  }

  /** All that is heard, in place of the labels. */
  startAgain() {
    const { session } = this;
    const { hidden } = session.choice;
    const heard = session.heard.filter((event) => !hidden.has(event.label));
    session.change({ events: asLabels(heard), reviewed: false });
  }

  /**
   * A moment, drawn to one that means something if such is near: ends of other events, and what else is given.
   *
   * @param {number} timeS
   * @param {{view: import("./view.js").View, exceptId?: number, cursorS: number}} around
   */
  snap(timeS, { view, exceptId, cursorS }) {
    const moments = [...edges(this.session.shown, exceptId), cursorS];
    return snapped(timeS, moments, SNAP_PX * view.secondsPerPx);
  }

  /** @param {(events: readonly SoundEvent[]) => readonly SoundEvent[]} edit */
  #change(edit) {
    const { session } = this;
    const isFirst = session.labels === null;
    session.startLabels();
    const { events, reviewed } = session.labels ?? { events: [], reviewed: false };
    if (isFirst) this.#sayStarted(events.length);
    session.change({ events: edit(events), reviewed });
  }

  /** @param {number} n */
  #sayStarted(n) {
    const isHearing = this.session.record.state === "hearing";
    const what = isHearing ? `${counted(n, "event")} heard so far` : counted(n, "heard event");
    say(`Your labels begin with ${what}, and are saved as you go.`);
  }
}
