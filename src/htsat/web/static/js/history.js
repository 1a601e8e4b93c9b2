/** What was, is and will be again: undo and redo over values that never change. */

const MAX_STEPS = 500;

/** @template T */
export class History {
  /** @type {T[]} */ #past = [];
  /** @type {T[]} */ #future = [];

  /** @param {T} present */
  constructor(present) {
    this.present = present;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** @param {T} value */
  push(value) {
    this.#past = [...this.#past, this.present].slice(-MAX_STEPS);
    this.#future = [];
    this.present = value;
  }

  /** Nothing happens where there is nothing to undo. */
  undo() {
    if (!this.canUndo) return;
    this.#future.push(this.present);
    this.present = /** @type {T} */ (this.#past.pop());
  }

  /** Nothing happens where there is nothing to redo. */
  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.present);
    this.present = /** @type {T} */ (this.#future.pop());
  }
}
