import assert from "node:assert/strict";
import { test } from "node:test";

const modules = process.env.PAGE_MODULES;
const format = await import(`${modules}/format.js`);
const rules = await import(`${modules}/rules.js`);
const { View } = await import(`${modules}/view.js`);
const { wavFile } = await import(`${modules}/wav.js`);
const { frequencyTicks, heightOf } = await import(`${modules}/mel.js`);

test("times are read as on a clock, also where rounding carries", () => {
  assert.equal(format.clock(7.5, 2), "0:07.50");
  assert.equal(format.clock(59.996, 2), "1:00.00");
  assert.equal(format.clock(3723.4), "1:02:03");
  assert.equal(format.clock(3599.9999, 1), "1:00:00.0");
  assert.equal(format.clock(-1), "0:00");
});

test("ticks are round, in the view and far enough apart", () => {
  for (const view of [View.whole(3600, 700), View.whole(50, 300), new View(1.2, 1.9, 60, 800)]) {
    const ticks = format.ticks(view, 76);
    assert.ok(ticks.length >= 2);
    for (const { timeS } of ticks) assert.ok(timeS >= view.startS - 1e-9 && timeS <= view.endS + 1e-9);
    ticks
      .slice(1)
      .forEach(({ timeS }, index) => assert.ok(view.toPx(timeS) - view.toPx(ticks[index].timeS) >= 75.9));
    assert.equal(new Set(ticks.map(({ text }) => text)).size, ticks.length);
  }
});

test("recordings are named by the moment, without characters that files cannot have", () => {
  assert.equal(format.recordingName(new Date(2026, 0, 5, 7, 8, 9)), "recording 2026-01-05 07-08-09.wav");
});

const model = {
  thresholds: [0.2, 0.5, 0.4],
  median_filter: 0,
  max_gap: [0.1, 0.3, 0.2],
  min_duration: 1,
  clip_threshold: 0,
  boxes: false,
};

test("rules that nobody set are the model's and are not sent", () => {
  assert.equal(rules.ruleParameters(rules.OWN_RULES).toString(), "");
  assert.equal(
    rules.ruleParameters({ ...rules.OWN_RULES, threshold: 0.3, max_gap: 0 }).toString(),
    "threshold=0.3&max_gap=0",
  );
  assert.deepEqual(
    [rules.ownText("threshold", model), rules.ownText("min_duration", model)],
    ["0.20–0.50", "1.00"],
  );
  assert.deepEqual([rules.ownValue("threshold", model), rules.ownValue("max_gap", model)], [0.4, 0.2]);
  assert.deepEqual(
    [
      rules.thresholdOf(rules.OWN_RULES, model, 1),
      rules.thresholdOf({ ...rules.OWN_RULES, threshold: 0.9 }, model, 1),
    ],
    [0.5, 0.9],
  );
});

test("boxes have no rules on frames", () => {
  const usable = rules.SLIDERS.filter(({ name }) => rules.isUsable(name, { ...model, boxes: true }));
  assert.deepEqual(
    usable.map(({ name }) => name),
    ["threshold", "min_duration"],
  );
});

test("a recording is a WAV file of 16 bits that holds the samples", () => {
  const file = new DataView(wavFile([Float32Array.of(0, 1), Float32Array.of(-2, 0.5)], 48_000));
  const text = (offset) => String.fromCharCode(...new Uint8Array(file.buffer, offset, 4));
  assert.deepEqual([text(0), text(8), text(12), text(36)], ["RIFF", "WAVE", "fmt ", "data"]);
  assert.deepEqual(
    [file.byteLength, file.getUint32(4, true), file.getUint32(24, true), file.getUint32(40, true)],
    [52, 44, 48_000, 8],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => file.getInt16(44 + 2 * index, true)),
    [0, 32767, -32767, 16384],
  );
});

test("frequencies lie on the mel scale", () => {
  assert.deepEqual([heightOf(0, 0, 16_000), heightOf(16_000, 0, 16_000)], [0, 1]);
  assert.ok(heightOf(1000, 0, 16_000) > 1000 / 16_000);
  assert.deepEqual(
    frequencyTicks(0, 4000).map(({ text }) => text),
    ["500", "1k", "2k"],
  );
});
