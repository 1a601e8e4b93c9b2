/**
 * The values that cross the modules. Times are in seconds from the start of the recording.
 *
 * @typedef {{label: string, onset: number, offset: number, probability?: number, id: number}} SoundEvent
 *   `id` is given by the page; labels that a person set have no probability.
 * @typedef {{events: readonly SoundEvent[], reviewed: boolean}} Labels
 * @typedef {"waiting" | "hearing" | "done" | "failed"} HearingState
 * @typedef {{id: string, name: string, state: HearingState, duration_s: number | null, heard_s: number,
 *   error: string | null, reviewed: boolean, n_labels: number | null}} RecordingRecord
 * @typedef {number | number[]} PerClass
 * @typedef {{thresholds: number[], median_filter: PerClass, max_gap: PerClass, min_duration: PerClass,
 *   clip_threshold: PerClass, boxes: boolean}} ModelRules
 * @typedef {{name: string, labels: string[], task: string, frame_s: number, sample_rate: number, clip_s: number,
 *   rules: ModelRules, version: string}} ModelFacts
 * @typedef {{label: string, probability: number}} Tag
 */

export {};
