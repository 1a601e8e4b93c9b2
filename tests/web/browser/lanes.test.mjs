import assert from "node:assert/strict";
import { test } from "node:test";

const modules = process.env.PAGE_MODULES;
const { blocksOf, lanesOf, sorted } = await import(`${modules}/lane-layout.js`);
const { View } = await import(`${modules}/view.js`);
const { levelFor, tilesIn } = await import(`${modules}/tiles.js`);
const { hueOf, loudnessColors } = await import(`${modules}/colors.js`);

const event = (label, onset, offset, probability) => ({ label, onset, offset, probability, id: onset });

test("lanes stand by their first event; those that are there do not move", () => {
  const events = [event("b", 1, 2), event("a", 3, 4), event("b", 5, 6)];
  assert.deepEqual([...lanesOf(events, [], ["c", "a"]).keys()], ["b", "a", "c"]);
  assert.deepEqual([...lanesOf(events, ["z", "a"], []).keys()], ["z", "a", "b"]);
  assert.equal(lanesOf(events, [], []).get("b").length, 2);
});

test("only what is on screen becomes a block", () => {
  const view = new View(10, 20, 100, 1000);
  const blocks = blocksOf([event("a", 1, 2), event("a", 9, 11), event("a", 19, 30), event("a", 50, 60)], view);
  assert.deepEqual(
    blocks.map((block) => block.events[0].onset),
    [9, 19],
  );
});

test("ten thousand tiny events become no more blocks than fit", () => {
  const events = Array.from({ length: 10_000 }, (_, index) => event("a", index, index + 0.5));
  const view = View.whole(10_000, 500);
  const blocks = blocksOf(events, view);
  assert.ok(blocks.length <= 500 / 4);
  assert.equal(
    blocks.reduce((sum, block) => sum + block.events.length, 0),
    10_000,
  );
});

test("tables sort by any column, equals by onset", () => {
  const events = [event("b", 1, 3, 0.5), event("a", 2, 3, 0.5), event("c", 4, 9, 0.9)];
  const onsets = (key, descending) => sorted(events, key, descending).map(({ onset }) => onset);
  assert.deepEqual(onsets("label", false), [2, 1, 4]);
  assert.deepEqual(onsets("duration", true), [4, 1, 2]);
  assert.deepEqual(onsets("probability", true), [4, 1, 2]);
  assert.deepEqual(onsets("onset", true), [4, 2, 1]);
});

test("tiles cover a stretch without gaps, with as many columns as it needs", () => {
  const durationS = 3600;
  for (const secondsPerPx of [0.001, 0.07, 5]) {
    const level = levelFor(secondsPerPx);
    const tiles = tilesIn(level, { start: 100, end: 100 + 700 * secondsPerPx }, durationS);
    assert.ok(
      tiles[0].stretch.start <= 100 && tiles.at(-1).stretch.end >= Math.min(100 + 700 * secondsPerPx, durationS),
    );
    tiles.slice(1).forEach((tile, index) => assert.equal(tile.stretch.start, tiles[index].stretch.end));
    const columnS = (tiles[0].stretch.end - tiles[0].stretch.start) / tiles[0].columns;
    assert.ok(columnS <= Math.max(secondsPerPx, 0.0025) + 1e-9);
    assert.ok(tiles.every((tile) => tile.columns <= 512));
  }
});

test("hues of neighbouring classes are far apart, and those of new classes stay", () => {
  const labels = Array.from({ length: 527 }, (_, index) => `class ${index}`);
  for (let index = 1; index < labels.length; index += 1) {
    const apart = Math.abs(hueOf(labels[index], labels) - hueOf(labels[index - 1], labels));
    assert.ok(Math.min(apart, 360 - apart) > 90);
  }
  assert.equal(hueOf("my bird", labels), hueOf("my bird", labels));
});

test("loudness grows brighter in the dark and darker in the light", () => {
  const brightness = (color) =>
    0.2126 * (color & 255) + 0.7152 * ((color >> 8) & 255) + 0.0722 * ((color >> 16) & 255);
  for (const [isDark, sign] of [
    [true, 1],
    [false, -1],
  ]) {
    const values = [...loudnessColors(isDark)].map(brightness);
    values.slice(1).forEach((value, index) => assert.ok(sign * (value - values[index]) >= -0.8));
    assert.ok(sign * (values[255] - values[0]) > 200);
  }
});
