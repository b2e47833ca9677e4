import assert from "node:assert/strict";
import fc from "fast-check";
import { hasCode } from "../../actors/mod.ts";
import type { Device, ModelShape } from "../types.ts";
import { CostModel, describedDevice, tableSeconds } from "./mod.ts";

const model: ModelShape = {
  name: "test",
  layers: 6,
  hidden: 100,
  vocab: 1000,
  context: 2048,
  layerBytes: [10e6, 10e6, 20e6, 20e6, 30e6, 30e6],
  embedBytes: 5e6,
  headBytes: 7e6,
  tied: true,
  kvBytesPerRow: 1000,
  macsPerRow: 10e6,
  macsPerPastRow: 1000,
};

function device(name: string, factor: number): Device {
  const flat = (seconds: number) => ({
    rows: [1, 2],
    past: [0],
    seconds: [[factor * seconds], [2 * factor * seconds]],
  });
  return {
    name,
    memoryBytes: 100e6,
    overheadBytes: 8e6,
    layer: {
      rows: [1, 10],
      past: [0, 100],
      seconds: [[factor, 2 * factor], [10 * factor, 20 * factor]],
    },
    embed: flat(0.25),
    head: flat(3),
    frameSeconds: 0.5,
    trusted: true,
  };
}

const links = { seconds: [[0, 0.01], [0.02, 0]], bytesPerS: [[Infinity, 1000], [500, Infinity]] };
const cost = (wire: "f32" | "f16" | "int8" = "f16") =>
  new CostModel({ model, devices: [device("a", 1), device("b", 2)], links, wire });

Deno.test("a stage costs its layers, the embedding at layer 0, the head of the wanted rows at the last layer, and a frame", () => {
  const c = cost();
  assert.equal(
    c.stageSeconds(0, { first: 1, last: 3 }, { rows: 10, past: 0, wanted: 10 }),
    0.5 + 30,
  );
  assert.equal(
    c.stageSeconds(0, { first: 0, last: 1 }, { rows: 10, past: 100, wanted: 1 }),
    0.5 + 40 + 2.5,
  );
  assert.equal(
    c.stageSeconds(1, { first: 4, last: 5 }, { rows: 10, past: 0, wanted: 1 }),
    0.5 + 40 + 6,
  );
  // a piece of a prompt that is not its last wants nothing: the head does not run
  assert.equal(
    c.stageSeconds(1, { first: 4, last: 5 }, { rows: 10, past: 0, wanted: 0 }),
    0.5 + 40,
  );
});

Deno.test("splitting a stage costs one more frame time and nothing else", () => {
  const c = cost();
  fc.assert(
    fc.property(fc.nat(4), fc.integer({ min: 1, max: 300 }), fc.nat(3000), (cut, rows, past) => {
      const frame = { rows, past, wanted: rows };
      const whole = c.stageSeconds(0, { first: 0, last: 5 }, frame);
      const parts = c.stageSeconds(0, { first: 0, last: cut }, frame) +
        c.stageSeconds(0, { first: cut + 1, last: 5 }, frame);
      assert.ok(Math.abs(parts - whole - 0.5) < 1e-9 * whole);
    }),
  );
});

Deno.test("a narrower wire carries fewer bytes, in proportion to its elements", () => {
  const bytes = (wire: "f32" | "f16" | "int8") => cost(wire).hopBytes(11) - cost(wire).hopBytes(1);
  assert.deepEqual([bytes("f32"), bytes("f16"), bytes("int8")], [10 * 416, 10 * 216, 10 * 120]);
  assert.equal(cost().withWire("int8").hopBytes(7), cost("int8").hopBytes(7));
  assert.ok(cost().requestBytes(8) < cost("int8").hopBytes(8));
});

Deno.test("a hop costs latency and transfer in its own direction, and nothing within a device", () => {
  assert.equal(cost().hopSeconds(0, 1, 2000), 2.01);
  assert.equal(cost().hopSeconds(1, 0, 2000), 4.02);
  assert.equal(cost().hopSeconds(1, 1, 2000), 0);
  assert.equal(cost().transferSeconds(1, 0, 2000), 4);
  assert.equal(cost().transferSeconds(0, 0, 2000), 0);
});

Deno.test("a matrix that is embedding and head counts once on a device that has both", () => {
  const c = cost();
  assert.deepEqual(c.stageBytes({ first: 0, last: 5 }, 10), { weights: 120e6 + 7e6, kv: 60_000 });
  assert.deepEqual(c.stageBytes({ first: 0, last: 2 }, 0), { weights: 45e6, kv: 0 });
  assert.deepEqual(c.stageBytes({ first: 3, last: 5 }, 1), { weights: 87e6, kv: 3000 });
  const untied = new CostModel({ model: { ...model, tied: false }, devices: c.devices, links });
  assert.equal(untied.stageBytes({ first: 0, last: 5 }, 0).weights, 132e6);
});

Deno.test("lackingBytes() counts weights, KV and the engine against the device's memory", () => {
  assert.equal(cost().lackingBytes(0, { first: 0, last: 5 }, 1000), 127e6 + 6e6 + 8e6 - 100e6);
  assert.equal(cost().lackingBytes(0, { first: 1, last: 3 }, 1000), 0);
});

Deno.test("a device of a data sheet reads its weights for one row and computes for many", () => {
  const d = describedDevice({
    name: "paper",
    memory_bytes: 8e9,
    flops: 1e11,
    memory_bandwidth: 1e10,
  }, model);
  const bytes = 20e6; // a layer's mean
  assert.ok(Math.abs(tableSeconds(d.layer, 1, 0) - bytes / 1e10) < 3e-5);
  const many = tableSeconds(d.layer, 512, 0);
  assert.ok(Math.abs(many - 512 * 2 * 10.256e6 / 1e11) < 1e-3 * many, String(many));
  // more past, more reading; twice the bandwidth, half the time of a row
  assert.ok(tableSeconds(d.layer, 1, 2000) > tableSeconds(d.layer, 1, 0));
  const wide = describedDevice({
    name: "w",
    memory_bytes: 8e9,
    flops: 1e11,
    memory_bandwidth: 2e10,
  }, model);
  assert.ok(tableSeconds(wide.layer, 1, 0) < 0.6 * tableSeconds(d.layer, 1, 0));
  assert.equal(tableSeconds(wide.layer, 512, 0), tableSeconds(d.layer, 512, 0));
  assert.ok(tableSeconds(d.head, 1, 0) > tableSeconds(d.embed, 1, 0));
});

Deno.test("a device of given layer times has exactly those, head and embedding by size, attention by its operations", () => {
  const d = describedDevice({
    name: "given",
    memory_bytes: 8e9,
    layer_seconds: { "64": 0.4, "1": 0.02, "8": 0.05 },
    frame_seconds: 0.001,
    overhead_bytes: 1,
    trusted: false,
  }, model);
  assert.deepEqual([d.frameSeconds, d.overheadBytes, d.trusted], [0.001, 1, false]);
  assert.deepEqual([1, 8, 64].map((rows) => tableSeconds(d.layer, rows, 0)), [0.02, 0.05, 0.4]);
  // a layer's mean is 20 MB in 20 ms: the head's 7 MB take 7 ms
  assert.ok(Math.abs(tableSeconds(d.head, 1, 0) - 0.007) < 1e-12);
  assert.ok(tableSeconds(d.embed, 64, 0) < 1e-3);
  const growth = tableSeconds(d.layer, 64, 1000) - tableSeconds(d.layer, 64, 0);
  assert.ok(Math.abs(growth - 0.4 * 1000 * 1000 / 10e6) < 1e-9, String(growth));
  const own = describedDevice(
    { name: "o", memory_bytes: 1, layer_seconds: { 1: 1 }, head_seconds: { 1: 5 } },
    model,
  );
  assert.equal(tableSeconds(own.head, 2, 0), 10);
});

Deno.test("a description that says too little is refused by the device's name", () => {
  const bad = (message: RegExp, description: Record<string, unknown>) =>
    assert.throws(
      () => describedDevice({ name: "jetson", memory_bytes: 1e9, ...description }, model),
      (e) => hasCode(e, "bad_device") && message.test(e.message),
    );
  bad(/device jetson: .*layer_seconds, or flops and memory_bandwidth/, { flops: 1e12 });
  bad(/device jetson: layer_seconds.*whole numbers/, { layer_seconds: { x: 1 } });
  bad(/device jetson: layer_seconds.*at least one/, { layer_seconds: {} });
  bad(/device jetson: memory_bytes/, { memory_bytes: 0, layer_seconds: { 1: 1 } });
});
