import assert from "node:assert/strict";
import fc from "fast-check";
import { RateLimit } from "./rate_limit.ts";

Deno.test("RateLimit.take() lets a key through so many times in any span, and no key hinders another", () => {
  const calls = fc.array(
    fc.record({ key: fc.constantFrom("a", "b", "c"), waitMs: fc.integer({ min: 0, max: 60 }) }),
    { maxLength: 80 },
  );
  fc.assert(fc.property(calls, fc.integer({ min: 1, max: 3 }), (calls, times) => {
    const withinMs = 100;
    const all = new RateLimit({ times, withinMs });
    const alone = new Map<string, RateLimit>();
    const passed: { key: string; at: number }[] = [];
    let now = 0;
    for (const { key, waitMs } of calls) {
      now += waitMs;
      const own = alone.get(key) ?? new RateLimit({ times, withinMs });
      alone.set(key, own);
      const taken = all.take(key, now);
      assert.equal(taken, own.take(key, now));
      const recent = passed.filter((p) => p.key === key && now - p.at < withinMs);
      assert.equal(taken, recent.length < times);
      if (taken) passed.push({ key, at: now });
    }
  }));
});
