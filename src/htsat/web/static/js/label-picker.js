/** A dialog that asks for a class: one of the model's, one used before, or a new name. */

import { hueOf } from "./colors.js";
import { byId, dot, element } from "./dom.js";

const MAX_OPTIONS = 60;

/**
 * Classes that fit what was typed: those that begin with it, then those that have it anywhere; a new name last.
 *
 * @param {string} text
 * @param {readonly string[]} labels
 */
export function matching(text, labels) {
  const wanted = text.trim().toLowerCase();
  const places = labels.map((label) => label.toLowerCase().indexOf(wanted));
  const found = [
    ...labels.filter((_, index) => places[index] === 0),
    ...labels.filter((_, index) => places[index] > 0),
  ].slice(0, MAX_OPTIONS);
  const isNew = wanted !== "" && !labels.some((label) => label.toLowerCase() === wanted);
  return { found, created: isNew ? text.trim() : null };
}

export class LabelPicker {
  /** @type {string[]} */ #labels = [];
  /** @type {readonly string[]} */ #known = [];
  #chosen = 0;
  /** @type {(label: string) => void} */ #onLabel = () => {};

  constructor() {
    this.dialog = /** @type {HTMLDialogElement} */ (byId("picker"));
    this.input = /** @type {HTMLInputElement} */ (byId("picker-input"));
    this.list = byId("picker-options");
    this.input.addEventListener("input", () => this.#fill());
    this.input.addEventListener("keydown", (event) => this.#keyPressed(event));
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  /**
   * @param {string} title
   * @param {readonly string[]} labels the model's classes
   * @param {readonly string[]} used labels of the recording, which come first
   * @param {(label: string) => void} onLabel
   */
  ask(title, labels, used, onLabel) {
    this.#known = labels;
    this.#labels = [...new Set([...used, ...labels])];
    this.#onLabel = onLabel;
    byId("picker-title").textContent = title;
    this.input.value = "";
    this.#fill();
    this.dialog.showModal();
    this.input.focus();
  }

  #fill() {
    const { found, created } = matching(this.input.value, this.#labels);
    const options = found.map((label) => this.#option(label, label));
    if (created) options.push(this.#option(created, `New class “${created}”`));
    options.forEach((option, index) => (option.id = `picker-option-${index}`));
    this.list.replaceChildren(...options);
    this.#choose(0);
  }

  /** @param {string} label @param {string} text */
  #option(label, text) {
    const option = element("li", {}, dot(hueOf(label, this.#known)), text);
    option.setAttribute("role", "option");
    option.dataset.label = label;
    return option;
  }

  /** @param {number} index */
  #choose(index) {
    const options = [...this.list.children];
    this.#chosen = (index + options.length) % Math.max(options.length, 1);
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === this.#chosen)));
    options[this.#chosen]?.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", options[this.#chosen]?.id ?? "");
  }

  /** @param {KeyboardEvent} event */
  #keyPressed(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#choose(this.#chosen + step);
    else if (event.key === "Enter") this.#take(this.list.children[this.#chosen]);
    else return;
    event.preventDefault();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    this.#take(/** @type {HTMLElement} */ (event.target).closest("li"));
  }

  /** @param {Element | null} option */
  #take(option) {
    if (!(option instanceof HTMLElement) || !option.dataset.label) return;
    this.dialog.close();
    this.#onLabel(option.dataset.label);
  }
}
