/** The axis of time. */

import { wiped } from "./dom.js";
import { ticks } from "./format.js";

const MIN_TICK_PX = 76;

/** @param {HTMLCanvasElement} canvas @param {import("./view.js").View} view */
export function drawRuler(canvas, view) {
  const heightPx = canvas.clientHeight;
  const context = wiped(canvas, view.widthPx, heightPx);
  const { color, borderTopColor, fontFamily } = getComputedStyle(canvas);
  context.font = `11px ${fontFamily}`;
  context.textBaseline = "middle";
  for (const { timeS, text } of ticks(view, MIN_TICK_PX)) {
    const x = Math.round(view.toPx(timeS)) + 0.5;
    context.fillStyle = borderTopColor;
    context.fillRect(x - 0.5, 0, 1, heightPx);
    context.fillStyle = color;
    if (x + context.measureText(text).width + 6 < view.widthPx) context.fillText(text, x + 5, heightPx / 2);
  }
}
