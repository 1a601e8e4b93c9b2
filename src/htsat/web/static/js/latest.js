/** Requests of which only the latest matters: the others are called off. */

export class Latest {
  /** @type {AbortController | undefined} */ #running;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {number} delayMs how long the page waits for something later still */
  constructor(delayMs) {
    this.delayMs = delayMs;
  }

  /** @param {(signal: AbortSignal) => Promise<void>} work */
  ask(work) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#running?.abort();
      this.#running = new AbortController();
      void work(this.#running.signal);
    }, this.delayMs);
  }

  /** Nothing is wanted any more. */
  stop() {
    clearTimeout(this.#timer);
    this.#running?.abort();
  }
}
