import assert from "node:assert/strict";
import { parseGraph } from "../../actors/mod.ts";
import { allRows, kvBytes, plan } from "../../planner/mod.ts";
import { madeUpManifest, madeUpProfile } from "../../tests/support/made_up_model.ts";
import {
  limitsOf,
  linkMatrix,
  modelShape,
  mostBranches,
  placementOf,
  planInput,
  policyOf,
  unplannedShape,
} from "./plan_input.ts";

const manifest = madeUpManifest();
const LAN = { seconds: 0.0002, bytesPerS: 100e6 };

/** Input for nodes `a:1:x`, `b:1:x` ...; `speeds` are milliseconds of a layer for a row. */
function input(speeds: number[], { graph = "model: made-up", memory = 2e9 } = {}) {
  const nodes = speeds.map((ms, i) => ({
    node: `${"abcd"[i]}:1:x`,
    profile: madeUpProfile(manifest, ms),
    memory_bytes: memory,
  }));
  const links = linkMatrix(nodes, () => LAN);
  return planInput({
    manifest,
    nodes,
    links,
    coordinator: "a:1:x",
    graph: parseGraph(graph, { file: "test" }),
  });
}

/** Number of layers by node. */
const layers = (made: ReturnType<typeof plan>) =>
  Object.fromEntries(made.stages.map((s) => [s.host[0], s.last_layer - s.first_layer + 1]));

Deno.test("planInput() gives a slower node fewer layers", () => {
  const made = plan(input([2, 4], { graph: "{ model: made-up, objective: throughput }" }));
  const { a, b } = layers(made);
  assert.equal(a + b, 12);
  assert.ok(a > b, JSON.stringify(layers(made)));
});

Deno.test("planInput() lets a far slower node stay idle, and the plan says why", () => {
  const made = plan(input([1, 200]));
  assert.deepEqual(layers(made), { a: 12 });
  assert.equal(made.idle[0].host, "b:1:x");
  assert.ok(made.idle[0].why.length > 10);
});

Deno.test("planInput() lets all layers go to another node that is far faster", () => {
  const made = plan(input([200, 1]));
  assert.deepEqual(layers(made), { b: 12 });
  assert.equal(made.coordinator, "a:1:x");
  const placed = placementOf(made, {});
  assert.deepEqual(placed.stages, [{ node: "b:1:x", first: 0, last: 11 }]);
});

Deno.test("planInput() gives stages half of their node's memory, as weights are there twice while they load", () => {
  const made = plan(input([1, 1], { memory: 160e6 }));
  assert.equal(made.stages.length, 2);
  for (const { weight_bytes } of made.stages) {
    assert.ok(2 * weight_bytes <= 160e6, String(weight_bytes));
  }
});

Deno.test("planInput() finds a graph's hosts by the part of a node's id before the port", () => {
  const graph =
    "{ model: made-up, constraints: { pin: [{ host: b, layers: 4-7 }], exclude: [c] } }";
  const made = plan(input([1, 50, 1], { graph }));
  assert.ok(made.stages.some((s) => s.host === "b:1:x" && s.first_layer <= 4 && s.last_layer >= 7));
  assert.ok(made.stages.every((s) => s.host !== "c:1:x"));
});

Deno.test("planInput() gives no layers to a first node that is excluded", () => {
  const graph = "{ model: made-up, constraints: { exclude: [a] } }";
  const made = plan(input([1, 50], { graph }));
  assert.deepEqual(layers(made), { b: 12 });
});

Deno.test("planInput() refuses a graph whose host is no member, and names it", () => {
  const graph = "{ model: made-up, constraints: { exclude: [elsewhere] } }";
  assert.throws(() => input([1, 1], { graph }), /"elsewhere"/);
});

Deno.test("placementOf() carries pieces, wire and KV rows of the plan, and limits its branches and rows a frame by defaults", () => {
  const made = plan(input([2, 2]));
  const placed = placementOf(made, { draft: { model: "small", source: "a:1:x" } });
  assert.deepEqual(placed.shape!.pieces, made.piece_buckets);
  assert.equal(placed.shape!.wire, made.wire.format);
  assert.equal(placed.shape!.kv_rows, made.kv_rows);
  assert.equal(placed.shape!.max_branches, 32);
  assert.equal(placed.shape!.rows_per_frame, 64);
  assert.deepEqual(placed.draft, { node: "a:1:x", model: "small", source: "a:1:x" });
  assert.equal(placed.plan!.model, "made-up");
  const trimmed = { ...made, draft: { ...made.draft, vocabulary: 4000 } };
  assert.equal(placementOf(trimmed, { draft: placed.draft }).draft!.vocabulary, 4000);
});

Deno.test("planInput() sends hidden states in f32 for a model stored in f32, whatever the links", () => {
  const exact = { ...manifest, precision: "f32" as const };
  const nodes = [{ node: "a:1:x", profile: madeUpProfile(exact, 1), memory_bytes: 2e9 }];
  const links = linkMatrix(nodes, () => undefined);
  const graph = parseGraph("model: made-up", { file: "test" });
  assert.equal(
    planInput({ manifest: exact, nodes, links, coordinator: "a:1:x", graph }).wire,
    "f32",
  );
});

Deno.test("linkMatrix() takes an unmeasured link to be as slow as the slowest measured one", () => {
  const members = ["a", "b", "c"].map((node) => ({ node }));
  const known = (from: string, to: string) =>
    from + to === "ab" ? { seconds: 0.02, bytesPerS: 1e6 } : undefined;
  const { seconds, bytesPerS } = linkMatrix(members, known);
  assert.deepEqual(seconds, [[0, 0.02, 0.02], [0.02, 0, 0.02], [0.02, 0.02, 0]]);
  assert.equal(bytesPerS[1][1], Infinity);
  assert.equal(bytesPerS[2][0], 1e6);
});

Deno.test("modelShape() counts a layer's matrices and the KV bytes of a row", () => {
  const shape = modelShape(manifest);
  assert.equal(shape.macsPerRow, 2048 * 512);
  assert.equal(shape.kvBytesPerRow, 2 * 2 * 64 * 4);
  assert.deepEqual(shape.layerBytes, Array(12).fill(8e6));
});

Deno.test("modelShape() counts the rows of convolutions and of attention layer by layer", () => {
  const convolution = { kernel: 3, layers: [0, 2] };
  const shape = modelShape({ ...manifest, geometry: { ...manifest.geometry, convolution } });
  const [convolved, attended] = [512 * 4, 2 * 2 * 64 * 4];
  assert.deepEqual(shape.kvLayerBytes!.slice(0, 4), [convolved, attended, convolved, attended]);
  assert.equal(shape.kvBytesPerRow, (2 * convolved + 10 * attended) / 12);
  const { macsPerPastRow } = modelShape(manifest);
  assert.equal(shape.macsPerPastRow, macsPerPastRow * 10 / 12);
});

Deno.test("modelShape() counts what rows bring to recurrent states, and these apart", () => {
  const recurrence = { layers: [1], heads: 4, head_dim: 8, state: 16, groups: 1, kernel: 4 };
  const shape = modelShape({ ...manifest, geometry: { ...manifest.geometry, recurrence } });
  const [brought, state] = [4 * (4 * 8 + 2 * 16 + 4), 4 * 16 * 8 * 4];
  assert.deepEqual(shape.kvLayerBytes!.slice(0, 2), [2 * 2 * 64 * 4, brought]);
  assert.deepEqual(shape.states!.layerBytes.slice(0, 3), [0, state, 0]);
  const { macsPerPastRow, macsPerRow } = modelShape(manifest);
  assert.equal(shape.macsPerPastRow, macsPerPastRow * 11 / 12);
  assert.equal(shape.macsPerRow, macsPerRow + 3 * 4 * 16 * 8 / 12);
  // States for 128 rows each and that of zeros; 2 at least and 16 at most beside it.
  for (const [rows, states] of [[100, 3], [1000, 9], [9000, 17]]) {
    const bytes = kvBytes(shape, { first: 1, last: 1 }, allRows(rows));
    assert.equal(bytes, rows * brought + states * state);
  }
});

Deno.test("modelShape() has all experts in memory, and counts those that a row computes", () => {
  const [layer] = manifest.layers;
  const part = (bytes: number) => ({ offset: 0, bytes });
  const experts = {
    shape: [8 * 64, 512],
    format: "q4" as const,
    data: part(131072),
    scales: part(32768),
  };
  const shape = modelShape({
    ...manifest,
    geometry: { ...manifest.geometry, experts: { count: 8, active: 2 } },
    layers: manifest.layers.map(() => ({
      ...layer,
      tensors: { ...layer.tensors, "mlp.experts.up": experts },
    })),
  });
  assert.equal(shape.macsPerRow, 2048 * 512 + 2 * 64 * 512);
  assert.deepEqual(shape.experts, { count: 8, active: 2, bytes: 163840 });
  assert.deepEqual(shape.layerBytes, Array(12).fill(8e6));
});

const read = (text: string) => parseGraph(text, { file: "test" });

Deno.test("policyOf() has the graph's defaults for requests, and nothing else", () => {
  assert.equal(policyOf(read("model: m")), undefined);
  assert.equal(policyOf(read("{ model: m, actors: { outline: { max_branches: 3 } } }")), undefined);
  const templates = { outline: "List: {question}", point: "Tell {point}" };
  const router = { suited: ["compost"], unsuited: [] };
  const graph = {
    model: "m",
    actors: { outline: { templates, router: { suited: ["compost"] } } },
    decode: { mode: "plain", draft_length: 0, wire: "int8" },
  };
  assert.deepEqual(policyOf(read(JSON.stringify(graph))), {
    mode: "plain",
    draft_length: 0,
    templates,
    router,
  });
  assert.deepEqual(policyOf(read("{ model: m, actors: { outline: { router: false } } }")), {
    router: false,
  });
});

Deno.test("unplannedShape() has the graph's wire and branches too", () => {
  const shape = unplannedShape(
    "f32",
    read("{ model: m, decode: { wire: int8, max_branches: 3 } }"),
  );
  assert.deepEqual([shape.wire, shape.max_branches], ["int8", 3]);
  const usual = read("model: m");
  assert.deepEqual([unplannedShape("f32", usual).wire, unplannedShape("q4", usual).wire], [
    "f32",
    "f16",
  ]);
  assert.equal(unplannedShape("q4", usual).max_branches, 32);
});

Deno.test("limitsOf() has the graph's limits of requests, and nothing where it has none", () => {
  assert.deepEqual(limitsOf(read("{ model: m, deployment: { journal: false } }")), {
    journal: false,
  });
  assert.deepEqual(limitsOf(read("model: m")), {});
  assert.deepEqual(limitsOf(read("{ model: m, admission: { active: 4 } }")), {
    admission: { active: 4 },
  });
});

Deno.test("mostBranches() is the least of the graph's limits; a default mode without outlines is no limit", () => {
  assert.equal(
    mostBranches(
      read("{ model: m, actors: { outline: { max_branches: 5 } }, decode: { max_branches: 7 } }"),
    ),
    5,
  );
  assert.equal(mostBranches(read("{ model: m, decode: { mode: plain } }")), undefined);
});
