/** Pointer and wheel on plots and lanes, as moments in time. */

/** Presses that move less than this are clicks. */
export const CLICK_PX = 4;

/**
 * A press on an element that may become a drag.
 *
 * @param {HTMLElement} target
 * @param {(event: PointerEvent) => {move: (event: PointerEvent) => void,
 *   end: (event: PointerEvent, isDrag: boolean) => void,
 *   cancel?: () => void} | null} begin what to do with the press, or null to leave it
 */
export function onDrag(target, begin) {
  target.addEventListener("pointerdown", (down) => {
    if (down.button !== 0 || !down.isPrimary) return;
    const drag = begin(down);
    if (!drag) return;
    let isDrag = false;
    const finished = new AbortController();
    const options = { signal: finished.signal };
    window.addEventListener(
      "pointermove",
      (event) => {
        isDrag ||= Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) >= CLICK_PX;
        if (isDrag && event.pointerId === down.pointerId) drag.move(event);
      },
      options,
    );
    window.addEventListener(
      "pointerup",
      (event) => {
        finished.abort();
        drag.end(event, isDrag);
      },
      options,
    );
    window.addEventListener(
      "pointercancel",
      () => {
        finished.abort();
        drag.cancel?.();
      },
      options,
    );
  });
}

/** Place of a pointer from the left edge of an element. @param {HTMLElement} target @param {MouseEvent} event */
export function xWithin(target, event) {
  return event.clientX - target.getBoundingClientRect().left;
}

const ZOOM_PER_PX = 0.0022;
const LINE_PX = 16;

/**
 * What a turn of the wheel means: sideways or with shift a shift in pixels, else a factor to zoom by.
 *
 * @param {WheelEvent} event
 * @returns {{shiftPx: number, factor: number}}
 */
export function wheelMeaning(event) {
  const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1;
  const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
  if (isSideways) return { shiftPx: event.deltaX * unit, factor: 1 };
  if (event.shiftKey) return { shiftPx: event.deltaY * unit, factor: 1 };
  const strength = event.ctrlKey && Math.abs(event.deltaY) < 50 ? 4 : 1; // a pinch on a touchpad
  return { shiftPx: 0, factor: Math.exp(-event.deltaY * unit * ZOOM_PER_PX * strength) };
}

/**
 * Two fingers: tells by how much they spread, and around which place.
 *
 * @param {HTMLElement} target
 * @param {(x: number, factor: number, shiftPx: number) => void} onPinch
 */
export function onPinch(target, onPinch) {
  /** @type {{middle: number, spread: number} | null} */
  let before = null;
  target.addEventListener(
    "touchmove",
    (event) => {
      if (event.touches.length !== 2) return;
      event.preventDefault();
      const [a, b] = [event.touches[0].clientX, event.touches[1].clientX];
      const now = {
        middle: (a + b) / 2 - target.getBoundingClientRect().left,
        spread: Math.max(Math.abs(a - b), 20),
      };
      if (before) onPinch(now.middle, now.spread / before.spread, before.middle - now.middle);
      before = now;
    },
    { passive: false },
  );
  target.addEventListener("touchend", () => (before = null));
}
