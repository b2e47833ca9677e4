import assert from "node:assert/strict";
import { hasCode, parseGraph } from "../../actors/mod.ts";
import type { PlanInput } from "../../planner/mod.ts";
import { planAs } from "./plan_as.ts";
import { planBeside } from "./plan_beside.ts";
import { toyShape } from "../../tests/support/toy_shape.ts";

const graph = parseGraph("model: made-up", { file: "test" });

/** Devices of one speed, with links of 1 ms and 1 Gbit/s, and a model of 24 layers. */
function inputOf(count: number, memoryBytes = 8e9): PlanInput {
  const flat = (s: number) => ({ rows: [1, 8], past: [0], seconds: [[s], [3 * s]] });
  const matrix = (off: number, own: number) =>
    Array.from(
      { length: count },
      (_, i) => Array.from({ length: count }, (_, k) => i === k ? own : off),
    );
  return {
    model: toyShape(24, {
      hidden: 896,
      vocab: 151_936,
      context: 2048,
      layerBytes: new Array<number>(24).fill(10e6),
      embedBytes: 100e6,
      headBytes: 100e6,
    }),
    devices: Array.from({ length: count }, (_, i) => ({
      name: `d${i}`,
      memoryBytes,
      overheadBytes: 64e6,
      frameSeconds: 1e-4,
      trusted: true,
      layer: flat(1e-3 * (1 + i / 50)),
      embed: flat(1e-5),
      head: flat(6e-3),
    })),
    links: { seconds: matrix(1e-3, 0), bytesPerS: matrix(125e6, Infinity) },
    workload: { promptTokens: 256, outputTokens: 64, branches: 1, concurrent: 1 },
    objective: "blended",
    constraints: { pin: [], exclude: [], memory: [], trustedEnds: false, minPieceRows: 16 },
  };
}

Deno.test("planBeside() makes the planner's plan, and the node's thread goes on meanwhile", async () => {
  const input = inputOf(4);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  try {
    const made = await planBeside(input, graph, new AbortController().signal);
    assert.ok(turns > 5, `${turns} turns`);
    assert.deepEqual(made, planAs(input, graph));
  } finally {
    clearInterval(timer);
  }
});

Deno.test("planBeside() throws what the planner throws", async () => {
  const { signal } = new AbortController();
  await assert.rejects(planBeside(inputOf(2, 70e6), graph, signal), (error) => {
    let own: unknown;
    try {
      planAs(inputOf(2, 70e6), graph);
    } catch (thrown) {
      own = thrown;
    }
    assert.ok(hasCode(error, (own as { code: string }).code), String(error));
    assert.equal((error as Error).message, (own as Error).message);
    return true;
  });
});

Deno.test("planBeside() ends its thread when the signal is aborted", async () => {
  const aborter = new AbortController();
  const made = planBeside(inputOf(4), graph, aborter.signal);
  aborter.abort(new Error("no longer wanted"));
  await assert.rejects(made, /no longer wanted/);
});
