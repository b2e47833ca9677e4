import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { KeyUsage } from "./mod.ts";

const refused = (retry_after_s: number) => (e: unknown) =>
  hasCode(e, "key_limit") && e.metadata.retry_after_s === retry_after_s;

Deno.test("KeyUsage.begin() bounds the requests of a key that are in flight", () => {
  const usage = new KeyUsage({ now: () => 0 });
  const limits = { requests: 2 };
  const [first] = [usage.begin("a", limits), usage.begin("a", limits)];
  assert.deepEqual(usage.room("a", limits).requests, { limit: 2, left: 0 });
  assert.throws(() => usage.begin("a", limits), refused(1));
  usage.begin("b", limits);
  first.end(10);
  first.end(10);
  usage.begin("a", limits);
  assert.throws(() => usage.begin("a", limits), refused(1));
});

Deno.test("KeyUsage.begin() bounds a key's tokens a minute, and says when to come back", () => {
  let now = 0;
  const usage = new KeyUsage({ now: () => now });
  const limits = { tokens_per_minute: 600 };
  usage.begin("a", limits).end(500);
  assert.deepEqual(usage.room("a", limits).tokens, { limit: 600, left: 100, resetS: 50 });
  usage.begin("a", limits).end(400); // 300 more than there were
  assert.throws(() => usage.begin("a", limits), refused(31));
  now = 29_000;
  assert.throws(() => usage.begin("a", limits), refused(2));
  now = 31_000;
  usage.begin("a", limits).end(0);
  now = 600_000;
  assert.equal(usage.room("a", limits).tokens!.left, 600, "a minute's are the most");
});
