/** Plays the recording, or a stretch of it. Tells `time` while it plays and `state` when that changes. */

export class Player extends EventTarget {
  /** What plays now, if not the recording to its end. @type {{start: number, end: number} | null} */
  stretch = null;
  isLooping = false;
  #isTicking = false;

  /** @param {HTMLAudioElement} audio */
  constructor(audio) {
    super();
    this.audio = audio;
    audio.addEventListener("play", () => this.#started());
    audio.addEventListener("pause", () => this.#tell("state"));
    audio.addEventListener("ended", () => this.#ended());
    audio.addEventListener("seeked", () => this.#tell("time"));
  }

  get timeS() {
    return this.audio.currentTime;
  }

  get isPlaying() {
    return !this.audio.paused;
  }

  get hasSound() {
    return this.audio.hasAttribute("src") && !this.audio.error;
  }

  /** @param {string} url */
  load(url) {
    this.audio.src = url;
  }

  unload() {
    this.stretch = null;
    this.audio.removeAttribute("src");
    this.audio.load();
    this.#tell("state");
    this.#tell("time");
  }

  play() {
    this.audio.play().catch((error) => {
      if (error.name !== "AbortError") this.dispatchEvent(new CustomEvent("refused", { detail: error.message }));
    });
  }

  /** @param {number} startS @param {number} endS */
  playStretch(startS, endS) {
    this.stretch = { start: startS, end: endS };
    this.audio.currentTime = startS;
    this.play();
  }

  pause() {
    this.audio.pause();
  }

  /** Goes there; what played as a stretch goes on to the end of the recording. @param {number} timeS */
  seek(timeS) {
    this.stretch = null;
    this.audio.currentTime = Math.max(0, timeS);
    this.#tell("time");
  }

  #started() {
    this.#tell("state");
    if (this.#isTicking) return;
    this.#isTicking = true;
    requestAnimationFrame(() => this.#tick());
  }

  #tick() {
    this.#isTicking = this.isPlaying;
    if (this.stretch && this.timeS >= this.stretch.end) this.#reachedEnd(this.stretch);
    this.#tell("time");
    if (this.#isTicking) requestAnimationFrame(() => this.#tick());
  }

  /** @param {{start: number, end: number}} stretch */
  #reachedEnd(stretch) {
    if (this.isLooping) {
      this.audio.currentTime = stretch.start;
      return;
    }
    this.pause();
    this.audio.currentTime = stretch.end;
    this.stretch = null;
  }

  #ended() {
    if (this.isLooping) {
      this.audio.currentTime = this.stretch?.start ?? 0;
      this.play();
    } else {
      this.stretch = null;
      this.#tell("state");
    }
  }

  /** @param {"time" | "state"} what */
  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}
