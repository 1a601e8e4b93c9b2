import assert from "node:assert/strict";
import { mock, test } from "node:test";

const modules = process.env.PAGE_MODULES;
const { Saver } = await import(`${modules}/saver.js`);
const { Latest } = await import(`${modules}/latest.js`);

class Store {
  items = new Map();
  getItem(key) {
    return this.items.get(key) ?? null;
  }
  setItem(key, text) {
    this.items.set(key, text);
  }
  removeItem(key) {
    this.items.delete(key);
  }
}

const labels = (onset) => ({ reviewed: false, events: [{ label: "dog", onset, offset: onset + 1, id: 7 }] });
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("labels stay in the browser until the server has them", async () => {
  const store = new Store();
  const sent = [];
  const saver = new Saver("key", async (body) => sent.push(body), store);
  saver.save(labels(1), 1e6);
  assert.deepEqual(saver.kept(), { reviewed: false, events: [{ label: "dog", onset: 1, offset: 2 }] });
  await saver.send();
  assert.deepEqual(sent, [{ reviewed: false, events: [{ label: "dog", onset: 1, offset: 2 }] }]);
  assert.deepEqual([saver.state, saver.kept()], ["saved", null]);
});

test("a server that is away is asked again, and nothing is lost", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const store = new Store();
  let isAway = true;
  const sent = [];
  const saver = new Saver(
    "key",
    async (body) => {
      if (isAway) throw new Error("away");
      sent.push(body);
    },
    store,
  );
  saver.save(labels(1));
  context.mock.timers.tick(300);
  await settle();
  assert.deepEqual([saver.state, saver.problem, sent.length], ["kept", "away", 0]);
  assert.ok(saver.kept());
  isAway = false;
  context.mock.timers.tick(2000);
  await settle();
  assert.deepEqual([saver.state, sent.length, saver.kept()], ["saved", 1, null]);
});

test("what changes while it is sent is sent again", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const sent = [];
  let arrive = () => {};
  const saver = new Saver(
    "key",
    (body) => {
      sent.push(body.events[0].onset);
      return new Promise((resolve) => (arrive = resolve));
    },
    new Store(),
  );
  saver.save(labels(1), 0);
  context.mock.timers.tick(0);
  saver.save(labels(2), 1e6);
  arrive();
  await settle();
  assert.ok(saver.kept());
  context.mock.timers.tick(0);
  arrive();
  await settle();
  assert.deepEqual([sent, saver.state, saver.kept()], [[1, 2], "saved", null]);
});

test("only the latest question is asked, and the one under way is called off", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const latest = new Latest(50);
  const signals = [];
  const ask = () => latest.ask(async (signal) => void signals.push(signal));
  ask();
  ask();
  context.mock.timers.tick(50);
  assert.equal(signals.length, 1);
  ask();
  context.mock.timers.tick(50);
  assert.deepEqual(
    signals.map((signal) => signal.aborted),
    [true, false],
  );
  latest.stop();
  assert.ok(signals[1].aborted);
  mock.reset();
});
