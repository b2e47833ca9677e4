import assert from "node:assert/strict";
import { customFleet, oneOf, periodOf, repeatsOf, someOf } from "./options.ts";

Deno.test("customFleet() puts the fastest device first, and names a value that it refuses", () => {
  const fleet = { name: "own", cores: [0.6, 0.45, 0.3], mbit: 50 };
  assert.deepEqual(customFleet("0.45,0.3,0.6", "50"), fleet);
  assert.throws(() => customFleet("0.45,x", "50"), /--cores .* got "0.45,x"/);
  assert.throws(() => customFleet("0.45", "0"), /--mbit .* got "0"/);
});

Deno.test("periodOf(), repeatsOf() and someOf() say what they take", () => {
  assert.equal(periodOf("2500"), 2500);
  assert.throws(() => periodOf("2.5ms"), /--period takes 1000 to 1000000 microseconds/);
  assert.deepEqual([repeatsOf({ quick: true }), repeatsOf({ quick: false })], [1, 3]);
  assert.throws(() => repeatsOf({ repeats: "0", quick: false }), /whole number from 1, got "0"/);
  assert.deepEqual(someOf("--only", "a,c", ["a", "b", "c"]), ["a", "c"]);
  assert.throws(() => oneOf("--only", "d", ["a", "b"]), /--only takes a, b, got "d"/);
});
