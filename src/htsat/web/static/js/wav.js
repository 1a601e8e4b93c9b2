/** Samples as a WAV file, which the server reads without any codec. */

/**
 * Mono, 16 bits.
 *
 * @param {readonly Float32Array[]} blocks in [-1, 1]
 * @param {number} sampleRate
 * @returns {ArrayBuffer}
 */
export function wavFile(blocks, sampleRate) {
  const nSamples = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * nSamples));
  writeHeader(view, 2 * nSamples, sampleRate);
  let offset = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(offset, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      offset += 2;
    }
  }
  return view.buffer;
}

/** @param {DataView} view @param {number} nBytes @param {number} sampleRate */
function writeHeader(view, nBytes, sampleRate) {
  const text = (/** @type {number} */ offset, /** @type {string} */ name) =>
    [...name].forEach((letter, index) => view.setUint8(offset + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + nBytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of what follows
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, nBytes, true);
}
