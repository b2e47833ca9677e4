import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import type { ModelShape } from "../types.ts";
import { describedDevice } from "./described_device.ts";
import { tableSeconds } from "./table.ts";

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

Deno.test("describedDevice() lets a device with flops and bandwidth read its weights for one row and compute for many", () => {
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

Deno.test("describedDevice() keeps given layer times, and derives head and embedding from their size, attention from its operations", () => {
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

Deno.test("describedDevice() refuses a description that says too little, and names the device", () => {
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
