/**
 * The rules of events that a person may set aside; null is the model's own.
 *
 * @import {ModelRules} from "./types.js"
 */

/** @typedef {"threshold" | "min_duration" | "max_gap" | "median_filter" | "clip_threshold"} RuleName */
/** @typedef {Record<RuleName, number | null>} Rules */

/** @type {Rules} */
export const OWN_RULES = Object.freeze({
  threshold: null,
  min_duration: null,
  max_gap: null,
  median_filter: null,
  clip_threshold: null,
});

/** @type {{name: RuleName, title: string, hint: string, max: number, step: number, unit: string}[]} */
export const SLIDERS = [
  { name: "threshold", title: "Threshold", hint: "How sure the model must be", max: 1, step: 0.01, unit: "" },
  {
    name: "min_duration",
    title: "Shortest event",
    hint: "Shorter ones are left out",
    max: 5,
    step: 0.05,
    unit: " s",
  },
  {
    name: "max_gap",
    title: "Bridge gaps",
    hint: "Events no farther apart become one",
    max: 5,
    step: 0.05,
    unit: " s",
  },
  {
    name: "median_filter",
    title: "Smooth over",
    hint: "Median filter on the scores",
    max: 5,
    step: 0.1,
    unit: " s",
  },
  {
    name: "clip_threshold",
    title: "In the clip",
    hint: "How sure the model must be of the class in the clip around an event",
    max: 1,
    step: 0.01,
    unit: "",
  },
];

/** Boxes have no rules on frames. */
const ON_FRAMES = new Set(["max_gap", "median_filter", "clip_threshold"]);

/** @param {RuleName} name @param {ModelRules} model */
export function isUsable(name, model) {
  return !(model.boxes && ON_FRAMES.has(name));
}

/**
 * The model's own values of a rule: one for all classes or one for each.
 *
 * @param {RuleName} name
 * @param {ModelRules} model
 * @returns {number[]}
 */
function ownValues(name, model) {
  const values = name === "threshold" ? model.thresholds : model[name];
  return Array.isArray(values) ? values : [values];
}

/**
 * Where a slider stands that was not touched: the median of the classes.
 *
 * @param {RuleName} name
 * @param {ModelRules} model
 */
export function ownValue(name, model) {
  const values = [...ownValues(name, model)].sort((a, b) => a - b);
  return values[values.length >> 1] ?? 0;
}

/** `"0.50"`, or `"0.12–0.63"` where classes differ. @param {RuleName} name @param {ModelRules} model */
export function ownText(name, model) {
  const values = ownValues(name, model);
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(2));
  return least === most ? least : `${least}–${most}`;
}

/** What a class must exceed. @param {Rules} rules @param {ModelRules} model @param {number} index of the class */
export function thresholdOf(rules, model, index) {
  return rules.threshold ?? model.thresholds[index];
}

/** What was set, as parameters of a request. @param {Rules} rules */
export function ruleParameters(rules) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(rules)) {
    if (value !== null) parameters.set(name, String(value));
  }
  return parameters;
}
