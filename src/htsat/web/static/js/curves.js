/** Scores of the classes whose curves are wanted, for the view. */

import * as api from "./api.js";
import { Latest } from "./latest.js";

const PATIENCE_MS = 120;
const MARGIN = 0.5;

/** @typedef {{times: number[], values: number[]}} Curve */

export class Curves {
  /** @type {Map<string, Curve>} */ #curves = new Map();
  #asked = "";
  #latest = new Latest(PATIENCE_MS);

  /** @param {string} id of the recording @param {() => void} onArrival */
  constructor(id, onArrival) {
    this.id = id;
    this.onArrival = onArrival;
  }

  /** The last answer about a class, which need not be about the present view. @param {string} label */
  get(label) {
    return this.#curves.get(label);
  }

  /**
   * Sends for what is missing.
   *
   * @param {string[]} labels
   * @param {import("./view.js").View} view
   * @param {number} heardS how far the model has come
   */
  want(labels, view, heardS) {
    const marginS = view.spanS * MARGIN;
    const stretch = {
      start: Math.max(0, view.startS - marginS),
      end: Math.min(view.durationS, view.endS + marginS),
    };
    const points = Math.round((view.widthPx * (stretch.end - stretch.start)) / view.spanS);
    const asked = JSON.stringify([labels, stretch, points, Math.min(heardS, stretch.end)]);
    if (labels.length === 0 || asked === this.#asked) return;
    this.#asked = asked;
    this.#latest.ask((signal) => this.#fetch(labels, stretch, points, signal));
  }

  stop() {
    this.#latest.stop();
  }

  /** @param {string[]} labels @param {api.Stretch} stretch @param {number} points @param {AbortSignal} signal */
  async #fetch(labels, stretch, points, signal) {
    try {
      const { times, scores } = await api.scores(this.id, labels, stretch, points, signal);
      for (const [label, values] of Object.entries(scores)) this.#curves.set(label, { times, values });
      this.onArrival();
    } catch {
      // The last answer stays.
    }
  }
}

/**
 * Draws a curve with its threshold.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Curve} curve
 * @param {import("./view.js").View} view
 * @param {number} heightPx
 * @param {number | undefined} threshold
 */
export function drawCurve(context, { times, values }, view, heightPx, threshold) {
  const toY = (/** @type {number} */ value) => 2 + (heightPx - 4) * (1 - value);
  context.lineWidth = 1.5;
  context.beginPath();
  values.forEach((value, index) => context.lineTo(view.toPx(times[index]), toY(value)));
  context.stroke();
  if (threshold === undefined) return;
  context.globalAlpha = 0.6;
  context.lineWidth = 1;
  context.setLineDash([3, 4]);
  context.beginPath();
  context.moveTo(0, toY(threshold));
  context.lineTo(view.widthPx, toY(threshold));
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}
