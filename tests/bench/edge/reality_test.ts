import assert from "node:assert/strict";
import { comparisonTable } from "./reality.ts";

Deno.test("comparisonTable() has ratio and error of the prediction beside both times", () => {
  const text = comparisonTable([
    { what: "first token", predictedS: 2, measuredS: 2.5, allS: [2.4, 2.5, 2.6] },
    { what: "time per token", predictedS: 0.06, measuredS: 0.05, allS: [0.05] },
  ]);
  const [, first, token] = text.split("\n").map((line) => line.trim().split(/ {2,}/));
  assert.deepEqual(first, [
    "first token",
    "2.00 s",
    "2.50 s",
    "1.25",
    "-20.0 %",
    "2.40 s .. 2.60 s",
  ]);
  assert.deepEqual(token, [
    "time per token",
    "60.0 ms",
    "50.0 ms",
    "0.83",
    "+20.0 %",
    "50.0 ms .. 50.0 ms",
  ]);
});
