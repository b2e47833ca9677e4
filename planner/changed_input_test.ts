import assert from "node:assert/strict";
import { type Device, plan, type PlanInput } from "./mod.ts";
import { changedInput } from "./changed_input.ts";

/** A device whose layers take so many milliseconds. */
function device(name: string, ms: number): Device {
  const table = (seconds: number) => ({ rows: [1], past: [0], seconds: [[seconds]] });
  return {
    ...{ name, memoryBytes: 1e9, overheadBytes: 0, frameSeconds: 1e-4, trusted: true },
    ...{ layer: table(ms / 1000), embed: table(1e-5), head: table(1e-4) },
  };
}

const link = (seconds: number, bytesPerS: number) => ({
  seconds: [[0, seconds], [seconds, 0]],
  bytesPerS: [[Infinity, bytesPerS], [bytesPerS, Infinity]],
});

const input: PlanInput = {
  model: {
    ...{ name: "m", layers: 4, hidden: 64, vocab: 256, context: 512, tied: false },
    ...{ layerBytes: [1e8, 1e8, 1e8, 1e8], embedBytes: 1e6, headBytes: 1e6, kvBytesPerRow: 512 },
    ...{ macsPerRow: 1e5, macsPerPastRow: 128 },
  },
  devices: [device("a", 10), device("b", 10)],
  links: link(0.001, 1e7),
  workload: { promptTokens: 64, outputTokens: 64, branches: 1, concurrent: 1 },
  objective: "latency",
  constraints: { pin: [], exclude: [], memory: [], trustedEnds: false, minPieceRows: 1 },
};

Deno.test("changedInput() adds a device like another one, with links to all", () => {
  const add = [{ name: "c", like: "b", speed: 4, latency_ms: 2, mbit_per_s: 800 }];
  const changed = changedInput(input, { add });
  const [, b, c] = changed.devices;
  assert.equal(c.name, "c");
  assert.equal(c.layer.seconds[0][0], b.layer.seconds[0][0] / 4);
  assert.deepEqual(changed.links.seconds, [[0, 0.001, 0.002], [0.001, 0, 0.002], [
    0.002,
    0.002,
    0,
  ]]);
  assert.deepEqual(changed.links.bytesPerS[2], [1e8, 1e8, Infinity]);
  assert.equal(input.devices.length, 2, "the input stays as it is");
  assert.ok(
    plan(changed).stages.some(({ host }) => host === "c"),
    "the planner takes the faster one",
  );
});

Deno.test("changedInput() changes speed, memory, links, pins, exclusions and the workload", () => {
  const changed = changedInput(input, {
    devices: [{ host: "b", speed: 2, memory_bytes: 2e9 }],
    links: [{ from: "b", to: "a", latency_ms: 5 }, { from: "a", to: "b", mbit_per_s: 8 }],
    pin: [{ host: "b", first: 3, last: 3 }],
    workload: { prompt_tokens: 1_000, concurrent: 3 },
  });
  assert.equal(changed.devices[1].memoryBytes, 2e9);
  assert.equal(changed.devices[1].layer.seconds[0][0], 0.005);
  assert.deepEqual(changed.links.seconds, [[0, 0.005], [0.005, 0]]);
  assert.deepEqual(changed.links.bytesPerS, [[Infinity, 1e6], [1e6, Infinity]]);
  const { promptTokens, outputTokens, concurrent } = changed.workload;
  assert.deepEqual([promptTokens, outputTokens, concurrent], [511, 1, 3], "as the context allows");
  assert.equal(plan(changed).stages.at(-1)!.host, "b");
  const without = plan(changedInput(input, { exclude: ["a"] }));
  assert.deepEqual(without.stages.map(({ host }) => host), ["b"]);
  assert.deepEqual(changedInput(input, {}), input);
});

Deno.test("changedInput() refuses names that no device has, or two have", () => {
  const added = { latency_ms: 1, mbit_per_s: 1 };
  const cases: [Parameters<typeof changedInput>[1], string, RegExp][] = [
    [{ add: [{ name: "c", like: "x", ...added }] }, "unknown_host", /^add names x/],
    [{ add: [{ name: "a", like: "b", ...added }] }, "duplicate_device", /called a already/],
    [{ devices: [{ host: "x" }] }, "unknown_host", /^devices names x/],
    [{ links: [{ from: "a", to: "x" }] }, "unknown_host", /^links names x/],
    [{ pin: [{ host: "x", first: 0, last: 1 }] }, "unknown_host", /^pin names x/],
    [{ exclude: ["x"] }, "unknown_host", /^exclude names x/],
  ];
  for (const [changes, code, message] of cases) {
    assert.throws(() => changedInput(input, changes), { code, message });
  }
});
