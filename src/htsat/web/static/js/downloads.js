/** Downloads of the events, or of the labels, in every format. */

import * as api from "./api.js";
import { byId, element } from "./dom.js";
import { ruleParameters } from "./rules.js";

const FORMATS = [
  { suffix: "csv", name: "CSV", hint: "tables" },
  { suffix: "jsonl", name: "JSONL", hint: "programs" },
  { suffix: "txt", name: "Audacity", hint: "label track" },
  { suffix: "raven.txt", name: "Raven", hint: "selection table" },
  { suffix: "vtt", name: "WebVTT", hint: "captions" },
  { suffix: "tsv", name: "DCASE TSV", hint: "evaluation" },
  { suffix: "TextGrid", name: "Praat", hint: "TextGrid" },
];

/**
 * What a download holds is what is shown: the same rules, classes and source. Only classes with events are named,
 * and only if others are hidden.
 *
 * @param {import("./session.js").Session} session
 */
export function downloadParameters({ choice, mode, shown }) {
  const parameters = ruleParameters(choice.rules);
  parameters.set("source", mode);
  if (choice.hidden.size)
    for (const label of new Set(shown.map((event) => event.label))) parameters.append("classes", label);
  return parameters;
}

/** Fills the menu when it opens. @param {() => import("./session.js").Session | null} current */
export function downloads(current) {
  const menu = /** @type {HTMLDetailsElement} */ (byId("download-menu"));
  menu.addEventListener("toggle", () => {
    const session = current();
    if (!menu.open || !session) return;
    const n = session.shown.length;
    byId("download-what").textContent = session.mode === "labels" ? `Your labels (${n})` : `What is heard (${n})`;
    const parameters = downloadParameters(session);
    const links = FORMATS.map(({ suffix, name, hint }) => {
      const href = api.downloadUrl(session.record.id, suffix, parameters);
      const link = element(
        "a",
        { className: "button", href, download: "" },
        name,
        element("span", { className: "quiet" }, hint),
      );
      link.addEventListener("click", () => (menu.open = false));
      return element("li", {}, link);
    });
    byId("downloads").replaceChildren(...links);
  });
}

/** Menus close by a press outside and by Escape. */
export function closeMenus() {
  const menus = /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("details.menu"));
  const close = (/** @type {Event} */ event) => {
    for (const menu of menus) {
      const isInside = event.type === "pointerdown" && menu.contains(/** @type {Node} */ (event.target));
      if (menu.open && !isInside) menu.open = false;
    }
  };
  document.addEventListener("pointerdown", close);
  document.addEventListener("keydown", (event) => event.key === "Escape" && close(event));
  for (const menu of menus)
    menu.addEventListener("click", (event) => {
      if (/** @type {HTMLElement} */ (event.target).closest(".sheet button")) menu.open = false;
    });
}
