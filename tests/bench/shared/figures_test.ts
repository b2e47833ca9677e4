import assert from "node:assert/strict";
import { alignRows, describeMachine, medianOf } from "./figures.ts";

Deno.test("medianOf() takes the middle value, whatever the order", () => {
  assert.equal(medianOf([3, 1, 2]), 2);
  assert.equal(medianOf([5]), 5);
  assert.equal(medianOf([4, 1, 3, 2]), 3, "the upper one of two");
});

Deno.test("alignRows() pads every column to its widest cell", () => {
  assert.deepEqual(alignRows([["a", "1"], ["bcd", "23"]], [0]), ["a     1", "bcd  23"]);
});

Deno.test("describeMachine() has the load only where it is asked for", () => {
  assert.match(describeMachine(), /, \d+ cores$/);
  assert.match(describeMachine({ load: true }), /, \d+ cores, load \d+\.\d\d$/);
});
