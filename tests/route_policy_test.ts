/**
 * The choice between one node and the pipeline, on seeded clusters and requests: the route that is
 * picked is, in the simulator, within 5 % of the quicker one.
 */
import assert from "node:assert/strict";
import { quickerRoute, seededRandom } from "../actors/mod.ts";
import { type Device, type Plan, plan, type PlanInput, simulatePlan } from "../planner/mod.ts";
import { toyShape } from "./support/toy_shape.ts";

const CLUSTERS = 40;
const REQUESTS = 12;

/** A cluster of 2 to 4 devices, some of them slow, on links from a wire to a slow radio. */
function cluster(random: () => number): PlanInput {
  const within = (low: number, high: number) => low * (high / low) ** random();
  const layers = 4 + Math.floor(random() * 9);
  const devices = Array.from({ length: 2 + Math.floor(random() * 3) }, (_, i): Device => {
    const [row, more] = [within(0.0003, 0.004), within(0.1, 0.9)];
    const at = (rows: number, past: number) => row * (1 + more * (rows - 1)) * (1 + past / 8000);
    const axis = [1, 8, 64, 512];
    return {
      name: `n${i}`,
      memoryBytes: 8e9,
      overheadBytes: 50e6,
      layer: { rows: axis, past: [0, 2048], seconds: axis.map((r) => [at(r, 0), at(r, 2048)]) },
      embed: { rows: [1], past: [0], seconds: [[row / 50]] },
      head: { rows: [1, 8], past: [0], seconds: [[2 * row], [5 * row]] },
      frameSeconds: within(0.0002, 0.003),
      trusted: true,
    };
  });
  const [latency, rate] = [within(0.0001, 0.02), within(1e6, 125e6)];
  const matrix = (off: number, same: number) =>
    devices.map((_, i) => devices.map((_, j) => i === j ? same : off));
  return {
    model: toyShape(layers, {
      vocab: 32000,
      context: 512,
      layerBytes: new Array<number>(layers).fill(10e6),
    }),
    devices,
    links: { seconds: matrix(latency, 0), bytesPerS: matrix(rate, Infinity) },
    workload: { promptTokens: 256, outputTokens: 32, branches: 8, concurrent: 1 },
    objective: "blended",
    constraints: { pin: [], exclude: [], memory: [], trustedEnds: false, minPieceRows: 32 },
    coordinator: "n0",
    decode: { route: "one" },
  };
}

/** The plan with the whole model on one device: prompts in pieces of 64 rows, lanes in one frame. */
const alone = (made: Plan, layers: number): Plan => ({
  ...made,
  stages: [{ ...made.stages[0], host: made.solo!.host!, first_layer: 0, last_layer: layers - 1 }],
  piece_buckets: [{ prompt_tokens: 4096, rows: [64], ttft_s: 0 }],
  branches: { ...made.branches, rows_per_frame: 8 },
});

Deno.test("quickerRoute() picks a route within 5 % of the quicker one, in the simulator", () => {
  const random = seededRandom(2026);
  const losses: number[] = [];
  const taken = { one: 0, pipeline: 0 };
  for (let c = 0; c < CLUSTERS; c++) {
    const input = cluster(random);
    const made = plan(input);
    if (made.stages.length === 1) continue;
    const { figures } = made.solo!;
    const shared = made.stages.some((s) => s.host === made.solo!.host);
    for (let r = 0; r < REQUESTS; r++) {
      const prompt = Math.round(8 * 50 ** random());
      const branches = random() < 0.5 ? 1 : 2 + Math.floor(random() * 7);
      const tokens = branches * Math.round(4 * 60 ** random());
      const finish = (plan: Plan) => {
        // An arbiter sends this many frames, and spreads lanes over them as is best.
        const window = 2 * plan.stages.length + 1;
        const cap = plan.branches.rows_per_frame;
        const spread = [1, 2, plan.stages.length].map((n) =>
          Math.min(cap, Math.ceil(branches / n))
        );
        return Math.min(...[...new Set(spread)].map((rows_per_frame) => {
          const policy = { window, rows_per_frame };
          const options = { prompt, tokens, branches };
          return simulatePlan({ plan, input, options, policy }).requests[0].finish_s;
        }));
      };
      const times = { one: finish(alone(made, input.model.layers)), pipeline: finish(made) };
      const situation = { figures: figures!, stages: made.stages.length, shared };
      const { route } = quickerRoute(
        {
          prompt,
          tokens,
          lanes: branches,
          ...(branches > 1 ? { kind: "outline", outline: 6 * branches } : { kind: "plain" }),
        },
        situation as Parameters<typeof quickerRoute>[1],
      );
      taken[route]++;
      losses.push(times[route] / Math.min(times.one, times.pipeline) - 1);
    }
  }
  const bad = losses.filter((l) => l > 0.05);
  assert.ok(Math.min(taken.one, taken.pipeline) > 20, JSON.stringify(taken));
  assert.deepEqual(bad, [], `of ${losses.length}; worst ${Math.max(...losses)}`);
});
