/** Colours of classes and of loudness. */

// Golden angle: neighbours in the list of classes are far apart on the wheel.
const GOLDEN_DEGREES = 137.508;

/**
 * Hue in degrees of a class; classes of a person's own take theirs from their name.
 *
 * @param {string} label
 * @param {readonly string[]} labels
 */
export function hueOf(label, labels) {
  const known = labels.indexOf(label);
  const index = known >= 0 ? known : [...label].reduce((sum, letter) => sum + letter.charCodeAt(0), labels.length);
  return (25 + index * GOLDEN_DEGREES) % 360;
}

// Seventeen steps each, between which colours are mixed; equal steps of loudness look equal. In the dark those of
// `magma` (S. van der Walt, N. Smith; CC0), in the light falling lightness in OKLab from pink to violet.
const DARK =
  "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 " +
  "d0416f e75263 f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf";
const LIGHT =
  "fbf9fb f8e0f7 f0c9f2 e5b2ee d89de9 c989e2 b777d9 a566cf 9257c1 " +
  "7e4ab1 6a3e9f 57358a 452c72 342559 241d3f 171624 0c0c0c";

/** The server tells of 80 dB; the lowest of them are noise to the eye. */
const SILENT_STEPS = 40;

/** Colours of the 256 steps of loudness as little-endian RGBA. @param {boolean} isDark */
export function loudnessColors(isDark) {
  const anchors = (isDark ? DARK : LIGHT)
    .split(" ")
    .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, step) => {
    const place = (Math.max(0, step - SILENT_STEPS) / (255 - SILENT_STEPS)) * (anchors.length - 1);
    const low = Math.min(Math.floor(place), anchors.length - 2);
    const [red, green, blue] = [0, 1, 2].map((channel) =>
      Math.round(anchors[low][channel] + (anchors[low + 1][channel] - anchors[low][channel]) * (place - low)),
    );
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
}
