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
