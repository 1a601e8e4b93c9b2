import assert from "node:assert/strict";
import { test } from "node:test";

const modules = process.env.PAGE_MODULES;
const edits = await import(`${modules}/edits.js`);
const { History } = await import(`${modules}/history.js`);

const event = (label, onset, offset, id) => ({ label, onset, offset, id });

test("moving keeps the length and stays in the recording", () => {
  const dog = event("dog", 2, 5, 1);
  assert.deepEqual(edits.movedTo(dog, 4, 10), event("dog", 4, 7, 1));
  assert.deepEqual(edits.movedTo(dog, -3, 10), event("dog", 0, 3, 1));
  assert.deepEqual(edits.movedTo(dog, 9, 10), event("dog", 7, 10, 1));
});

test("ends never cross", () => {
  const dog = event("dog", 2, 5, 1);
  assert.deepEqual(edits.resized(dog, "onset", 9, 10), event("dog", 5 - edits.MIN_EVENT_S, 5, 1));
  assert.deepEqual(edits.resized(dog, "offset", 1, 10), event("dog", 2, 2 + edits.MIN_EVENT_S, 1));
  assert.deepEqual(edits.resized(dog, "offset", 99, 10), event("dog", 2, 10, 1));
});

test("edits leave the list as it was and keep the order", () => {
  const events = Object.freeze([event("a", 1, 2, 1), event("b", 3, 4, 2)]);
  const moved = edits.replaced(events, event("a", 5, 6, 1));
  assert.deepEqual(
    moved.map(({ id }) => id),
    [2, 1],
  );
  assert.deepEqual(
    edits.added(events, event("c", 2, 3, 3)).map(({ id }) => id),
    [1, 3, 2],
  );
  assert.deepEqual(
    edits.without(events, 1).map(({ id }) => id),
    [2],
  );
  assert.equal(events.length, 2);
});

test("heard events become labels with the same identity and no probability", () => {
  const [heard] = edits.identified([{ label: "dog", onset: 1, offset: 2, probability: 0.7 }]);
  assert.deepEqual(edits.asLabels([heard]), [event("dog", 1, 2, heard.id)]);
});

test("what a person leaves is rounded to the millisecond", () => {
  assert.deepEqual(
    edits.settled({ ...event("dog", 1.00049, 2.00051, 1), probability: 0.5 }),
    event("dog", 1, 2.001, 1),
  );
});

test("moments snap to the nearest candidate within reach", () => {
  assert.equal(edits.snapped(1.04, [1, 1.05, 3], 0.1), 1.05);
  assert.equal(edits.snapped(2, [1, 3], 0.1), 2);
  assert.deepEqual(edits.edges([event("a", 1, 2, 1), event("b", 3, 4, 2)], 1), [3, 4]);
});

test("neighbours go from the selected event, else from the cursor", () => {
  const events = [event("a", 1, 2, 1), event("b", 3, 4, 2), event("c", 5, 6, 3)];
  assert.equal(edits.neighbour(events, events[1], 0, 1).id, 3);
  assert.equal(edits.neighbour(events, events[1], 0, -1).id, 1);
  assert.equal(edits.neighbour(events, events[2], 0, 1), undefined);
  assert.equal(edits.neighbour(events, undefined, 3.5, 1).id, 3);
  assert.equal(edits.neighbour(events, undefined, 3.5, -1).id, 2);
});

test("undo and redo go through every value; a new one forgets what was undone", () => {
  const history = new History("a");
  history.undo();
  assert.equal(history.present, "a");
  history.push("b");
  history.push("c");
  history.undo();
  history.undo();
  assert.deepEqual([history.present, history.canUndo, history.canRedo], ["a", false, true]);
  history.redo();
  history.push("d");
  assert.deepEqual([history.present, history.canRedo], ["d", false]);
  history.undo();
  assert.equal(history.present, "b");
});
