/** The classes of the recording as a whole. */

import { byId, element } from "./dom.js";
import { percent } from "./format.js";

/** @param {import("./session.js").Session} session @param {(label: string) => void} onChoose */
export function showTags(session, onChoose) {
  const update = () => {
    const rows = session.tags.map(({ label, probability }) => {
      const meter = element("meter", { min: 0, max: 1, value: probability });
      meter.setAttribute("aria-label", label);
      const name = element("span", { className: "name" }, label);
      const button = element(
        "button",
        { type: "button", title: `Go to ${label}` },
        name,
        percent(probability),
        meter,
      );
      button.addEventListener("click", () => onChoose(label));
      return element("li", {}, button);
    });
    byId("tags").replaceChildren(...rows);
  };
  session.addEventListener("tags", update);
  update();
}
