import assert from "node:assert/strict";
import { test } from "node:test";

const modules = process.env.PAGE_MODULES;
const { downloadParameters } = await import(`${modules}/downloads.js`);
const { nameOf } = await import(`${modules}/keys.js`);
const { matching } = await import(`${modules}/label-picker.js`);
const { nextOpen, stateText } = await import(`${modules}/library.js`);
const { OWN_RULES } = await import(`${modules}/rules.js`);
const { wheelMeaning } = await import(`${modules}/gestures.js`);

globalThis.WheelEvent = { DOM_DELTA_LINE: 1 };

const press = (key, held = {}) =>
  nameOf({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

test("presses have one name on every keyboard", () => {
  assert.equal(press("N", { shiftKey: true }), "n");
  assert.equal(press("?", { shiftKey: true }), "?");
  assert.equal(press("z", { metaKey: true }), "Ctrl+z");
  assert.equal(press("Z", { ctrlKey: true, shiftKey: true }), "Ctrl+Shift+z");
  assert.equal(press("ArrowLeft", { altKey: true }), "Alt+ArrowLeft");
});

test("classes are found from their beginning, then anywhere; what is not there can be made", () => {
  const labels = ["dog", "Cat", "hot dog", "rooster"];
  assert.deepEqual(matching("DO", labels), { found: ["dog", "hot dog"], created: "DO" });
  assert.deepEqual(matching(" cat ", labels), { found: ["Cat"], created: null });
  assert.deepEqual(matching("", labels), { found: labels, created: null });
  assert.deepEqual(matching("owl, far", labels), { found: [], created: "owl, far" });
});

const record = (id, values = {}) => ({
  id,
  name: `${id}.wav`,
  state: "done",
  duration_s: 65,
  heard_s: 65,
  error: null,
  reviewed: false,
  n_labels: null,
  ...values,
});

test("the next recording to review comes after the present one, around the list", () => {
  const records = [record("a"), record("b", { reviewed: true }), record("c"), record("d", { state: "failed" })];
  assert.equal(nextOpen(records, "a").id, "c");
  assert.equal(nextOpen(records, "c").id, "a");
  assert.equal(nextOpen(records, undefined).id, "a");
  assert.equal(nextOpen([record("a"), record("b", { reviewed: true })], "a"), undefined);
});

test("the list says how far a recording is", () => {
  assert.equal(stateText(record("a")), "1:05");
  assert.equal(stateText(record("a", { n_labels: 1 })), "1:05 · 1 label");
  assert.equal(stateText(record("a", { state: "waiting", duration_s: null })), "not heard yet");
  assert.equal(stateText(record("a", { state: "hearing", heard_s: 30 })), "hearing, 0:30 of 1:05");
  assert.equal(stateText(record("a", { state: "hearing", heard_s: 30, duration_s: null })), "hearing, 0:30");
  assert.equal(stateText(record("a", { state: "failed", error: "a.wav: no sound in it" })), "no sound in it");
});

test("a download is asked for as the events were, and names classes only where some are hidden", () => {
  const shown = [{ label: "dog" }, { label: "a, b" }, { label: "dog" }];
  const choice = { rules: { ...OWN_RULES, threshold: 0.3 }, hidden: new Set() };
  assert.equal(downloadParameters({ choice, mode: "heard", shown }).toString(), "threshold=0.3&source=heard");
  const some = downloadParameters({ choice: { ...choice, hidden: new Set(["cat"]) }, mode: "labels", shown });
  assert.deepEqual(some.getAll("classes"), ["dog", "a, b"]);
  assert.equal(some.get("source"), "labels");
});

test("the wheel zooms, and shifts when it is turned sideways or with shift", () => {
  const turn = (values) =>
    wheelMeaning({ deltaX: 0, deltaY: 0, deltaMode: 0, ctrlKey: false, shiftKey: false, ...values });
  assert.ok(turn({ deltaY: -100 }).factor > 1);
  assert.ok(Math.abs(turn({ deltaY: -100 }).factor * turn({ deltaY: 100 }).factor - 1) < 1e-12);
  assert.deepEqual(turn({ deltaX: 30, deltaY: 5 }), { shiftPx: 30, factor: 1 });
  assert.deepEqual(turn({ deltaY: 3, deltaMode: 1, shiftKey: true }), { shiftPx: 48, factor: 1 });
});
