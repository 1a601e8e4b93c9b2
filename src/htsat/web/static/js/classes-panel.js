/** Which classes are shown, with a search. */

import { hueOf } from "./colors.js";
import { byId, dot, element } from "./dom.js";

/** @typedef {import("./session.js").Session} Session */

export class ClassesPanel {
  /** @type {Session | null} */ #session = null;
  /** @type {Map<string, {row: HTMLLIElement, box: HTMLInputElement, count: HTMLElement}>} */ #rows = new Map();
  #find = /** @type {HTMLInputElement} */ (byId("find-class"));

  /** @param {import("./types.js").ModelFacts} model */
  constructor(model) {
    this.labels = model.labels;
    for (const label of model.labels) this.#ensureRow(label);
    byId("classes").addEventListener("change", (event) => {
      const box = /** @type {HTMLInputElement} */ (event.target);
      this.#set([box.value], box.checked);
    });
    this.#find.addEventListener("input", () => this.#filter());
    byId("all-classes").addEventListener("click", () => this.#setFound(true));
    byId("no-classes").addEventListener("click", () => this.#setFound(false));
  }

  /** @param {Session} session */
  show(session) {
    this.#session = session;
    for (const change of ["events", "classes"]) session.addEventListener(change, () => this.#update(session));
    this.#update(session);
  }

  /** A person's own classes come to those of the model. @param {string} label */
  #ensureRow(label) {
    if (this.#rows.has(label)) return;
    const box = element("input", { type: "checkbox", value: label });
    const count = element("span", { className: "count" });
    const line = element("label");
    line.append(box, dot(hueOf(label, this.labels)), label, count);
    const row = element("li", {}, line);
    this.#rows.set(label, { row, box, count });
    byId("classes").append(row);
  }

  /** @param {string[]} labels @param {boolean} isShown */
  #set(labels, isShown) {
    const hidden = new Set(this.#session?.choice.hidden);
    for (const label of labels) {
      if (isShown) hidden.delete(label);
      else hidden.add(label);
    }
    this.#session?.setHidden(hidden);
  }

  /** All classes that the search leaves. @param {boolean} isShown */
  #setFound(isShown) {
    this.#set(
      [...this.#rows].filter(([, { row }]) => !row.hidden).map(([label]) => label),
      isShown,
    );
  }

  #filter() {
    const text = this.#find.value.trim().toLowerCase();
    for (const [label, { row }] of this.#rows) row.hidden = !label.toLowerCase().includes(text);
  }

  /** @param {Session} session */
  #update(session) {
    if (session !== this.#session) return;
    for (const { label } of session.labels?.events ?? []) this.#ensureRow(label);
    const counts = new Map();
    for (const { label } of session.heard) counts.set(label, (counts.get(label) ?? 0) + 1);
    for (const [label, { box, count }] of this.#rows) {
      box.checked = !session.choice.hidden.has(label);
      count.textContent = counts.get(label) ?? "";
    }
    const nHidden = session.choice.hidden.size;
    byId("n-classes").textContent = nHidden ? `−${nHidden}` : "";
  }
}
