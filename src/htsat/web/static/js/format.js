/** Numbers as people read them. Times are in seconds. */

/** `7.5 -> "0:07.5"`, `3723 -> "1:02:03"`. @param {number} timeS @param {number} [digits] after the point */
export function clock(timeS, digits = 0) {
  const scale = 10 ** digits;
  const rounded = Math.round(Math.max(timeS, 0) * scale) / scale;
  const hours = Math.floor(rounded / 3600);
  const minutes = Math.floor(rounded / 60) % 60;
  const seconds = (rounded % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** `1.25 -> "1.25 s"`. @param {number} durationS */
export function seconds(durationS) {
  return `${durationS.toFixed(2)} s`;
}

/** @param {number} probability */
export function percent(probability) {
  return `${Math.round(probability * 100)} %`;
}

/** `1, "event" -> "1 event"`. @param {number} n @param {string} noun */
export function counted(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

const STEPS_S = [
  0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400,
];

/**
 * Round moments in a view, at least `minPx` apart.
 *
 * @param {import("./view.js").View} view
 * @param {number} minPx
 * @returns {{timeS: number, text: string}[]}
 */
export function ticks(view, minPx) {
  const stepS = STEPS_S.find((step) => step / view.secondsPerPx >= minPx) ?? 43200;
  const digits = stepS >= 1 ? 0 : stepS >= 0.1 ? 1 : 2;
  const first = Math.ceil(view.startS / stepS - 1e-9);
  const last = Math.floor(view.endS / stepS + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const timeS = (first + index) * stepS;
    return { timeS, text: clock(timeS, digits) };
  });
}

/** Name of a recording that was made now. @param {Date} date */
export function recordingName(date) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `recording ${day} ${two(date.getHours())}-${two(date.getMinutes())}-${two(date.getSeconds())}.wav`;
}
