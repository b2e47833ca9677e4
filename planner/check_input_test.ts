import assert from "node:assert/strict";
import { OrreryError } from "../actors/mod.ts";
import { checkedDevices } from "./check_input.ts";
import type { Device, PlanInput, TimeTable } from "./types.ts";

const table = (seconds: number): TimeTable => ({ rows: [1], past: [0], seconds: [[seconds]] });

function inputOf(more: Partial<Device>, links = [[0, 1], [1, 0]]): PlanInput {
  const device = (name: string): Device => ({
    name,
    memoryBytes: 1e9,
    overheadBytes: 0,
    layer: table(0.001),
    embed: table(0),
    head: table(0),
    frameSeconds: 0,
    trusted: true,
  });
  return {
    model: {
      name: "m",
      layers: 2,
      hidden: 8,
      vocab: 8,
      context: 64,
      layerBytes: [1, 1],
      embedBytes: 1,
      headBytes: 1,
      tied: false,
      kvBytesPerRow: 1,
      macsPerRow: 1,
      macsPerPastRow: 1,
    },
    devices: [device("desk"), { ...device("attic"), ...more }],
    links: { seconds: links, bytesPerS: [[Infinity, 1e6], [1e6, Infinity]] },
    workload: { promptTokens: 8, outputTokens: 8, branches: 1, concurrent: 1 },
    objective: "latency",
    constraints: { pin: [], exclude: [], memory: [], trustedEnds: false, minPieceRows: 1 },
  };
}

function refused(input: PlanInput, code: string, message: RegExp): void {
  assert.throws(() => checkedDevices(input), (error) => {
    assert.ok(error instanceof OrreryError);
    assert.deepEqual([error.group, error.code], ["planner", code]);
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("checkedDevices() names the device whose times or sizes no device can have", () => {
  refused(inputOf({ layer: table(0) }), "bad_device", /^device attic: the time of a layer is 0 s/);
  refused(inputOf({ layer: table(1e-308) }), "bad_device", /^device attic: the time of a layer is/);
  refused(inputOf({ head: table(1e300) }), "bad_device", /^device attic: the time of its head/);
  refused(inputOf({ frameSeconds: NaN }), "bad_device", /^device attic: frameSeconds is NaN/);
  refused(inputOf({ memoryBytes: -1 }), "bad_device", /^device attic: memoryBytes is -1/);
  refused(inputOf({ embed: table(NaN) }), "bad_table", /^device attic, embed: time table: /);
  assert.equal(checkedDevices(inputOf({})).length, 2);
});

Deno.test("checkedDevices() names both ends of a link with an impossible time", () => {
  refused(
    inputOf({}, [[0, 1], [NaN, 0]]),
    "bad_links",
    /^links.seconds from attic to desk is NaN, expected 0 or more/,
  );
});
