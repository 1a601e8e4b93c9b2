/**
 * What the page asks of the server that it came from.
 *
 * @import {ModelFacts, RecordingRecord, Tag} from "./types.js"
 */

/** An error as the server told it; one line, for people. */
class ApiError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const OFFLINE = "the server does not answer";

/** @param {number} status @param {string} body */
function problem(status, body) {
  try {
    const { code, message } = JSON.parse(body).error;
    return new ApiError(code, message);
  } catch {
    return new ApiError("error", `the server answered ${status}`);
  }
}

/** @param {string} url @param {RequestInit} [init] */
async function ask(url, init) {
  let response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new ApiError("offline", OFFLINE);
  }
  if (!response.ok) throw problem(response.status, await response.text());
  return response;
}

/** @param {string} url @param {AbortSignal} [signal] */
async function json(url, signal) {
  return (await ask(url, { signal })).json();
}

/** @param {string} id @param {string} [what] */
const place = (id, what) => `/page/recordings/${encodeURIComponent(id)}${what ? `/${what}` : ""}`;

/** @param {Record<string, string | number>} values */
const query = (values) =>
  new URLSearchParams(Object.entries(values).map(([name, value]) => [name, String(value)]));

/** @typedef {{start: number, end: number}} Stretch */

/** @returns {Promise<ModelFacts>} */
export const model = () => json("/page/model");

/** @returns {Promise<RecordingRecord[]>} */
export const recordings = () => json("/page/recordings");

/**
 * A first look at a listed recording makes the server hear it.
 *
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<RecordingRecord>}
 */
export const recording = (id, signal) => json(place(id), signal);

/** @param {string} id */
export const removeRecording = (id) => ask(place(id), { method: "DELETE" });

/**
 * @param {Blob} file
 * @param {string} name
 * @param {(share: number) => void} onProgress with the share that is sent
 * @returns {Promise<RecordingRecord>}
 */
export function upload(file, name, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far it is
    request.open("POST", `/page/recordings?${query({ name })}`);
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onerror = () => reject(new ApiError("offline", OFFLINE));
    request.onload = () =>
      request.status === 201
        ? resolve(JSON.parse(request.responseText))
        : reject(problem(request.status, request.responseText));
    request.send(file);
  });
}

/**
 * Tells of every change until a recording is heard; returns what ends it early.
 *
 * @param {string} id
 * @param {(record: RecordingRecord) => void} onRecord
 */
export function watch(id, onRecord) {
  const source = new EventSource(place(id, "progress"));
  source.onmessage = (message) => {
    const record = JSON.parse(message.data);
    if (record.state === "done" || record.state === "failed") source.close();
    onRecord(record);
  };
  return () => source.close();
}

/** @param {string} id */
export const audioUrl = (id) => place(id, "audio");

/** @param {string} id @param {Stretch} stretch @param {number} points @param {AbortSignal} signal
 * @returns {Promise<Stretch & {min: number[], max: number[]}>} */
export const waveform = (id, { start, end }, points, signal) =>
  json(`${place(id, "waveform")}?${query({ start, end, points })}`, signal);

/** @typedef {Stretch & {lowHz: number, highHz: number, loudness: Uint8Array, width: number, height: number}} Loudness
 *   rows from the highest frequency down */

/** @param {string} id @param {Stretch} stretch @param {number} width @param {number} height @param {AbortSignal} signal
 * @returns {Promise<Loudness>} */
export async function spectrogram(id, { start, end }, width, height, signal) {
  const response = await ask(`${place(id, "spectrogram")}?${query({ start, end, width, height })}`, { signal });
  const loudness = new Uint8Array(await response.arrayBuffer());
  const number = (/** @type {string} */ name) => Number(response.headers.get(name));
  return {
    start: number("X-Start"),
    end: number("X-End"),
    lowHz: number("X-Low-Hz"),
    highHz: number("X-High-Hz"),
    loudness,
    width: loudness.length / height,
    height,
  };
}

/**
 * @param {string} id
 * @param {string[]} classes
 * @param {Stretch} stretch
 * @param {number} points
 * @param {AbortSignal} signal
 * @returns {Promise<{times: number[], scores: Record<string, number[]>}>} */
export function scores(id, classes, { start, end }, points, signal) {
  const parameters = query({ start, end, points });
  for (const label of classes) parameters.append("classes", label);
  return json(`${place(id, "scores")}?${parameters}`, signal);
}

/** @param {string} id @param {number} top @param {AbortSignal} signal @returns {Promise<Tag[]>} */
export const tags = (id, top, signal) => json(`${place(id, "tags")}?${query({ top })}`, signal);

/** @param {string} id @param {URLSearchParams} rules @param {AbortSignal} signal
 * @returns {Promise<{events: {label: string, onset: number, offset: number, probability: number}[]}>} */
export const events = (id, rules, signal) => json(`${place(id, "events")}?${rules}`, signal);

/** @param {string} id @param {string} suffix @param {URLSearchParams} parameters */
export const downloadUrl = (id, suffix, parameters) => `${place(id, `events.${suffix}`)}?${parameters}`;

/**
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<{reviewed: boolean, events: {label: string, onset: number, offset: number}[]} | null>}
 */
export const labels = (id, signal) => json(place(id, "labels"), signal);

/** The largest body that browsers send on when a page is closed. */
const MAX_KEPT_ALIVE_BYTES = 60_000;

/** @param {string} id @param {object} labels */
export function saveLabels(id, labels) {
  const body = new Blob([JSON.stringify(labels)], { type: "application/json" });
  return ask(place(id, "labels"), { method: "PUT", body, keepalive: body.size < MAX_KEPT_ALIVE_BYTES });
}

/** @param {string} id */
export const removeLabels = (id) => ask(place(id, "labels"), { method: "DELETE" });
