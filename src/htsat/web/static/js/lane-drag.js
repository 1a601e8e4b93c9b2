/** The pointer on the lanes: hear, move, resize and draw events. @import {SoundEvent} from "./types.js" */

import { movedTo, newEvent, resized } from "./edits.js";
import { CLICK_PX, onDrag, xWithin } from "./gestures.js";

const EDGE_PX = 8;

/**
 * @param {HTMLElement} root of the lanes
 * @param {import("./timeline.js").Timeline} timeline
 * @param {import("./player.js").Player} player
 * @param {() => import("./editor.js").Editor | null} currentEditor
 */
export function dragOnLanes(root, timeline, player, currentEditor) {
  onDrag(root, (down) => {
    const target = /** @type {HTMLElement} */ (down.target);
    const track = /** @type {HTMLElement | null} */ (target.closest(".track"));
    const editor = currentEditor();
    if (!track || !editor) return null;
    const ids = /** @type {HTMLElement | null} */ (target.closest(".block"))?.dataset.ids?.split(" ").map(Number);
    if (!ids) return onEmpty(track, down, timeline, player, editor);
    const events = editor.session.shown.filter(({ id }) => ids.includes(id));
    return events.length === 1
      ? onEvent(events[0], track, down, timeline, player, editor)
      : onMany(events, timeline);
  });
}

/**
 * Blocks too small to be told apart: a click comes closer.
 *
 * @param {SoundEvent[]} events
 * @param {import("./timeline.js").Timeline} timeline
 */
function onMany(events, timeline) {
  const end = (/** @type {PointerEvent} */ _, /** @type {boolean} */ isDrag) => {
    if (!isDrag && events.length)
      timeline.setView(timeline.view.fitting(events[0].onset, Math.max(...events.map(({ offset }) => offset))));
  };
  return { move: () => {}, end };
}

/**
 * A click hears the event; a drag moves it, also to another lane, or one of its ends.
 *
 * @param {SoundEvent} event
 * @param {HTMLElement} track
 * @param {PointerEvent} down
 * @param {import("./timeline.js").Timeline} timeline
 * @param {import("./player.js").Player} player
 * @param {import("./editor.js").Editor} editor
 */
function onEvent(event, track, down, timeline, player, editor) {
  const { view, lanes } = timeline;
  const { session } = editor;
  const atPx = xWithin(track, down);
  const edge = edgeAt(event, atPx, view);
  session.select(event.id);
  /** @type {SoundEvent} */
  let draft = event;
  let isAllowed = /** @type {boolean | undefined} */ (undefined);
  return {
    move: (/** @type {PointerEvent} */ now) => {
      isAllowed ??= editor.isAllowed();
      if (!isAllowed) return;
      const deltaS = (xWithin(track, now) - atPx) * view.secondsPerPx;
      const snap = (/** @type {number} */ timeS) =>
        now.altKey ? timeS : editor.snap(timeS, { view, exceptId: event.id, cursorS: player.timeS });
      if (edge) draft = resized(event, edge, snap(event[edge] + deltaS), session.durationS);
      else
        draft = {
          ...moved(event, deltaS, snap, session.durationS),
          label: lanes.labelAt(now.clientX, now.clientY) ?? draft.label,
        };
      lanes.setDraft(draft);
    },
    end: (/** @type {PointerEvent} */ _, /** @type {boolean} */ isDrag) => {
      lanes.setDraft(null);
      if (!isDrag) player.playStretch(event.onset, event.offset);
      else if (draft !== event) editor.put(draft);
    },
    cancel: () => lanes.setDraft(null),
  };
}

/**
 * The end of an event that a place is at, if any.
 *
 * @param {SoundEvent} event
 * @param {number} px
 * @param {import("./view.js").View} view
 * @returns {"onset" | "offset" | null}
 */
function edgeAt(event, px, view) {
  const [left, right] = [view.toPx(event.onset), view.toPx(event.offset)];
  const reach = Math.min(EDGE_PX, (right - left) / 3);
  if (px - left < reach) return "onset";
  return right - px < reach ? "offset" : null;
}

/**
 * Moved so that either end may snap.
 *
 * @param {SoundEvent} event
 * @param {number} deltaS
 * @param {(timeS: number) => number} snap
 * @param {number} durationS
 */
function moved(event, deltaS, snap, durationS) {
  const byOnset = snap(event.onset + deltaS) - event.onset;
  const byOffset = snap(event.offset + deltaS) - event.offset;
  return movedTo(event, event.onset + (byOnset === deltaS ? byOffset : byOnset), durationS);
}

/**
 * A click goes there; a drag draws an event of the lane's class, but a finger moves the picture.
 *
 * @param {HTMLElement} track
 * @param {PointerEvent} down
 * @param {import("./timeline.js").Timeline} timeline
 * @param {import("./player.js").Player} player
 * @param {import("./editor.js").Editor} editor
 */
function onEmpty(track, down, timeline, player, editor) {
  const { view, lanes } = timeline;
  const label = lanes.labelAt(down.clientX, down.clientY) ?? "";
  const isFinger = down.pointerType === "touch";
  const atS = view.toTime(xWithin(track, down));
  const drawn = newEvent(label, atS, atS);
  let draft = drawn;
  let isAllowed = /** @type {boolean | undefined} */ (undefined);
  return {
    move: (/** @type {PointerEvent} */ now) => {
      const toS = view.toTime(xWithin(track, now));
      if (isFinger) timeline.setView(view.shifted(atS - toS));
      isAllowed ??= !isFinger && editor.isAllowed();
      if (!isAllowed) return;
      const [start, end] = [atS, toS]
        .map((timeS) => (now.altKey ? timeS : editor.snap(timeS, { view, cursorS: player.timeS })))
        .sort((a, b) => a - b);
      draft = { ...drawn, onset: Math.max(0, start), offset: Math.min(end, editor.session.durationS) };
      lanes.setDraft(draft);
    },
    end: (/** @type {PointerEvent} */ _, /** @type {boolean} */ isDrag) => {
      lanes.setDraft(null);
      if (isDrag && draft.offset - draft.onset > CLICK_PX * view.secondsPerPx) editor.put(draft);
      if (isDrag) return;
      editor.session.mark(null);
      player.seek(atS);
    },
    cancel: () => lanes.setDraft(null),
  };
}
