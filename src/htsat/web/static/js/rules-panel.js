/** Sliders for the rules of events. */

import { byId, element } from "./dom.js";
import { isUsable, OWN_RULES, ownText, ownValue, SLIDERS } from "./rules.js";

/** @typedef {import("./session.js").Session} Session */

export class RulesPanel {
  /** @type {Session | null} */ #session = null;
  /**
   * @type {Map<import("./rules.js").RuleName, {row: HTMLElement, input: HTMLInputElement, output: HTMLOutputElement}>}
   */
  #sliders = new Map();

  /** @param {import("./types.js").ModelFacts} model */
  constructor(model) {
    this.model = model;
    for (const slider of SLIDERS) byId("sliders").append(this.#newSlider(slider));
    byId("own-rules").addEventListener("click", () => this.#session?.setRules(OWN_RULES));
  }

  /** @param {Session} session */
  show(session) {
    this.#session = session;
    session.addEventListener("rules", () => this.#update());
    this.#update();
  }

  /** @param {(typeof SLIDERS)[number]} slider */
  #newSlider({ name, title, hint, max, step }) {
    const id = `rule-${name}`;
    const input = element("input", { type: "range", id, min: "0", max: String(max), step: String(step) });
    input.disabled = !isUsable(name, this.model.rules);
    const output = element("output");
    output.setAttribute("for", id);
    const row = element(
      "div",
      { className: "rule", title: hint },
      element("label", { htmlFor: id }, title),
      output,
      input,
    );
    input.addEventListener("input", () => this.#set(name, input.valueAsNumber));
    row.addEventListener("dblclick", () => this.#set(name, null));
    this.#sliders.set(name, { row, input, output });
    return row;
  }

  /** @param {import("./rules.js").RuleName} name @param {number | null} value */
  #set(name, value) {
    const session = this.#session;
    if (session) session.setRules({ ...session.choice.rules, [name]: value });
  }

  #update() {
    const rules = this.#session?.choice.rules ?? OWN_RULES;
    for (const { name, unit } of SLIDERS) {
      const value = rules[name];
      const slider = this.#sliders.get(name);
      if (!slider) continue;
      const { row, input, output } = slider;
      input.valueAsNumber = value ?? ownValue(name, this.model.rules);
      output.textContent =
        value === null ? `${ownText(name, this.model.rules)}${unit}` : `${value.toFixed(2)}${unit}`;
      input.setAttribute("aria-valuetext", output.textContent);
      row.classList.toggle("changed", value !== null);
    }
    byId("own-rules").hidden = Object.values(rules).every((value) => value === null);
  }
}
