import assert from "node:assert/strict";
import { test } from "node:test";

const { MIN_SPAN_S, View } = await import(`${process.env.PAGE_MODULES}/view.js`);

const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

test("places and moments are inverse to each other", () => {
  const view = new View(10, 30, 100, 400);
  near(view.toPx(20), 200);
  near(view.toTime(view.toPx(17.25)), 17.25);
});

test("a view never leaves the recording", () => {
  for (const view of [new View(-5, 20, 60, 100), new View(50, 80, 60, 100), new View(-9, 999, 60, 100)]) {
    assert.ok(view.startS >= 0 && view.endS <= 60);
  }
  near(new View(50, 80, 60, 100).spanS, 30);
});

test("zooming keeps the moment under the pointer", () => {
  const view = new View(10, 30, 100, 400);
  for (const px of [0, 130, 400]) near(view.zoomedAt(px, 3).toTime(px), view.toTime(px));
});

test("zooming ends at the whole and at the finest span", () => {
  const view = View.whole(100, 400);
  assert.ok(view.zoomedAt(100, 0.1).isWhole);
  near(view.zoomedAt(100, 1e9).spanS, MIN_SPAN_S);
});

test("playing turns the page", () => {
  const view = new View(0, 10, 100, 400);
  assert.equal(view.following(5), view);
  const next = view.following(10.5);
  near(next.toPx(10.5), 40);
  near(next.spanS, 10);
});

test("an event is revealed, widening the view if it must", () => {
  const view = new View(0, 10, 100, 400);
  assert.equal(view.revealing(2, 4), view);
  near((view.revealing(50, 51).startS + view.revealing(50, 51).endS) / 2, 50.5);
  const wide = view.revealing(40, 70);
  assert.ok(wide.shows(40) && wide.shows(70));
});

test("the whole stays the whole when the recording turns out longer", () => {
  assert.ok(View.whole(10, 400).lasting(25).isWhole);
  near(new View(1, 2, 10, 400).lasting(25).endS, 2);
});
