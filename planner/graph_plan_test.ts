import assert from "node:assert/strict";
import { type Graph, OrreryError, parseGraph } from "../actors/mod.ts";
import { devicesOf, linksOf, paperDraft, paperModelOf, planInputOf } from "./graph_plan.ts";
import { plan } from "./plan.ts";
import type { PlanInput } from "./types.ts";

/** A graph on paper as the planner takes it. */
function inputOf(text: string): { graph: Graph; input: PlanInput } {
  const graph = parseGraph(text, { file: "g.yaml" });
  const model = paperModelOf(graph)!;
  assert.ok(graph.devices !== "measured");
  const devices = devicesOf(graph.devices, model);
  const draft = paperDraft({ graph, described: graph.devices, model, devices });
  const links = linksOf(graph.links, devices.map((d) => d.name));
  return { graph, input: planInputOf(graph, { model, devices, links, draft }) };
}

const TWO = `model_shape: tinyllama-1.1b
devices:
  - { name: a, memory_bytes: 4 GB, layer_seconds: { 1: 2 ms, 64: 20 ms } }
  - { name: b, memory_bytes: 4 GB, flops: 500 GFLOPS, memory_bandwidth: 20 GB/s, trusted: false }
links: [{ from: "*", to: "*", seconds: 1 ms, bytes_per_s: 1 Gbit/s }]
`;

Deno.test("linksOf() takes the most specific entry, both ways unless both are given", () => {
  const link = (from: string, to: string, seconds: number) => ({
    from,
    to,
    seconds,
    bytes_per_s: 1e6,
  });
  const { seconds } = linksOf([
    link("*", "*", 9),
    link("a", "b", 1),
    link("b", "c", 2),
    link("c", "b", 3),
    link("d", "*", 4),
  ], ["a", "b", "c", "d"]);
  assert.deepEqual(seconds, [[0, 1, 9, 4], [1, 0, 2, 4], [9, 3, 0, 4], [4, 4, 4, 0]]);
  assert.throws(() => linksOf([link("a", "b", 1)], ["a", "b", "c"]), (error) => {
    assert.ok(error instanceof OrreryError && error.code === "missing_link");
    assert.match(error.message, /^no link is described from a to c; /);
    return true;
  });
});

Deno.test("planInputOf() turns pinned stages into pins that the plan keeps", () => {
  const { input } = inputOf(
    `${TWO}actors:\n  stages: [{ host: b, layers: 0-4 }, { host: a, layers: 5-21 }]\n  drafter: none\n`,
  );
  assert.deepEqual(input.constraints.pin, [{ host: "b", first: 0, last: 4 }, {
    host: "a",
    first: 5,
    last: 21,
  }]);
  const found = plan(input);
  assert.deepEqual(found.stages.map((s) => [s.host, s.first_layer, s.last_layer]), [["b", 0, 4], [
    "a",
    5,
    21,
  ]]);
  assert.match(found.stages[0].why, /layers 0-4 pinned to it/);
  assert.equal(found.draft.why, "no speculation: switched off");
});

Deno.test("planInputOf() takes workload, objective, constraints and decode policy from the graph", () => {
  const { input } = inputOf(`${TWO}objective: throughput
lambda: 3
workload: { prompt_tokens: 100, output_tokens: 10, branches: 6, concurrent: 2, acceptance: 0.4, kv_rows: 999 }
constraints: { exclude: [b], memory: [{ host: a, bytes: 3 GB }], trusted_ends: true, min_piece_rows: 8 }
decode: { draft_length: 3, max_branches: 5, wire: f32 }
actors: { outline: { max_branches: 4 } }
`);
  assert.deepEqual(input.workload, {
    promptTokens: 100,
    outputTokens: 10,
    branches: 6,
    concurrent: 2,
    acceptance: 0.4,
    kvRows: 999,
  });
  assert.deepEqual(input.constraints, {
    pin: [],
    exclude: ["b"],
    memory: [{ host: "a", bytes: 3e9 }],
    trustedEnds: true,
    minPieceRows: 8,
  });
  assert.deepEqual([input.objective, input.lambda, input.wire], ["throughput", 3, "f32"]);
  assert.deepEqual(input.decode, {
    drafter: "ngram",
    draftLength: 3,
    maxBranches: 4,
  });
  assert.equal(inputOf(`${TWO}actors: { head: auto }\n`).input.decode?.headShares, undefined);
  assert.equal(inputOf(`${TWO}decode: { mode: plain }\n`).input.decode?.drafter, "none");
});

Deno.test("planInputOf() refuses hosts that measured devices do not have", () => {
  const { graph, input } = inputOf(TWO);
  const measured = { ...graph, constraints: { ...graph.constraints, exclude: ["bb"] } };
  assert.throws(
    () => planInputOf(measured, input),
    /exclude names host "bb", which is not among the devices; known are a, b/,
  );
});

Deno.test("paperDraft() scales the times of every device by the draft model's work", () => {
  const { input } = inputOf(
    `${TWO}actors: { drafter: { model: d, host: b, shape: { layers: 2, hidden: 256, vocab: 32000, heads: 4, kv_heads: 4, head_dim: 64, ffn: 512 } } }\n`,
  );
  const { draft, model } = input;
  assert.equal(draft?.name, "d");
  assert.equal(input.decode?.draftHost, "b");
  const whole = model.layers * 0.002;
  for (const seconds of draft!.secondsPerToken) {
    assert.ok(seconds > 0 && seconds < whole / 5, `${seconds}`);
  }
  assert.ok(draft!.bytes > 2 * 256 * 32000 && draft!.bytes < 50e6, `${draft!.bytes}`);
});

Deno.test("paperModelOf() counts the bytes that precision and dimensions give", () => {
  const { input: { model } } = inputOf(TWO);
  const weights = model.layerBytes.reduce((a, b) => a + b, 0);
  const parameters = 22 * (2048 * 64 * (2 * 32 + 2 * 4) + 3 * 2048 * 5632);
  assert.ok(Math.abs(weights / parameters - 0.625) < 0.001);
  assert.equal(model.kvBytesPerRow, 2 * 4 * 64 * 4);
});
