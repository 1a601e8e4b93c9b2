/** Frequencies on the mel scale of the spectrogram (O'Shaughnessy 1987). */

/** @param {number} hz */
const mel = (hz) => 2595 * Math.log10(1 + hz / 700);

/**
 * Height of a frequency between the lowest (0) and the highest (1).
 *
 * @param {number} hz
 * @param {number} lowHz
 * @param {number} highHz
 */
export function heightOf(hz, lowHz, highHz) {
  return (mel(hz) - mel(lowHz)) / (mel(highHz) - mel(lowHz));
}

/** Round frequencies for an axis. @param {number} lowHz @param {number} highHz */
export function frequencyTicks(lowHz, highHz) {
  return [500, 1000, 2000, 4000, 8000, 16000]
    .filter((hz) => hz > lowHz && hz < highHz * 0.98)
    .map((hz) => ({ hz, text: hz < 1000 ? String(hz) : `${hz / 1000}k` }));
}
