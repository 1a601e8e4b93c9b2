/** Records the microphone as a WAV file. Tells `level` with the loudest sample of late. */

import { wavFile } from "./wav.js";

export class Recorder extends EventTarget {
  /** @type {Float32Array[]} */ #blocks = [];
  /** @type {MediaStream | null} */ #stream = null;
  /** @type {AudioContext | null} */ #context = null;

  get isRecording() {
    return this.#context !== null;
  }

  get lengthS() {
    const nSamples = this.#blocks.reduce((sum, block) => sum + block.length, 0);
    return this.#context ? nSamples / this.#context.sampleRate : 0;
  }

  /** The sound as it is: what makes speech clear on the telephone would take sounds away. */
  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give the microphone only to pages of this machine or behind https.");
    }
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    } catch (error) {
      throw new Error(`The microphone cannot be used: ${/** @type {Error} */ (error).message}`, { cause: error });
    }
    this.#blocks = [];
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule("/static/js/recorder-worklet.js");
    const samples = new AudioWorkletNode(this.#context, "samples", {
      channelCount: 1,
      channelCountMode: "explicit",
    });
    samples.port.onmessage = (message) => this.#take(message.data);
    this.#context.createMediaStreamSource(this.#stream).connect(samples);
  }

  /** @returns {Blob} */
  stop() {
    const sampleRate = this.#context?.sampleRate ?? 0;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    void this.#context?.close();
    this.#context = this.#stream = null;
    return new Blob([wavFile(this.#blocks, sampleRate)], { type: "audio/wav" });
  }

  /** @param {Float32Array} block */
  #take(block) {
    this.#blocks.push(block);
    const peak = block.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    this.dispatchEvent(new CustomEvent("level", { detail: peak }));
  }
}
