/** One lane: a class with its events as blocks, and its scores as a curve. @import {SoundEvent} from "./types.js" */

import { drawCurve } from "./curves.js";
import { dot, element, icon, wiped } from "./dom.js";
import { clock, percent } from "./format.js";
import { blocksOf } from "./lane-layout.js";

const NUMBER_PX = 42;
const OVERHANG_PX = 6;
const HEARD_PX = 3;

/**
 * @typedef {{view: import("./view.js").View, selectedId: number | null, heard: readonly SoundEvent[],
 *   hasCurve: boolean, curve: import("./curves.js").Curve | undefined, threshold: number | undefined}} LanePicture
 *   `heard` is what to draw as a thin line below labels; a curve may be wanted and not have arrived
 */

/** @param {SoundEvent} event */
export function described({ label, onset, offset, probability }) {
  const times = `${label}, ${clock(onset, 2)} to ${clock(offset, 2)}`;
  return probability === undefined ? times : `${times}, ${percent(probability)}`;
}

/** @param {string} name @param {string} label @param {() => void} onClick */
function headButton(name, label, onClick) {
  const button = element("button", { type: "button", title: label, onclick: onClick }, icon(name));
  button.setAttribute("aria-label", label);
  return button;
}

export class LaneRow {
  /** @type {Map<number, HTMLButtonElement>} */ #blocks = new Map();
  /** @type {readonly SoundEvent[]} */ events = [];
  #isBlank = true;

  /**
   * @param {string} label
   * @param {number} hue
   * @param {{onCurve: () => void, onHide: () => void}} actions
   */
  constructor(label, hue, { onCurve, onHide }) {
    this.curveButton = headButton("curve", `Scores of ${label}`, onCurve);
    const name = element("span", { className: "lane-name", title: label }, label);
    const hide = headButton("close", `Hide ${label}`, onHide);
    const head = element("div", { className: "lane-head" }, dot(hue), name, this.curveButton, hide);
    this.canvas = element("canvas");
    this.track = element("div", { className: "track" }, this.canvas);
    this.element = element("div", { className: "lane hued" }, head, this.track);
    this.element.style.setProperty("--hue", String(hue));
    this.element.dataset.label = label;
    this.element.setAttribute("role", "listitem");
    this.element.setAttribute("aria-label", label);
  }

  /** Puts the blocks where they belong. @param {LanePicture} picture */
  place(picture) {
    this.curveButton.setAttribute("aria-pressed", String(picture.hasCurve));
    const before = this.#blocks;
    this.#blocks = new Map();
    for (const block of blocksOf(this.events, picture.view)) {
      const { id } = block.events[0];
      const button = before.get(id) ?? this.#newBlock();
      before.delete(id);
      this.#blocks.set(id, button);
      this.#place(button, block, picture);
    }
    for (const button of before.values()) button.remove();
  }

  #newBlock() {
    const button = element("button", { type: "button", className: "block", tabIndex: -1 }, element("span"));
    this.track.append(button);
    return button;
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {import("./lane-layout.js").Block} block
   * @param {LanePicture} picture
   */
  #place(button, { leftPx, widthPx, events }, { view, selectedId }) {
    const [event] = events;
    const left = Math.max(leftPx, -OVERHANG_PX);
    const width = Math.min(leftPx + widthPx, view.widthPx + OVERHANG_PX) - left;
    const isSelected = events.length === 1 && event.id === selectedId;
    button.style.translate = `${left}px 0`;
    button.style.width = `${width}px`;
    button.style.setProperty("--sure", `${Math.round(35 + 65 * (event.probability ?? 0.75))}%`);
    button.classList.toggle("many", events.length > 1);
    button.dataset.ids = events.map(({ id }) => id).join(" ");
    button.tabIndex = isSelected ? 0 : -1;
    button.setAttribute("aria-pressed", String(isSelected));
    button.setAttribute(
      "aria-label",
      events.length > 1 ? `${events.length} events of ${event.label}` : described(event),
    );
    const isRoomy = width > NUMBER_PX && events.length === 1 && event.probability !== undefined;
    /** @type {HTMLElement} */ (button.firstChild).textContent = isRoomy ? percent(event.probability ?? 1) : "";
  }

  /** Draws what is no block; after all blocks are placed, as it asks for colours. @param {LanePicture} picture */
  draw({ view, heard, curve, threshold }) {
    const isBlank = !curve && heard.length === 0;
    if (isBlank && this.#isBlank) return;
    this.#isBlank = isBlank;
    const heightPx = this.track.clientHeight;
    const context = wiped(this.canvas, view.widthPx, heightPx);
    const { color, borderTopColor } = getComputedStyle(this.canvas);
    context.fillStyle = color;
    context.strokeStyle = borderTopColor;
    for (const { leftPx, widthPx } of blocksOf(heard, view)) {
      context.fillRect(leftPx, heightPx - HEARD_PX, widthPx, HEARD_PX);
    }
    if (curve) drawCurve(context, curve, view, heightPx, threshold);
  }
}
