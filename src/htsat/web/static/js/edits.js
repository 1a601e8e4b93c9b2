/**
 * What a person can do to events. Nothing is changed in place; times are in seconds.
 *
 * @import {SoundEvent} from "./types.js"
 */

export const MIN_EVENT_S = 0.02;

let lastId = 0;

/**
 * Events with identities of the page's own.
 *
 * @param {readonly {label: string, onset: number, offset: number, probability?: number}[]} events
 * @returns {SoundEvent[]}
 */
export function identified(events) {
  return events.map((event) => ({ ...event, id: ++lastId }));
}

/** @param {string} label @param {number} onset @param {number} offset @returns {SoundEvent} */
export function newEvent(label, onset, offset) {
  return { label, onset, offset, id: ++lastId };
}

/**
 * Heard events as labels: how sure the model was does not matter any more.
 *
 * @param {readonly SoundEvent[]} events
 * @returns {SoundEvent[]}
 */
export function asLabels(events) {
  return inOrder(events.map(({ label, onset, offset, id }) => ({ label, onset, offset, id })));
}

/** An event as a person leaves it: to the millisecond, and sure. @param {SoundEvent} event @returns {SoundEvent} */
export function settled({ label, onset, offset, id }) {
  const [start, end] = [onset, offset].map((timeS) => Math.round(timeS * 1000) / 1000);
  return { label, onset: start, offset: end, id };
}

/** By onset, then by label. @param {readonly SoundEvent[]} events */
export function inOrder(events) {
  return [...events].sort((a, b) => a.onset - b.onset || a.label.localeCompare(b.label));
}

/** Elsewhere, within the recording. @param {SoundEvent} event @param {number} onset @param {number} durationS */
export function movedTo(event, onset, durationS) {
  const lengthS = event.offset - event.onset;
  const start = Math.max(0, Math.min(onset, durationS - lengthS));
  return { ...event, onset: start, offset: start + lengthS };
}

/**
 * With one end elsewhere; the ends never cross.
 *
 * @param {SoundEvent} event
 * @param {"onset" | "offset"} edge
 * @param {number} timeS
 * @param {number} durationS
 */
export function resized(event, edge, timeS, durationS) {
  if (edge === "onset") {
    return { ...event, onset: Math.max(0, Math.min(timeS, event.offset - MIN_EVENT_S)) };
  }
  return { ...event, offset: Math.min(durationS, Math.max(timeS, event.onset + MIN_EVENT_S)) };
}

/**
 * One event in place of that of the same identity.
 *
 * @param {readonly SoundEvent[]} events
 * @param {SoundEvent} event
 */
export function replaced(events, event) {
  return inOrder(events.map((other) => (other.id === event.id ? event : other)));
}

/** @param {readonly SoundEvent[]} events @param {SoundEvent} event */
export function added(events, event) {
  return inOrder([...events, event]);
}

/** @param {readonly SoundEvent[]} events @param {number} id */
export function without(events, id) {
  return events.filter((event) => event.id !== id);
}

/**
 * The event after (or before) the selected one; without one, that after (or before) a moment.
 *
 * @param {readonly SoundEvent[]} events in order
 * @param {SoundEvent | undefined} selected
 * @param {number} timeS
 * @param {1 | -1} step
 */
export function neighbour(events, selected, timeS, step) {
  const index = events.findIndex((event) => event.id === selected?.id);
  if (index >= 0) return events[index + step];
  return step > 0 ? events.find((event) => event.onset > timeS) : events.findLast((event) => event.onset < timeS);
}

/**
 * The candidate nearest to a moment, if it lies within the tolerance; else the moment itself.
 *
 * @param {number} timeS
 * @param {Iterable<number>} candidates
 * @param {number} toleranceS
 */
export function snapped(timeS, candidates, toleranceS) {
  let nearest = timeS;
  let distanceS = toleranceS;
  for (const candidate of candidates) {
    if (Math.abs(candidate - timeS) <= distanceS) {
      nearest = candidate;
      distanceS = Math.abs(candidate - timeS);
    }
  }
  return nearest;
}

/** Where the other events begin and end. @param {readonly SoundEvent[]} events @param {number} [exceptId] */
export function edges(events, exceptId) {
  return events.filter((event) => event.id !== exceptId).flatMap((event) => [event.onset, event.offset]);
}
