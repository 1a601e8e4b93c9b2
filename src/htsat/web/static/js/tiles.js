/**
 * A picture of a whole recording in tiles, at the resolution that a view needs: only what is looked at is fetched.
 */

const COLUMNS = 512;
const FINEST_COLUMN_S = 0.0025;
const MAX_TILES = 160;
const PATIENCE_MS = 50;

/** @typedef {{start: number, end: number}} Stretch */
/** @typedef {{key: string, level: number, stretch: Stretch, columns: number}} Wanted */

/** The level of a tile column: twice as long with each. @param {number} secondsPerPx */
export function levelFor(secondsPerPx) {
  return Math.max(0, Math.floor(Math.log2(secondsPerPx / FINEST_COLUMN_S) + 1e-9));
}

/**
 * The tiles of a level in a stretch of a recording.
 *
 * @param {number} level
 * @param {Stretch} stretch
 * @param {number} durationS
 * @returns {Wanted[]}
 */
export function tilesIn(level, stretch, durationS) {
  const columnS = FINEST_COLUMN_S * 2 ** level;
  const tileS = columnS * COLUMNS;
  const first = Math.max(0, Math.floor(stretch.start / tileS));
  const last = Math.max(first, Math.ceil(Math.min(stretch.end, durationS) / tileS) - 1);
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const start = (first + index) * tileS;
    const end = Math.min((first + index + 1) * tileS, durationS);
    const columns = Math.max(1, Math.ceil((end - start) / columnS - 1e-6));
    return { key: `${level}:${first + index}`, level, stretch: { start, end }, columns };
  });
}

/** @template {Stretch} Tile */
export class Tiles {
  /** @type {Map<string, {wanted: Wanted, tile: Tile, isStale: boolean}>} */ #tiles = new Map();
  /** @type {Map<string, AbortController>} */ #underway = new Map();
  /** @type {Set<string>} */ #failed = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /**
   * @param {(stretch: Stretch, columns: number, signal: AbortSignal) => Promise<Tile>} fetchTile
   * @param {() => void} onArrival
   */
  constructor(fetchTile, onArrival) {
    this.fetchTile = fetchTile;
    this.onArrival = onArrival;
  }

  /**
   * What there is for a view, coarse before fine; what is missing is sent for.
   *
   * @param {import("./view.js").View} view
   */
  for(view) {
    const { durationS } = view;
    const top = levelFor(durationS / COLUMNS) + 1;
    const level = Math.min(levelFor(view.secondsPerPx), top);
    const wanted = [...tilesIn(top, { start: 0, end: durationS }, durationS)];
    if (level < top) wanted.push(...tilesIn(level, { start: view.startS, end: view.endS }, durationS));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(wanted), PATIENCE_MS);
    return [...this.#tiles.values()]
      .filter(({ wanted: { level: of }, tile }) => of >= level && tile.start < view.endS && tile.end > view.startS)
      .sort((a, b) => b.wanted.level - a.wanted.level)
      .map(({ tile }) => tile);
  }

  /**
   * Asks again for what the server could not know all of when it answered.
   *
   * @param {number} knownS how much of the recording it surely knew; 0 asks again for all
   */
  refresh(knownS) {
    this.#failed.clear();
    for (const known of this.#tiles.values()) known.isStale ||= known.wanted.stretch.end > knownS;
    this.onArrival();
  }

  /** The coarsest there are, which tell of the whole recording. */
  whole() {
    const top = Math.max(...[...this.#tiles.values()].map(({ wanted }) => wanted.level));
    return [...this.#tiles.values()].filter(({ wanted }) => wanted.level === top).map(({ tile }) => tile);
  }

  stop() {
    clearTimeout(this.#timer);
    for (const controller of this.#underway.values()) controller.abort();
  }

  /** @param {Wanted[]} wanted */
  #send(wanted) {
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, controller] of this.#underway) if (!keys.has(key)) controller.abort();
    for (const tile of wanted) {
      const known = this.#tiles.get(tile.key);
      const isThere = known && !known.isStale;
      if (!isThere && !this.#underway.has(tile.key) && !this.#failed.has(tile.key)) void this.#fetch(tile);
    }
  }

  /** @param {Wanted} wanted */
  async #fetch(wanted) {
    const controller = new AbortController();
    this.#underway.set(wanted.key, controller);
    try {
      const tile = await this.fetchTile(wanted.stretch, wanted.columns, controller.signal);
      this.#tiles.delete(wanted.key);
      this.#tiles.set(wanted.key, { wanted, tile, isStale: false });
      if (this.#tiles.size > MAX_TILES)
        this.#tiles.delete(/** @type {string} */ (this.#tiles.keys().next().value));
    } catch {
      if (!controller.signal.aborted) this.#failed.add(wanted.key);
    }
    this.#underway.delete(wanted.key);
    this.onArrival();
  }
}
