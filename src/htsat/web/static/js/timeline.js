/** The common axis of time: what stretch is on screen, drawn in overview, ruler, waveform, spectrogram and lanes. */

import { byId } from "./dom.js";
import { onDrag, onPinch, wheelMeaning, xWithin } from "./gestures.js";
import { Lanes } from "./lanes.js";
import { drawOverview } from "./overview.js";
import { drawRuler } from "./ruler.js";
import { Spectrogram } from "./spectrogram.js";
import { View } from "./view.js";
import { Waveform } from "./waveform.js";

const WHEEL_STEP = 1.6;
const EDGE_PX = 7;
const REFRESH_MS = 2500;

/** Tells `seek` with the moment that a person pointed at. */
export class Timeline extends EventTarget {
  /** @type {import("./session.js").Session | null} */ session = null;
  /** @type {Waveform | null} */ #waveform = null;
  /** @type {Spectrogram | null} */ #spectrogram = null;
  view = View.whole(1, 1);
  #cursorS = 0;
  #isDue = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #refreshing;

  /** @param {() => boolean} isDark */
  constructor(isDark) {
    super();
    this.isDark = isDark;
    this.element = byId("timeline");
    this.ruler = /** @type {HTMLCanvasElement} */ (byId("ruler"));
    this.overview = /** @type {HTMLCanvasElement} */ (byId("overview"));
    this.lanes = new Lanes(byId("lanes"), () => this.draw());
    this.#listen();
  }

  /** @param {import("./session.js").Session} session */
  show(session) {
    this.hide();
    this.session = session;
    const due = () => this.draw();
    const { id } = session.record;
    this.#waveform = new Waveform(/** @type {HTMLCanvasElement} */ (byId("wave")), id, due);
    const canvas = /** @type {HTMLCanvasElement} */ (byId("spectrogram"));
    this.#spectrogram = new Spectrogram(canvas, byId("frequencies"), id, due);
    this.lanes.show(session);
    this.view = View.whole(session.durationS, this.ruler.clientWidth);
    session.addEventListener("record", () => this.#recordChanged(session));
    session.addEventListener("selection", due);
    this.draw();
  }

  hide() {
    this.#waveform?.tiles.stop();
    this.#spectrogram?.tiles.stop();
    this.session = null;
  }

  /** @param {View} view */
  setView(view) {
    this.view = view;
    this.draw();
  }

  /** @param {number} factor */
  zoom(factor) {
    const px = this.view.shows(this.#cursorS) ? this.view.toPx(this.#cursorS) : this.view.widthPx / 2;
    this.setView(this.view.zoomedAt(px, factor));
  }

  /** @param {number} timeS @param {boolean} isFollowing whether the view turns pages with it */
  setCursor(timeS, isFollowing) {
    this.#cursorS = timeS;
    if (isFollowing) this.view = this.view.following(timeS);
    this.draw();
  }

  /** Everything, before the next frame. */
  draw() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      if (this.session) this.#drawAll(this.session);
    });
  }

  /** @param {import("./session.js").Session} session */
  #drawAll(session) {
    const widthPx = this.ruler.clientWidth;
    if (widthPx === 0) return;
    if (widthPx !== this.view.widthPx) this.view = this.view.resized(widthPx);
    const { view } = this;
    drawRuler(this.ruler, view);
    if (session.record.duration_s !== null) {
      this.#waveform?.draw(view);
      this.#spectrogram?.draw(view, this.isDark());
    }
    drawOverview(this.overview, view, {
      envelopes: this.#waveform?.tiles.whole() ?? [],
      heardS: session.record.state === "done" ? view.durationS : session.record.heard_s,
      cursorS: this.#cursorS,
      events: session.shown,
    });
    this.lanes.draw(view);
    this.#drawMarks(session);
  }

  /** @param {import("./session.js").Session} session */
  #drawMarks({ range, record }) {
    const playhead = byId("playhead");
    playhead.style.translate = `${this.view.toPx(this.#cursorS)}px 0`;
    const box = byId("range");
    box.hidden = range === null;
    if (range) {
      box.style.left = `${this.view.toPx(range.start)}px`;
      box.style.width = `${(range.end - range.start) / this.view.secondsPerPx}px`;
    }
    const heardS = record.state === "done" ? this.view.durationS : record.heard_s;
    byId("unheard").style.left = `${Math.max(0, this.view.toPx(heardS))}px`;
  }

  /** @param {import("./session.js").Session} session */
  #recordChanged(session) {
    if (session !== this.session) return;
    const { state, heard_s: heardS } = session.record;
    this.view = this.view.lasting(session.durationS);
    this.draw();
    if (state === "done") this.#refreshTiles(0);
    else this.#refreshing ??= setTimeout(() => this.#refreshTiles(heardS), REFRESH_MS);
  }

  /** @param {number} knownS */
  #refreshTiles(knownS) {
    clearTimeout(this.#refreshing);
    this.#refreshing = undefined;
    this.#waveform?.tiles.refresh(knownS);
    this.#spectrogram?.tiles.refresh(knownS);
  }

  #listen() {
    new ResizeObserver(() => this.draw()).observe(this.ruler);
    this.element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    onPinch(this.element, (x, factor, shiftPx) => {
      const zoomed = this.view.zoomedAt(x - this.ruler.offsetLeft, factor);
      this.setView(zoomed.shifted(shiftPx * zoomed.secondsPerPx));
    });
    for (const id of ["wave", "spectrogram"]) onDrag(byId(id), (event) => this.#marking(byId(id), event));
    onDrag(this.ruler, (event) => this.#scrubbing(event));
    onDrag(this.overview, (event) => this.#panning(event));
  }

  /** Zooms over the plots; over the lanes only with ctrl, as lanes scroll. @param {WheelEvent} event */
  #wheel(event) {
    const isOverLanes = !(/** @type {HTMLElement} */ (event.target).closest(".plots"));
    const { shiftPx, factor } = wheelMeaning(event);
    if (isOverLanes && !event.ctrlKey && !event.metaKey && shiftPx === 0) return;
    event.preventDefault();
    const limited = Math.min(Math.max(factor, 1 / WHEEL_STEP), WHEEL_STEP);
    const zoomed = this.view.zoomedAt(xWithin(this.ruler, event), limited);
    this.setView(zoomed.shifted(shiftPx * zoomed.secondsPerPx));
  }

  /**
   * A click goes there, a drag marks a stretch; a finger moves the picture.
   *
   * @param {HTMLElement} plot
   * @param {PointerEvent} down
   */
  #marking(plot, down) {
    const { view } = this;
    const atS = view.toTime(xWithin(plot, down));
    const isFinger = down.pointerType === "touch";
    const toS = (/** @type {PointerEvent} */ event) =>
      Math.min(Math.max(view.toTime(xWithin(plot, event)), 0), view.durationS);
    return {
      move: (/** @type {PointerEvent} */ event) => {
        if (isFinger) this.setView(view.shifted(atS - toS(event)));
        else this.session?.mark({ start: Math.min(atS, toS(event)), end: Math.max(atS, toS(event)) });
      },
      end: (/** @type {PointerEvent} */ event, /** @type {boolean} */ isDrag) => {
        if (isDrag && !isFinger) this.#seek(Math.min(atS, toS(event)));
        if (isDrag) return;
        this.session?.mark(null);
        this.#seek(atS);
      },
    };
  }

  /** @param {PointerEvent} down */
  #scrubbing(down) {
    const go = (/** @type {PointerEvent} */ event) => this.#seek(this.view.toTime(xWithin(this.ruler, event)));
    go(down);
    return { move: go, end: go };
  }

  /**
   * Moves the window of the overview, or one of its sides; without a window, draws one.
   *
   * @param {PointerEvent} down
   */
  #panning(down) {
    const whole = View.whole(this.view.durationS, this.view.widthPx);
    const { startS, endS } = this.view;
    const atPx = xWithin(this.overview, down);
    const atS = whole.toTime(atPx);
    const isAtSide = (/** @type {number} */ timeS) =>
      !this.view.isWhole && Math.abs(whole.toPx(timeS) - atPx) < EDGE_PX;
    const side = isAtSide(startS) ? "start" : isAtSide(endS) ? "end" : null;
    const isInside = this.view.shows(atS);
    if (!isInside && !side) this.setView(this.view.centred(atS));
    const begun = this.view;
    const move = (/** @type {PointerEvent} */ event) => {
      const deltaS = (xWithin(this.overview, event) - atPx) * whole.secondsPerPx;
      if (side === "start")
        this.setView(new View(Math.min(startS + deltaS, endS), endS, whole.durationS, whole.widthPx));
      else if (side === "end") this.setView(new View(startS, endS + deltaS, whole.durationS, whole.widthPx));
      else if (begun.isWhole)
        this.setView(
          new View(Math.min(atS, atS + deltaS), Math.max(atS, atS + deltaS), whole.durationS, whole.widthPx),
        );
      else this.setView(begun.shifted(deltaS));
    };
    const end = (/** @type {PointerEvent} */ _, /** @type {boolean} */ isDrag) => {
      if (!isDrag) this.#seek(atS);
    };
    return { move, end };
  }

  /** @param {number} timeS */
  #seek(timeS) {
    this.dispatchEvent(new CustomEvent("seek", { detail: Math.min(Math.max(timeS, 0), this.view.durationS) }));
  }
}
