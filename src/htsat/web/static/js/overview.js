/** The whole recording in one line: waveform, what is heard so far, events, and where the view is. */

import { wiped } from "./dom.js";
import { drawEnvelope, peakOf } from "./waveform.js";
import { View } from "./view.js";

/** @typedef {{envelopes: import("./waveform.js").Envelope[], heardS: number, cursorS: number,
 *   events: readonly {onset: number, offset: number}[]}} Overall */

const EVENTS_PX = 4;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {View} view
 * @param {Overall} overall
 */
export function drawOverview(canvas, view, { envelopes, heardS, cursorS, events }) {
  const whole = View.whole(view.durationS, view.widthPx);
  const heightPx = canvas.clientHeight;
  const context = wiped(canvas, view.widthPx, heightPx);
  const { color, borderTopColor: accent } = getComputedStyle(canvas);
  context.fillStyle = color;
  const peak = Math.max(...envelopes.map(peakOf), 0);
  for (const envelope of envelopes) drawEnvelope(context, envelope, whole, heightPx - EVENTS_PX, peak);
  drawUnheard(context, whole.toPx(heardS), view.widthPx, heightPx, color);
  context.fillStyle = accent;
  for (const { onset, offset } of events) {
    context.fillRect(
      whole.toPx(onset),
      heightPx - EVENTS_PX,
      Math.max(1, whole.toPx(offset) - whole.toPx(onset)),
      3,
    );
  }
  if (!view.isWhole) drawWindow(context, whole.toPx(view.startS), whole.toPx(view.endS), heightPx, accent);
  context.fillStyle = getComputedStyle(canvas).getPropertyValue("caret-color");
  context.fillRect(whole.toPx(cursorS) - 0.75, 0, 1.5, heightPx);
}

/**
 * Hatched: the model has not come so far.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} leftPx
 * @param {number} rightPx
 * @param {number} heightPx
 * @param {string} color
 */
function drawUnheard(context, leftPx, rightPx, heightPx, color) {
  if (rightPx - leftPx < 1) return;
  context.save();
  context.beginPath();
  context.rect(leftPx, 0, rightPx - leftPx, heightPx);
  context.clip();
  context.globalAlpha = 0.35;
  context.strokeStyle = color;
  context.beginPath();
  for (let x = leftPx - heightPx; x < rightPx; x += 9) {
    context.moveTo(x, heightPx);
    context.lineTo(x + heightPx, 0);
  }
  context.stroke();
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} leftPx
 * @param {number} rightPx
 * @param {number} heightPx
 * @param {string} accent
 */
function drawWindow(context, leftPx, rightPx, heightPx, accent) {
  const widthPx = Math.max(rightPx - leftPx, 3);
  context.fillStyle = accent;
  context.globalAlpha = 0.14;
  context.fillRect(leftPx, 0, widthPx, heightPx);
  context.globalAlpha = 1;
  context.strokeStyle = accent;
  context.lineWidth = 1.5;
  context.strokeRect(leftPx + 0.75, 0.75, widthPx - 1.5, heightPx - 1.5);
}
