import assert from "node:assert/strict";
import { copiesBeside, linksBetween, seenMembers, workOf } from "./static/lib/cluster_rates.js";
import { bytes, ms, nodeNames } from "./static/lib/format.js";
import { modelFiles } from "./static/lib/model_files.js";
import { hashOf, routeOf } from "./static/lib/route.js";
import { scaledGraph } from "./static/lib/scaled_graph.js";
import { kindOf, partsOf, requestsOf } from "./static/lib/trace_requests.js";

/** A member as `GET /api/cluster` tells of it; times in milliseconds. */
function member(node: string, at_ms: number, { cpu = 0, sent = 0, to = "b:1:x" } = {}) {
  return {
    ...{ node, cores: 2, memory_bytes: 8e9, health: "alive", why: null, vitals_why: null },
    vitals: {
      ...{ at_ms, cpu_ms: cpu, memory: {}, requests: {} },
      links: [{ node: to, state: "up", round_trip_ms: 2, bytes_sent: sent, bytes_received: 0 }],
    },
  };
}

const deployment = {
  stages: [{ node: "a:1:x", first: 0, last: 1 }, { node: "b:1:x", first: 2, last: 5 }],
  draft: { node: "a:1:x" },
};

Deno.test("seenMembers() gives rates between two reports, and keeps who is gone for a while", () => {
  const b = member("b:1:x", 50, { to: "a:1:x" });
  const one = seenMembers([], { members: [member("a:1:x", 100), b], deployment }, 0);
  assert.deepEqual(one.map(({ state, cores }) => [state, cores]), [
    ["alive", undefined],
    ["alive", undefined],
  ]);
  const later = { ...b, vitals: null, vitals_why: "no answer" };
  const a = member("a:1:x", 1_100, { cpu: 500, sent: 4_000 });
  const two = seenMembers(one, { members: [later, a], deployment }, 1_000);
  assert.deepEqual(two.map(({ told, state }) => [told.node, state]), [
    ["a:1:x", "alive"],
    ["b:1:x", "silent"],
  ], "places stay, whatever the order of the report");
  assert.equal(two[0].cores, 0.5);
  assert.deepEqual(linksBetween(two), [{
    ...{ a: "a:1:x", b: "b:1:x", roundTripMs: 2, bytesPerS: 4_000 },
  }]);
  const repaired = { stages: [{ node: "a:1:x", first: 0, last: 5 }] };
  const alone = { members: [a], deployment: repaired };
  const three = seenMembers(two, alone, 2_000);
  assert.deepEqual(three.map(({ state, had }) => [state, had]), [
    ["alive", "layers 0–5"],
    ["gone", "layers 2–5"],
  ]);
  assert.equal(seenMembers(three, alone, 31_999).length, 2);
  assert.equal(seenMembers(three, alone, 32_000).length, 1);
});

Deno.test("workOf() gives each node its stages, its share of the head, the drafter", () => {
  const work = workOf(deployment);
  assert.deepEqual(work.get("a:1:x"), {
    stages: [{ index: 0, first: 0, last: 1 }],
    ...{ parts: 0, drafts: true, whole: false, others: [] },
  });
  assert.equal(work.get("b:1:x")?.parts, 8, "the last stage has the whole head");
  const shared = workOf({
    ...deployment,
    head: [
      { node: "a:1:x", first_part: 0, last_part: 2 },
      { node: "c", first_part: 3, last_part: 7 },
    ],
  });
  assert.deepEqual(["a:1:x", "b:1:x", "c"].map((node) => shared.get(node)?.parts), [3, 0, 5]);
  assert.equal(workOf(null).size, 0);
});

Deno.test("partsOf() counts every moment of a request once", () => {
  const stage = (n: number, received: number, began: number, ended: number) => ({
    ...{ stage: n, received, began, ended },
  });
  const kinds = { prefill: 0, decode: 1, draft: 0 };
  const frames = [
    {
      ...{ seq: 0, kinds: { prefill: 4, decode: 0, draft: 0 }, rows: 4, requests: ["r", "s"] },
      ...{ sent_ms: 0, answered_ms: 10, stages: [stage(0, 1, 2, 5), stage(1, 6, 6, 9)] },
    },
    {
      ...{ seq: 1, kinds, rows: 1, requests: ["r"], sent_ms: 12, answered_ms: 20 },
      ...{ stages: [stage(0, 13, 13, 15), stage(1, 16, 17, 19)] },
    },
  ];
  const [r, s] = requestsOf(frames);
  assert.deepEqual([r.id, r.frames.length, s.id, s.frames.length], ["r", 2, "s", 1]);
  assert.deepEqual(frames.map(kindOf), ["prompt", "decode"]);
  const parts = Object.fromEntries(partsOf(r).map(({ name, ms }) => [name, ms]));
  assert.deepEqual(parts, { "stage 0": 5, "stage 1": 5, waiting: 2, way: 6, node: 2 });
});

Deno.test("scaledGraph() changes min and max, and leaves the rest of the text", () => {
  const flow = "model: m # mine\ndeployment: { min: 1, max: 3, idle: 5 s } # kept\nworkload: {}\n";
  assert.equal(
    scaledGraph(flow, 2),
    "model: m # mine\ndeployment: { min: 2, max: 2, idle: 5 s } # kept\nworkload: {}\n",
  );
  const block = "deployment:\n    # how many\n    max: 4\n    idle: 5 s\nmodel: m\n";
  assert.equal(
    scaledGraph(block, 3),
    "deployment:\n    min: 3\n    max: 3\n    # how many\n    idle: 5 s\nmodel: m\n",
  );
  assert.equal(scaledGraph("model: m\n", 2), "model: m\n\ndeployment: { min: 2, max: 2 }\n");
  assert.deepEqual(JSON.parse(scaledGraph('{"model": "m", "deployment": {"idle": 1}}', 2)), {
    model: "m",
    deployment: { idle: 1, min: 2, max: 2 },
  });
  assert.throws(() => scaledGraph("deployment: &x { min: 1 }\n", 2), /edit it/);
});

Deno.test("figures are written for people", () => {
  assert.deepEqual([0, 0.0042, 0.5, 1, 12.34, 999, 1_234, 90_000].map(ms), [
    ...["0 ms", "4 µs", "500 µs", "1.00 ms", "12.3 ms", "999 ms", "1.23 s", "1.5 min"],
  ]);
  assert.deepEqual([0, 1_023, 1_536, 2 ** 31].map(bytes), [
    "0 B",
    "1023 B",
    "1.50 KiB",
    "2.00 GiB",
  ]);
  assert.equal(ms(undefined), "–");
  assert.deepEqual([...nodeNames(["a:1:x", "b:1:y", "b:2:z"]).values()], ["a", "b:1", "b:2"]);
});

Deno.test("copiesBeside() lists what serves beside the default, and workOf() gives it to its nodes", () => {
  const copy = (number: number, id: string, node: string) => ({
    ...{ copy: number, id, stages: [{ node, first: 0, last: 5 }] },
  });
  const deployments = [
    { name: "default", model: "big", copies: [copy(0, "d1", "a:1:x"), copy(1, "d2", "b:1:x")] },
    { name: "mine", model: "small", copies: [copy(0, "m1", "b:1:x"), { copy: 1, stages: [] }] },
    { name: "asleep", model: "small", copies: [{ copy: 0, stages: [] }] },
  ];
  const beside = copiesBeside({ deployments }, { ...deployment, id: "d1" });
  assert.deepEqual(beside.map(({ title, model }) => `${title}: ${model}`), [
    "default, copy 1: big",
    "mine, copy 0: small",
  ]);
  const work = workOf(deployment, beside);
  assert.deepEqual(work.get("b:1:x")?.others, [
    { title: "default, copy 1", first: 0, last: 5 },
    { title: "mine, copy 0", first: 0, last: 5 },
  ]);
  assert.deepEqual(copiesBeside(undefined, null), []);
});

Deno.test("modelFiles() takes a checkpoint's own files, or GGUF files, and says what lacks", () => {
  const file = (path: string, size = 10) => ({
    ...{ name: path.split("/").at(-1)!, webkitRelativePath: path, size },
  } as File);
  const folder = [
    ...["qwen/README.md", "qwen/model-2.safetensors", "qwen/model-1.safetensors"],
    ...["qwen/tokenizer.json", "qwen/config.json", "qwen/original/model.safetensors"],
    ...["qwen/also.gguf", "qwen/pytorch_model.bin"],
  ].map((path) => file(path));
  const whole = modelFiles(folder, "");
  assert.deepEqual(whole.files.map(({ name }) => name), [
    ...["config.json", "tokenizer.json", "model-1.safetensors", "model-2.safetensors"],
  ]);
  assert.deepEqual([whole.bytes, whole.left, whole.name, whole.lacks], [
    40,
    4,
    "qwen-q4",
    undefined,
  ]);
  assert.equal(modelFiles(folder.slice(0, 4), "f16").lacks, "config.json");
  const parts = ["My model-00002-of-00002.gguf", "My model-00001-of-00002.gguf"].map((name) =>
    file(name)
  );
  const gguf = modelFiles(parts, "");
  assert.deepEqual(gguf.files.map(({ name }) => name.slice(-17)), [
    "00001-of-00002.gguf".slice(-17),
    "00002-of-00002.gguf".slice(-17),
  ]);
  assert.deepEqual([gguf.name, gguf.lacks], ["My-model", undefined]);
  assert.equal(modelFiles(parts, "q8").name, "My-model-q8");
  assert.deepEqual(modelFiles([], "").files, []);
});

Deno.test("routeOf() reads what hashOf() writes", () => {
  const query = { request: "default/generation/a:1~x y&z" };
  assert.deepEqual(routeOf(hashOf("timeline", query)), { name: "timeline", query });
  assert.deepEqual(routeOf(""), { name: "", query: {} });
  assert.equal(hashOf("chat"), "#/chat");
});
