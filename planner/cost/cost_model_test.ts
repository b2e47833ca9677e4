import assert from "node:assert/strict";
import fc from "fast-check";
import { allRows } from "../kv_bytes.ts";
import type { Device, ModelShape } from "../types.ts";
import { CostModel } from "./mod.ts";

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

Deno.test("CostModel.stageSeconds() counts the layers, the embedding at layer 0, the head of the wanted rows at the last layer, and the frame", () => {
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
  // a prompt piece before the last wants no token, so the head does not run
  assert.equal(
    c.stageSeconds(1, { first: 4, last: 5 }, { rows: 10, past: 0, wanted: 0 }),
    0.5 + 40,
  );
});

Deno.test("CostModel.stageSeconds() adds one frame time and nothing else, when a stage is split", () => {
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

Deno.test("CostModel.hopBytes() follows the bytes of the wire format's elements", () => {
  const bytes = (wire: "f32" | "f16" | "int8") => cost(wire).hopBytes(11) - cost(wire).hopBytes(1);
  assert.deepEqual([bytes("f32"), bytes("f16"), bytes("int8")], [10 * 416, 10 * 216, 10 * 120]);
  assert.equal(cost().withWire("int8").hopBytes(7), cost("int8").hopBytes(7));
  assert.ok(cost().requestBytes(8) < cost("int8").hopBytes(8));
});

Deno.test("CostModel.hopSeconds() counts latency and transfer in the hop's direction, and nothing within a device", () => {
  assert.equal(cost().hopSeconds(0, 1, 2000), 2.01);
  assert.equal(cost().hopSeconds(1, 0, 2000), 4.02);
  assert.equal(cost().hopSeconds(1, 1, 2000), 0);
  assert.equal(cost().transferSeconds(1, 0, 2000), 4);
  assert.equal(cost().transferSeconds(0, 0, 2000), 0);
});

Deno.test("CostModel.stageBytes() counts a tied matrix once, when a device has embedding and head", () => {
  const c = cost();
  assert.deepEqual(c.stageBytes({ first: 0, last: 5 }, allRows(10)), {
    weights: 120e6 + 7e6,
    kv: 60_000,
  });
  assert.deepEqual(c.stageBytes({ first: 0, last: 2 }, allRows(0)), { weights: 45e6, kv: 0 });
  assert.deepEqual(c.stageBytes({ first: 3, last: 5 }, allRows(1)), { weights: 87e6, kv: 3000 });
  const untied = new CostModel({ model: { ...model, tied: false }, devices: c.devices, links });
  assert.equal(untied.stageBytes({ first: 0, last: 5 }, allRows(0)).weights, 132e6);
});

Deno.test("CostModel.stageBytes() counts the KV bytes of layers that differ", () => {
  const { devices } = cost();
  const hybrid = { ...model, kvLayerBytes: [10, 20, 30, 40, 50, 60] };
  const c = new CostModel({ model: hybrid, devices, links });
  assert.equal(c.stageBytes({ first: 1, last: 3 }, allRows(10)).kv, 900);
  const windowed = { ...hybrid, windowed: { window: 4, layers: [0, 2, 3] } };
  const w = new CostModel({ model: windowed, devices, links });
  assert.equal(w.stageBytes({ first: 1, last: 3 }, { rows: 10, windowed: 6 }).kv, 200 + 420);
});

Deno.test("CostModel.layerSeconds() lets windowed layers attend to their window alone", () => {
  const { devices } = cost();
  const windowed = { window: 64, layers: [0, 2, 4] };
  const c = new CostModel({ model: { ...model, windowed }, devices, links });
  const plain = (past: number) => cost().layerSeconds(0, { rows: 4, past });
  assert.ok(plain(500) > plain(192), "the device's time depends on past rows");
  const mean = (plain(500) + plain(64 + 128)) / 2;
  assert.ok(Math.abs(c.layerSeconds(0, { rows: 4, past: 500 }) - mean) < 1e-12);
  assert.equal(c.layerSeconds(0, { rows: 4, past: 50 }), plain(50));
});

Deno.test("lackingBytes() counts weights, KV and the engine against the device's memory", () => {
  assert.equal(
    cost().lackingBytes(0, { first: 0, last: 5 }, allRows(1000)),
    127e6 + 6e6 + 8e6 - 100e6,
  );
  assert.equal(cost().lackingBytes(0, { first: 1, last: 3 }, allRows(1000)), 0);
});
