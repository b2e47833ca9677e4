import assert from "node:assert/strict";
import { LinkedAbort } from "./abort.ts";

Deno.test("LinkedAbort aborts with its parent's reason, also when the parent is aborted already", () => {
  for (const early of [true, false]) {
    const parent = new AbortController();
    if (early) parent.abort("why");
    const linked = new LinkedAbort(undefined, parent.signal);
    if (!early) parent.abort("why");
    assert.equal(linked.signal.reason, "why");
  }
});

Deno.test("LinkedAbort.release() ends the deadline and the link to the parents", () => {
  const parent = new AbortController();
  const linked = new LinkedAbort(parent.signal);
  let cancelled = 0;
  linked.deadline({ after: () => () => void cancelled++ }, 10, () => "late");
  linked.release();
  parent.abort("why");
  assert.deepEqual([cancelled, linked.signal.aborted], [1, false]);
});

Deno.test("LinkedAbort.deadline() aborts with the reason that it makes", () => {
  let fire = () => {};
  const linked = new LinkedAbort();
  linked.deadline({ after: (_ms, fn) => (fire = fn, () => {}) }, 10, () => "late");
  fire();
  assert.equal(linked.signal.reason, "late");
});
