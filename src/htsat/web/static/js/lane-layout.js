/** Which lanes there are, and which blocks of a lane are on screen. @import {SoundEvent} from "./types.js" */

/**
 * Lanes from top to bottom: those that are there already, where they shall not move; then classes by their first
 * event, so that what is heard later comes below; then classes that were asked for and have no event.
 *
 * @param {readonly SoundEvent[]} events in order
 * @param {Iterable<string>} staying
 * @param {Iterable<string>} asked
 */
export function lanesOf(events, staying, asked) {
  /** @type {Map<string, SoundEvent[]>} */
  const lanes = new Map();
  for (const label of staying) lanes.set(label, []);
  for (const event of events) {
    const lane = lanes.get(event.label);
    if (lane) lane.push(event);
    else lanes.set(event.label, [event]);
  }
  for (const label of asked) if (!lanes.has(label)) lanes.set(label, []);
  return lanes;
}

const TINY_PX = 4;

/** @typedef {{leftPx: number, widthPx: number, isTiny: boolean, events: SoundEvent[]}} Block */

/**
 * The blocks of a lane that are on screen; tiny neighbours become one block, so that there are never more blocks
 * than the eye can tell apart.
 *
 * @param {readonly SoundEvent[]} events of one lane, in order
 * @param {import("./view.js").View} view
 */
export function blocksOf(events, view) {
  /** @type {Block[]} */
  const blocks = [];
  for (const event of events) {
    if (event.offset < view.startS || event.onset > view.endS) continue;
    const leftPx = view.toPx(event.onset);
    const widthPx = Math.max(view.toPx(event.offset) - leftPx, 2);
    const isTiny = widthPx < TINY_PX;
    const previous = blocks.at(-1);
    if (isTiny && previous?.isTiny && leftPx - previous.leftPx - previous.widthPx < TINY_PX) {
      previous.widthPx = Math.max(previous.widthPx, leftPx + widthPx - previous.leftPx);
      previous.events.push(event);
    } else {
      blocks.push({ leftPx, widthPx, isTiny, events: [event] });
    }
  }
  return blocks;
}

/** @typedef {"label" | "onset" | "duration" | "probability"} SortKey */

/** @type {Record<SortKey, (event: SoundEvent) => number | string>} */
const SORT_VALUES = {
  label: (event) => event.label,
  onset: (event) => event.onset,
  duration: (event) => event.offset - event.onset,
  probability: (event) => event.probability ?? 1,
};

/**
 * Events by a column of the table; equals by onset.
 *
 * @param {readonly SoundEvent[]} events
 * @param {SortKey} key
 * @param {boolean} descending
 */
export function sorted(events, key, descending) {
  const value = SORT_VALUES[key];
  const sign = descending ? -1 : 1;
  return [...events].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    if (left === right) return a.onset - b.onset;
    return left < right ? -sign : sign;
  });
}
