/** Runs beside the sound: sends what the microphone gives to the page, as it is. */

class Samples extends AudioWorkletProcessor {
  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const [channel] = inputs[0];
    if (channel) this.port.postMessage(channel.slice());
    return true;
  }
}

registerProcessor("samples", Samples);
