import assert from "node:assert/strict";
import { plan } from "./plan.ts";
import type { Device, Plan, PlanInput } from "./types.ts";

const LAYERS = 8;

/** A device with memory for a quarter of the model. */
const device = (name: string): Device => ({
  name,
  memoryBytes: 2.5 * 100e6,
  overheadBytes: 0,
  layer: { rows: [1, 512], past: [0], seconds: [[1e-3], [100e-3]] },
  embed: { rows: [1], past: [0], seconds: [[0]] },
  head: { rows: [1], past: [0], seconds: [[1e-4]] },
  frameSeconds: 1e-4,
  trusted: true,
});

/** Two rooms, a b and x y. Links between all devices are equal, those between rooms share uplinks. */
function rooms(order: string, uplink: number): PlanInput {
  const devices = [...order].map(device);
  const at = (other: number, self: number) =>
    devices.map((_, i) => devices.map((_, j) => i === j ? self : other));
  const far = devices.flatMap(({ name }, i) => "xy".includes(name) ? [i] : []);
  return {
    model: {
      name: "toy",
      layers: LAYERS,
      hidden: 1024,
      vocab: 1000,
      context: 1024,
      layerBytes: new Array(LAYERS).fill(100e6),
      embedBytes: 0,
      headBytes: 0,
      tied: false,
      kvBytesPerRow: 0,
      macsPerRow: 1,
      macsPerPastRow: 1,
    },
    devices,
    links: {
      seconds: at(1e-4, 0),
      bytesPerS: at(1e6, Infinity),
      uplinks: [{ devices: far, bytesPerS: uplink }],
    },
    workload: { promptTokens: 128, outputTokens: 64, branches: 16, concurrent: 4 },
    objective: "throughput",
    constraints: { pin: [], exclude: [], memory: [], trustedEnds: false, minPieceRows: 16 },
    decode: { headShares: 1 },
    wire: "f16",
  };
}

/** How often a frame goes into or out of the second room. */
function crossings({ coordinator, stages }: Plan): number {
  const way = [coordinator, ...stages.map((s) => s.host), coordinator];
  return way.filter((host, i) => i > 0 && "xy".includes(host) !== "xy".includes(way[i - 1])).length;
}

Deno.test("plan() passes a shared uplink once in each direction, in any order of the devices", () => {
  for (const order of ["abxy", "axby", "xayb", "yabx", "xyab"]) {
    const found = plan(rooms(order, 1e6));
    assert.equal(found.stages.length, 4);
    assert.equal(crossings(found), 2, `${order}: ${found.stages.map((s) => s.host)}`);
  }
});

Deno.test("a plan names the uplink that holds it up, and predicts less through it", () => {
  const [wide, narrow] = [1e9, 1e5].map((rate) => plan(rooms("axby", rate)));
  assert.match(narrow.bottleneck.what, /^uplink 0 (in|out)$/);
  assert.equal(narrow.bottleneck.kind, "link");
  assert.doesNotMatch(wide.bottleneck.what, /uplink/);
  assert.ok(narrow.predicted.tokens_per_s < wide.predicted.tokens_per_s / 2);
});
