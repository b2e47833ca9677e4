import assert from "node:assert/strict";
import { FailedAttempts } from "./mod.ts";

Deno.test("FailedAttempts.add() tells an address to wait after too many in a minute", () => {
  let now = 0;
  const attempts = new FailedAttempts({ most: 3, now: () => now });
  for (let i = 0; i < 3; i++) assert.deepEqual(attempts.add("10.0.0.1"), { log: "attempt" });
  now = 20_000;
  assert.deepEqual(attempts.add("10.0.0.1"), { retryAfterS: 40, log: "limit" });
  assert.deepEqual(attempts.add("10.0.0.1"), { retryAfterS: 40, log: "nothing" });
  assert.deepEqual(attempts.add("10.0.0.2"), { log: "attempt" }, "another address");
  now = 60_000;
  assert.deepEqual(attempts.add("10.0.0.1"), { log: "attempt" }, "a minute later");
});

Deno.test("FailedAttempts.add() counts a /64 network of IPv6 as one address", () => {
  const attempts = new FailedAttempts({ most: 1, now: () => 0 });
  attempts.add("2001:db8:1:2::1");
  assert.equal(attempts.add("2001:db8:1:2:ffff:1:2:3").log, "limit");
  assert.equal(attempts.add("2001:db8:1:3::1").log, "attempt");
  attempts.add("::ffff:10.0.0.1");
  assert.equal(attempts.add("::ffff:10.0.0.2").log, "attempt");
  attempts.add("::1");
  assert.equal(attempts.add("::1").log, "limit");
});

Deno.test("FailedAttempts.add() forgets the oldest of very many addresses", () => {
  const attempts = new FailedAttempts({ most: 1, now: () => 0 });
  const address = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
  for (let i = 0; i <= 1_024; i++) attempts.add(address(i));
  assert.equal(attempts.add(address(1_024)).log, "limit", "the newest is remembered");
  assert.equal(attempts.add(address(0)).log, "attempt", "the oldest is not");
});
