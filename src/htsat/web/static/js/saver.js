/**
 * Labels on their way to the server: kept in the browser until they have arrived.
 *
 * @import {Labels} from "./types.js"
 */

/**
 * @typedef {"saved" | "saving" | "kept"} SavingState `kept`: in this browser only, as the server does not take them
 */

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30000;

/** Labels as the server takes them. @param {Labels} labels */
export function plain({ reviewed, events }) {
  return { reviewed, events: events.map(({ label, onset, offset }) => ({ label, onset, offset })) };
}

export class Saver extends EventTarget {
  /** @type {SavingState} */ state = "saved";
  /** Why the server did not take them. */ problem = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #retryMs = FIRST_RETRY_MS;
  #isSending = false;

  /**
   * @param {string} key of the recording in the browser's store
   * @param {(labels: ReturnType<typeof plain>) => Promise<unknown>} put
   * @param {Pick<Storage, "getItem" | "setItem" | "removeItem">} storage
   */
  constructor(key, put, storage) {
    super();
    this.key = key;
    this.put = put;
    this.storage = storage;
  }

  /** Labels that never arrived. @returns {ReturnType<typeof plain> | null} */
  kept() {
    return JSON.parse(this.storage.getItem(this.key) ?? "null");
  }

  /** @param {Labels} labels @param {number} [delayMs] in which others may follow */
  save(labels, delayMs = 300) {
    this.storage.setItem(this.key, JSON.stringify(plain(labels)));
    this.#retryMs = FIRST_RETRY_MS;
    this.#become("saving");
    this.#sendIn(delayMs);
  }

  /** Nothing is to be saved any more. */
  forget() {
    clearTimeout(this.#timer);
    this.storage.removeItem(this.key);
    this.#become("saved");
  }

  /** Send what is kept at once. */
  async send() {
    clearTimeout(this.#timer);
    const text = this.storage.getItem(this.key);
    if (text === null || this.#isSending) return;
    this.#isSending = true;
    try {
      await this.put(JSON.parse(text));
      this.#arrived(text);
    } catch (error) {
      this.#failed(/** @type {Error} */ (error));
    } finally {
      this.#isSending = false;
    }
  }

  /** @param {string} text */
  #arrived(text) {
    this.#retryMs = FIRST_RETRY_MS;
    if (this.storage.getItem(this.key) !== text) {
      this.#sendIn(0); // changed meanwhile
      return;
    }
    this.storage.removeItem(this.key);
    this.#become("saved");
  }

  /** @param {Error} error */
  #failed(error) {
    this.problem = error.message;
    this.#become("kept");
    this.#sendIn(this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
  }

  /** @param {number} delayMs */
  #sendIn(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.send(), delayMs);
  }

  /** @param {SavingState} state */
  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}
