/** The mel spectrogram, in colours of loudness. @import {Loudness} from "./api.js" */

import * as api from "./api.js";
import { loudnessColors } from "./colors.js";
import { element, wiped } from "./dom.js";
import { frequencyTicks, heightOf } from "./mel.js";
import { Tiles } from "./tiles.js";

const ROWS = 128;

/** @param {Loudness} loudness @param {Uint32Array} colors */
function painted({ loudness, width, height }, colors) {
  const canvas = element("canvas", { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = Uint32Array.from(loudness, (step) => colors[step]);
  context.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
  return canvas;
}

export class Spectrogram {
  /** @type {WeakMap<Loudness, {canvas: HTMLCanvasElement, isDark: boolean}>} */ #painted = new WeakMap();
  #axis = "";

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} axis where frequencies are written
   * @param {string} id of the recording
   * @param {() => void} onArrival
   */
  constructor(canvas, axis, id, onArrival) {
    this.canvas = canvas;
    this.axis = axis;
    this.tiles = new Tiles(
      (stretch, columns, signal) => api.spectrogram(id, stretch, columns, ROWS, signal),
      onArrival,
    );
    axis.replaceChildren();
  }

  /** @param {import("./view.js").View} view @param {boolean} isDark */
  draw(view, isDark) {
    const heightPx = this.canvas.clientHeight;
    const context = wiped(this.canvas, view.widthPx, heightPx);
    for (const tile of this.tiles.for(view)) {
      const leftPx = view.toPx(tile.start);
      context.drawImage(this.#picture(tile, isDark), leftPx, 0, view.toPx(tile.end) - leftPx, heightPx);
      this.#writeAxis(tile);
    }
  }

  /** @param {Loudness} tile @param {boolean} isDark */
  #picture(tile, isDark) {
    let known = this.#painted.get(tile);
    if (!known || known.isDark !== isDark) {
      known = { canvas: painted(tile, loudnessColors(isDark)), isDark };
      this.#painted.set(tile, known);
    }
    return known.canvas;
  }

  /** @param {Loudness} tile */
  #writeAxis({ lowHz, highHz }) {
    if (this.#axis === `${lowHz} ${highHz}`) return;
    this.#axis = `${lowHz} ${highHz}`;
    const names = frequencyTicks(lowHz, highHz).map(({ hz, text }) => {
      const name = element("span", {}, text);
      name.style.bottom = `${100 * heightOf(hz, lowHz, highHz)}%`;
      return name;
    });
    this.axis.replaceChildren(...names);
  }
}
