import assert from "node:assert/strict";
import fc from "fast-check";
import { CostModel } from "../cost/mod.ts";
import { placedCosts, simulate } from "../simulator/mod.ts";
import { promptPieces, type PromptPlace, promptSeconds, promptWindow } from "./prompt_time.ts";
import type { Device, ModelShape } from "../types.ts";

const MODEL: ModelShape = {
  name: "toy",
  layers: 6,
  hidden: 256,
  vocab: 1000,
  context: 1024,
  layerBytes: [1, 1, 1, 1, 1, 1],
  embedBytes: 1,
  headBytes: 8,
  tied: false,
  kvBytesPerRow: 0,
  macsPerRow: 1,
  macsPerPastRow: 1,
};

function deviceOf(name: string, seconds: number): Device {
  return {
    name,
    memoryBytes: 1e9,
    overheadBytes: 0,
    layer: { rows: [1, 256], past: [0], seconds: [[seconds], [40 * seconds]] },
    embed: { rows: [1], past: [0], seconds: [[0]] },
    head: { rows: [1], past: [0], seconds: [[3 * seconds]] },
    frameSeconds: 0.0005,
    trusted: true,
  };
}

/** Two or three stages, a coordinator, a prompt's pieces, and shares of the head or none. */
const places = fc.record({
  seconds: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 3 }),
  latency: fc.constantFrom(0.0002, 0.02, 0.2),
  rate: fc.constantFrom(1e5, 1e7),
  coordinator: fc.nat(2),
  pieces: fc.array(fc.integer({ min: 4, max: 60 }), { minLength: 1, maxLength: 9 }),
  shares: fc.option(fc.integer({ min: 1, max: 7 }), { nil: undefined }),
  uplink: fc.option(
    fc.record({
      devices: fc.constantFrom([0], [1], [0, 1]),
      bytesPerS: fc.constantFrom(3e4, 3e5),
    }),
    { nil: undefined },
  ),
});

/** The placement of a record of {@linkcode places}. */
function placeOf(
  { seconds, latency, rate, coordinator, shares, uplink }: Omit<
    Parameters<Parameters<typeof places.map>[0]>[0],
    "pieces"
  >,
): PromptPlace {
  const devices = seconds.map((s, i) => deviceOf(`d${i}`, s / 1000));
  const matrix = (other: number, self: number) =>
    devices.map((_, i) => devices.map((_, j) => i === j ? self : other));
  const links = {
    seconds: matrix(latency, 0),
    bytesPerS: matrix(rate, Infinity),
    uplinks: uplink && [uplink],
  };
  const cost = new CostModel({ model: MODEL, devices, links });
  const each = MODEL.layers / devices.length;
  return {
    cost,
    stages: devices.map((_, device) => ({
      device,
      first: device * each,
      last: (device + 1) * each - 1,
    })),
    coordinator: coordinator % devices.length,
    ...(shares && {
      head: [{ device: 0, parts: shares }, { device: devices.length - 1, parts: 8 - shares }],
    }),
  };
}

Deno.test("promptSeconds() is the TTFT of the simulator with the same window of frames", () => {
  let waited = 0;
  fc.assert(
    fc.property(places, ({ pieces, ...record }) => {
      const place = placeOf(record);
      const prompt = pieces.reduce((a, b) => a + b, 0);
      const window = promptWindow(place, { rows: Math.max(...pieces), tokens: prompt });
      assert.ok(place.stages.length < window && window <= 2 * place.stages.length + 1);
      const { requests: [{ ttft_s }] } = simulate({
        costs: placedCosts(place.cost, {
          ...place,
          stages: place.stages.map((s) => ({ device: s.device, range: s })),
        }),
        policy: { pieces, window },
        options: { prompt, tokens: 1 },
      });
      const predicted = promptSeconds(place, pieces);
      assert.ok(Math.abs(predicted - ttft_s) <= 1e-9 * ttft_s, `${predicted} against ${ttft_s}`);
      if (predicted > promptSeconds(place, pieces, pieces.length) * 1.01) waited++;
    }),
    { numRuns: 150, seed: 11 },
  );
  assert.ok(waited > 5, `${waited} prompts waited for the window`);
});

Deno.test("promptPieces() takes larger pieces where small ones would wait for the window", () => {
  const place = placeOf({
    ...{ seconds: [1, 1], latency: 0.2, rate: 1e7, coordinator: 0, shares: 0, uplink: undefined },
  });
  const { pieces, seconds } = promptPieces(place, 240, {
    minPieceRows: 8,
    maxPieceRows: 256,
    maxLabels: 64,
  });
  assert.equal(pieces.reduce((a, b) => a + b, 0), 240);
  assert.equal(seconds, promptSeconds(place, pieces));
  for (const rows of [8, 24, 48, 120]) {
    const equal = new Array<number>(240 / rows).fill(rows);
    assert.ok(seconds <= promptSeconds(place, equal) * (1 + 1e-9), `pieces of ${rows}`);
  }
});
