/** The waveform, as its lowest and highest value in each column. */

import * as api from "./api.js";
import { wiped } from "./dom.js";
import { Tiles } from "./tiles.js";

/** @typedef {{start: number, end: number, min: number[], max: number[]}} Envelope */

const LEAST_PEAK = 0.05;

/**
 * Draws an envelope where it belongs; what a coarser one left there is wiped.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Envelope} envelope
 * @param {import("./view.js").View} view
 * @param {number} heightPx
 * @param {number} peak what fills the height
 */
export function drawEnvelope(context, envelope, view, heightPx, peak) {
  const stepPx = (view.toPx(envelope.end) - view.toPx(envelope.start)) / envelope.min.length;
  const leftPx = view.toPx(envelope.start);
  const first = Math.max(0, Math.floor(-leftPx / stepPx) - 1);
  const last = Math.min(envelope.min.length, Math.ceil((view.widthPx - leftPx) / stepPx) + 1);
  const toY = (/** @type {number} */ value) => (heightPx / 2) * (1 - (0.94 * value) / peak);
  context.clearRect(leftPx, 0, stepPx * envelope.min.length, heightPx);
  for (let index = first; index < last; index += 1) {
    const y = toY(envelope.max[index]);
    context.fillRect(leftPx + index * stepPx, y, Math.max(stepPx, 0.5), Math.max(toY(envelope.min[index]) - y, 1));
  }
}

/** @param {Envelope} envelope */
export function peakOf({ min, max }) {
  let peak = LEAST_PEAK;
  for (let index = 0; index < min.length; index += 1) peak = Math.max(peak, -min[index], max[index]);
  return peak;
}

export class Waveform {
  #peak = LEAST_PEAK;

  /** @param {HTMLCanvasElement} canvas @param {string} id of the recording @param {() => void} onArrival */
  constructor(canvas, id, onArrival) {
    this.canvas = canvas;
    this.tiles = new Tiles((stretch, columns, signal) => api.waveform(id, stretch, columns, signal), onArrival);
  }

  /** @param {import("./view.js").View} view */
  draw(view) {
    const heightPx = this.canvas.clientHeight;
    const context = wiped(this.canvas, view.widthPx, heightPx);
    const envelopes = this.tiles.for(view);
    this.#peak = Math.max(this.#peak, ...envelopes.map(peakOf));
    context.fillStyle = getComputedStyle(this.canvas).color;
    for (const envelope of envelopes) drawEnvelope(context, envelope, view, heightPx, this.#peak);
  }
}
