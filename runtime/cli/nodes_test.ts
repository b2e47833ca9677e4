import assert from "node:assert/strict";
import { linksText } from "./nodes.ts";

Deno.test("linksText() has one line for both directions of a link", () => {
  const link = (to: string, latency_ms: number, mbit_per_s: number) => ({
    ...{ to, latency_ms, mbit_per_s },
  });
  const text = linksText([
    { node: "den:1:a", links: [link("attic:1:b", 1.4, 51), link("shed:1:c", 20, 3)] },
    { node: "attic:1:b", links: [link("den:1:a", 1.4, 5)] },
    { node: "shed:1:c", links: [] },
  ]);
  const lines = text.split("\n").map((line) => line.trim().split(/ {2,}/));
  assert.deepEqual(lines.slice(1), [
    ["den - shed", "20.00 ms", "3 Mbit/s", "3 Mbit/s"],
    ["attic - den", "1.40 ms", "5 Mbit/s", "51 Mbit/s"],
  ]);
  assert.match(linksText([]), /^no links are known/);
});
