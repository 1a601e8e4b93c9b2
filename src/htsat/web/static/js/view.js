/** The stretch of a recording that is on screen. Times are in seconds, places in CSS pixels from the left edge. */

export const MIN_SPAN_S = 0.05;

export class View {
  /**
   * @param {number} startS
   * @param {number} endS
   * @param {number} durationS of the recording, which the view never leaves
   * @param {number} widthPx
   */
  constructor(startS, endS, durationS, widthPx) {
    this.durationS = Math.max(durationS, MIN_SPAN_S);
    const spanS = Math.min(Math.max(endS - startS, MIN_SPAN_S), this.durationS);
    this.startS = Math.min(Math.max(startS, 0), this.durationS - spanS);
    this.endS = this.startS + spanS;
    this.widthPx = Math.max(widthPx, 1);
    Object.freeze(this);
  }

  /** @param {number} durationS @param {number} widthPx */
  static whole(durationS, widthPx) {
    return new View(0, durationS, durationS, widthPx);
  }

  get spanS() {
    return this.endS - this.startS;
  }

  get secondsPerPx() {
    return this.spanS / this.widthPx;
  }

  get isWhole() {
    return this.spanS >= this.durationS;
  }

  /** @param {number} timeS */
  toPx(timeS) {
    return (timeS - this.startS) / this.secondsPerPx;
  }

  /** @param {number} px */
  toTime(px) {
    return this.startS + px * this.secondsPerPx;
  }

  /** @param {number} timeS */
  shows(timeS) {
    return timeS >= this.startS && timeS <= this.endS;
  }

  /** Closer for factors above 1, with the same moment under `px`. @param {number} px @param {number} factor */
  zoomedAt(px, factor) {
    const spanS = Math.min(Math.max(this.spanS / factor, MIN_SPAN_S), this.durationS);
    const startS = this.toTime(px) - (px / this.widthPx) * spanS;
    return new View(startS, startS + spanS, this.durationS, this.widthPx);
  }

  /** @param {number} deltaS */
  shifted(deltaS) {
    return new View(this.startS + deltaS, this.endS + deltaS, this.durationS, this.widthPx);
  }

  /** With the given moment in the middle. @param {number} timeS */
  centred(timeS) {
    return this.shifted(timeS - (this.startS + this.endS) / 2);
  }

  /** The next page when a moment runs out of the view, which it then enters at a tenth. @param {number} timeS */
  following(timeS) {
    return this.shows(timeS) ? this : this.shifted(timeS - this.startS - this.spanS / 10);
  }

  /** Moved, and widened if need be, until a stretch is in it. @param {number} startS @param {number} endS */
  revealing(startS, endS) {
    if (this.shows(startS) && this.shows(endS)) return this;
    if (endS - startS > 0.8 * this.spanS) return this.fitting(startS, endS);
    return this.centred((startS + endS) / 2);
  }

  /** Filled by a stretch, with a margin. @param {number} startS @param {number} endS */
  fitting(startS, endS) {
    const marginS = Math.max((endS - startS) * 0.25, MIN_SPAN_S);
    return new View(startS - marginS, endS + marginS, this.durationS, this.widthPx);
  }

  /** @param {number} widthPx */
  resized(widthPx) {
    return new View(this.startS, this.endS, this.durationS, widthPx);
  }

  /** For a recording that turned out longer or shorter; the whole stays the whole. @param {number} durationS */
  lasting(durationS) {
    return this.isWhole
      ? View.whole(durationS, this.widthPx)
      : new View(this.startS, this.endS, durationS, this.widthPx);
  }
}
