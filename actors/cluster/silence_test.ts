import assert from "node:assert/strict";
import { Silence } from "./silence.ts";

const TIMES = { pingMs: 2_000, silenceMs: 10_000 };

Deno.test("Silence.check() names members that have not been heard for too long", () => {
  const silence = new Silence(TIMES, { now: 0 });
  silence.heard("a", 0);
  silence.heard("b", 0);
  for (let now = 2_000; now <= 10_000; now += 2_000) {
    assert.deepEqual(silence.check(now), []);
    silence.heard("a", now);
  }
  assert.deepEqual(silence.check(12_000), [["b", 12_000]]);
  silence.forget("b");
  assert.deepEqual(silence.check(14_000), []);
});

Deno.test("Silence.check() does not count the time in which nobody checked", () => {
  const silence = new Silence(TIMES, { now: 0 });
  silence.heard("a", 0);
  assert.deepEqual(silence.check(2_000), []);
  assert.deepEqual(silence.check(60_000), [], "answers of a minute may wait to be read");
  for (let now = 62_000; now <= 66_000; now += 2_000) assert.deepEqual(silence.check(now), []);
  assert.deepEqual(silence.check(68_000).map(([node]) => node), ["a"]);
});

Deno.test("Silence.ask() asks a member once until it answers or cannot", () => {
  const silence = new Silence(TIMES, { now: 0 });
  assert.equal(silence.ask("a"), true);
  assert.equal(silence.ask("a"), false);
  silence.heard("a", 1);
  assert.equal(silence.ask("a"), true);
  silence.unheard("a");
  assert.equal(silence.ask("a"), true);
});
