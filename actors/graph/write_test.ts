import assert from "node:assert/strict";
import { graphText, parseGraph } from "../mod.ts";

Deno.test("graphText() gives a text that is read as the same graph", () => {
  const texts = [
    "model: mine",
    "{ model: { name: mine, precision: q8 }, actors: { drafter: ngram, head: 2 } }",
    "{ model: mine, actors: { stages: [{ host: a, layers: 0-3 }, { host: b, layers: 4 }] } }",
    `
model: mine
actors:
  drafter: { model: small, host: a }
  outline: { max_branches: 3, router: { suited: [compost] } }
  custom:
    - { name: guard, module: ./guard.ts, config: { first: 1, last: 2 }, limits: { memory_bytes: 1 GiB } }
edges: [{ from: api, to: guard }, { from: guard, to: generation }]
workload: { prompt_tokens: 100, acceptance: 0.5 }
objective: latency
constraints:
  pin: [{ host: a, layers: 2-2 }]
  memory: [{ host: a, bytes: 2 GB }]
decode: { mode: plain, draft_length: 0, wire: int8 }
admission: { active: 4 }`,
    `
model_shape: { preset: llama-2-7b }
devices:
  - { name: a, memory_bytes: 8 GiB, layer_seconds: { 1: 4 ms } }
  - { name: b, memory_bytes: 8 GiB, flops: 200 GFLOPS, memory_bandwidth: 20 GB/s }
links: [{ from: a, to: b, seconds: 1 ms, bytes_per_s: 100 Mbit/s }]`,
  ];
  for (const text of texts) {
    const graph = parseGraph(text, { file: "test" });
    const again = parseGraph(graphText(graph), { file: "test" });
    assert.equal(JSON.stringify(again), JSON.stringify(graph));
  }
});
