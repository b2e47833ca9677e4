import assert from "node:assert/strict";
import fc from "fast-check";
import { hasCode } from "../../actors/system/errors.ts";
import { MOST_SPEC_CHARS } from "./errors.ts";
import { checkSpecSize } from "./spec_size.ts";

const refuses = (spec: unknown) =>
  assert.throws(() => checkSpecSize(spec), (e) => hasCode(e, "grammar_too_large"));

Deno.test("checkSpecSize() refuses no constraint whose JSON text fits", () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => checkSpecSize(value)));
  // The longest that fit, of each kind.
  const n = MOST_SPEC_CHARS;
  const longest = [
    "x".repeat(n - 2),
    Array.from({ length: n / 2 - 1 }, () => 1),
    Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [String(1000 + i), 1])),
    Array.from({ length: 1000 }, () => ({ a: [{ b: "c" }] })),
  ];
  for (const value of longest) {
    assert.ok(JSON.stringify(value).length <= n);
    checkSpecSize(value);
  }
});

Deno.test("checkSpecSize() refuses what is too long without looking at all of it", () => {
  const n = MOST_SPEC_CHARS;
  let looked = 0;
  const counting = new Proxy({}, { get: () => (looked++, "x".repeat(100)) });
  refuses(Array.from({ length: 100_000 }, () =>
    new Proxy({ a: 1 }, {
      get: (_, key) => Reflect.get(counting, key),
    })));
  assert.ok(looked > 0 && looked <= n / 100, `${looked} values`);
  refuses("x".repeat(n));
  refuses(new Array(n).fill(0));
  refuses({ enum: Array.from({ length: n / 10 }, (_, i) => `value ${i}`) });
  let deep: unknown = "x".repeat(n);
  for (let i = 0; i < 50_000; i++) deep = { items: deep };
  refuses(deep);
});
