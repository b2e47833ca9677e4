import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { Admission } from "./admission.ts";

const never = new AbortController().signal;

Deno.test("Admission.enter() lets the limit in, queues in order, and refuses beyond with the counts", async () => {
  const admission = new Admission({ active: 2, queued: 2 });
  const first = await admission.enter(never);
  await admission.enter(never);
  const order: string[] = [];
  const third = admission.enter(never).then((p) => (order.push("third"), p));
  const fourth = admission.enter(never).then((p) => (order.push("fourth"), p));
  await assert.rejects(
    admission.enter(never),
    (e) =>
      hasCode(e, "busy") && e.metadata.active === 2 && e.metadata.queued === 2 &&
      e.metadata.limit === 4,
  );
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  await fourth;
  assert.deepEqual(order, ["third", "fourth"]);
  assert.equal(admission.active, 2);
});

Deno.test("Admission.enter() lets those with a higher priority in first, and equals by age", async () => {
  const admission = new Admission({ active: 1, queued: 5 });
  const held = await admission.enter(never);
  const order: string[] = [];
  const waiting = ([["flex", -1], ["one", 0], ["high", 1], ["two", undefined]] as const)
    .map(([name, priority]) =>
      admission.enter(never, priority).then((place) => {
        order.push(name);
        place[Symbol.dispose]();
      })
    );
  held[Symbol.dispose]();
  await Promise.all(waiting);
  assert.deepEqual(order, ["high", "one", "two", "flex"]);
});

Deno.test("Admission.enter() gives up its place in the queue when the signal aborts", async () => {
  const admission = new Admission({ active: 1, queued: 1 });
  using _held = await admission.enter(never);
  const abort = new AbortController();
  const waiting = admission.enter(abort.signal);
  abort.abort(new Error("client left"));
  await assert.rejects(waiting, /client left/);
  assert.equal(admission.queued, 0);
});

Deno.test("Admission.enter() counts a place once that is given back twice", async () => {
  const admission = new Admission({ active: 1, queued: 0 });
  const place = await admission.enter(never);
  place[Symbol.dispose]();
  place[Symbol.dispose]();
  await admission.enter(never);
  await assert.rejects(admission.enter(never), (e) => hasCode(e, "busy"));
});

Deno.test("Admission.retryAfterS is what those that wait take to begin, by how long others have run", async () => {
  let now = 0;
  const admission = new Admission({ active: 2, queued: 8 }, () => now);
  const places = [await admission.enter(never), await admission.enter(never)];
  const waiting = Array.from({ length: 7 }, () => admission.enter(never));
  now = 4_000;
  assert.equal(admission.retryAfterS, 16, "none has ended: as long as those that run have run");
  now = 10_000;
  places[0][Symbol.dispose]();
  await waiting[0];
  assert.equal(admission.queued, 6);
  assert.equal(admission.retryAfterS, 35, "7 of 10 s each, two at a time");
  const calm = new Admission({}, () => now);
  assert.equal(calm.retryAfterS, 1);
});

Deno.test("Admission.use() takes the graph's limits, which the node's own go before", async () => {
  const admission = new Admission({ queued: 3 });
  assert.equal(admission.most, 32);
  admission.use({ active: 1, queued: 9 });
  const first = await admission.enter(never);
  const second = admission.enter(never);
  const third = admission.enter(never);
  const fourth = admission.enter(never);
  await assert.rejects(admission.enter(never), (e) => hasCode(e, "busy") && e.metadata.limit === 4);
  admission.use({ active: 3 });
  const places = [first, await second, await third];
  assert.deepEqual([admission.active, admission.queued], [3, 1], "they begin at once");
  admission.use({ active: 1 });
  places[0][Symbol.dispose]();
  places[1][Symbol.dispose]();
  assert.deepEqual([admission.active, admission.queued], [1, 1], "as many end as are too many");
  places[2][Symbol.dispose]();
  await fourth;
});
