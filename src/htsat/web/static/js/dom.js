/** Small help with the document. */

/** The element of an id that the page has. @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
export function byId(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/**
 * A new element.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Partial<HTMLElementTagNameMap[Name]>} [properties]
 * @param {...(Node | string)} children
 */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} name of a symbol in icons.svg */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A small square in the colour of a class. @param {number} hue */
export function dot(hue) {
  const made = element("span", { className: "dot hued" });
  made.style.setProperty("--hue", String(hue));
  return made;
}

/**
 * A canvas as sharp as the screen, wiped; drawn in CSS pixels.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} widthPx
 * @param {number} heightPx
 */
export function wiped(canvas, widthPx, heightPx) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(widthPx * scale), Math.round(heightPx * scale)];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, widthPx, heightPx);
  return context;
}

/** Says something for a moment. @param {string} text */
export function say(text) {
  const message = byId("message");
  message.textContent = text;
  message.hidden = false;
  clearTimeout(Number(message.dataset.timer));
  message.dataset.timer = String(setTimeout(() => (message.hidden = true), 4000));
}

/** Runs what may fail, and says why it did, unless it was called off. @param {() => Promise<unknown>} work */
export async function trying(work) {
  try {
    await work();
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    if (name !== "AbortError") say(message);
  }
}
