import assert from "node:assert/strict";
import type { Device, ModelShape, Plan, PlanInput } from "../types.ts";
import { CostModel } from "../cost/mod.ts";
import { type PlanSimulation, policyOf, simulatePlan } from "./plan_costs.ts";

const MODEL: ModelShape = {
  name: "test",
  layers: 6,
  hidden: 100,
  vocab: 1000,
  context: 512,
  layerBytes: new Array<number>(6).fill(1000),
  embedBytes: 500,
  headBytes: 500,
  tied: false,
  kvBytesPerRow: 4,
  macsPerRow: 1000,
  macsPerPastRow: 10,
};

function device(name: string, slowness: number): Device {
  return {
    name,
    memoryBytes: 1e6,
    overheadBytes: 0,
    layer: { rows: [1, 2], past: [0], seconds: [[0.02 * slowness], [0.025 * slowness]] },
    embed: { rows: [1], past: [0], seconds: [[0.001 * slowness]] },
    head: { rows: [1], past: [0], seconds: [[0.01 * slowness]] },
    frameSeconds: 0.003,
    trusted: true,
  };
}

function fixture(): { plan: Plan; input: PlanSimulation["input"] } {
  const devices = [device("a", 1), device("b", 2), device("c", 1.5), device("d", 1)];
  const off = (value: number, diagonal: number) =>
    devices.map((_, i) => devices.map((_, j) => i === j ? diagonal : value));
  const stage = (host: string, first_layer: number, last_layer: number) => ({
    host,
    first_layer,
    last_layer,
    weight_bytes: 0,
    kv_bytes: 0,
    seconds_per_row: 0,
    why: "",
  });
  const links: PlanInput["links"] = { seconds: off(0.002, 0), bytesPerS: off(1e5, Infinity) };
  return {
    input: { model: MODEL, devices, links },
    plan: {
      model: "test",
      objective: "latency",
      coordinator: "a",
      stages: [stage("a", 0, 2), stage("b", 3, 5)],
      pieces: [20, 12],
      piece_buckets: [{ prompt_tokens: 32, rows: [20, 12], ttft_s: 1 }, {
        prompt_tokens: 512,
        rows: [64],
        ttft_s: 1,
      }],
      draft: { source: "none", host: null, length: 0, tree: [], why: "" },
      branches: { in_flight: 1, rows_per_frame: 1, why: "" },
      wire: { format: "f16", why: "" },
      kv_rows: 512,
      backups: [
        { first_layer: 0, last_layer: 2, host: "d", why: "" },
        { first_layer: 3, last_layer: 4, host: "c", why: "" },
        { first_layer: 5, last_layer: 5, host: "d", why: "" },
      ],
      idle: [],
      predicted: { ttft_s: 0, tpot_s: 0, tokens_per_s: 0 },
      bottleneck: { kind: "stage", what: "", seconds: 0, why: "" },
      reckoned: { pieces: 1, frames: 1, rows: 1, tokens: 1 },
      objective_s: 0,
      lower_bound: 0,
      gap: 0,
      binding: [],
      what_if: [],
    },
  };
}

const MODEL_DRAFT: Plan["draft"] = {
  source: "model",
  host: "c",
  length: 2,
  tree: [1, 1],
  why: "",
};

Deno.test("simulatePlan() takes the cost model's stages and hops for each token of a plain stream", () => {
  const { plan, input } = fixture();
  const cost = new CostModel(input);
  const { requests } = simulatePlan({ plan, input, options: { prompt: 32, tokens: 11 } });
  const frame = { rows: 1, past: 0, wanted: 1 };
  const token = cost.stageSeconds(0, { first: 0, last: 2 }, frame) +
    cost.stageSeconds(1, { first: 3, last: 5 }, frame) +
    cost.hopSeconds(0, 1, cost.hopBytes(1)) + cost.hopSeconds(1, 0, cost.answerBytes(1));
  assert.ok(
    Math.abs(requests[0].tpot_s - token) < 1e-9,
    `${requests[0].tpot_s}, expected ${token}`,
  );
});

Deno.test("policyOf() takes pieces from the first bucket that is not shorter than the prompt", () => {
  const { plan } = fixture();
  assert.deepEqual(policyOf(plan, 30).pieces, [20, 12]);
  assert.deepEqual(policyOf(plan, 33).pieces, [64]);
  assert.deepEqual(policyOf(plan, 9000).pieces, [20, 12]);
});

Deno.test("simulatePlan() drafts on the plan's host, in the draft model's time", () => {
  const { plan: plain, input } = fixture();
  const plan: Plan = { ...plain, draft: MODEL_DRAFT };
  const draft = { name: "small", bytes: 10, secondsPerToken: [1, 1, 0.004, 1] };
  const options = { prompt: 32, tokens: 60, acceptance: 0.8 };
  const result = simulatePlan({ plan, input: { ...input, draft }, options });
  const drafting = result.trace.filter((s) => s.lane === "drafter · c");
  assert.ok(drafting.length > 10);
  assert.ok(Math.abs(drafting[0].end_s - drafting[0].start_s - 0.008) < 1e-9);
  assert.ok(result.end_s < simulatePlan({ plan: fixture().plan, input, options }).end_s);
  // a head with a quarter of its tokens saves three quarters of its 2 ms
  const trimmed = { ...plan, draft: { ...MODEL_DRAFT, vocabulary: 25 } };
  const head = { vocab: 100, bytes: 8, seconds: [1, 1, 0.002, 1] };
  const sooner = simulatePlan({
    plan: trimmed,
    input: { ...input, draft: { ...draft, head } },
    options,
  });
  const [first] = sooner.trace.filter((s) => s.lane === "drafter · c");
  assert.ok(Math.abs(first.end_s - first.start_s - 0.005) < 1e-9);
});

Deno.test("simulatePlan() replaces a dead host by its layers' backups, which may cut its stage", () => {
  const { plan, input } = fixture();
  const options = { prompt: 32, tokens: 40 };
  const events = [{ kind: "death" as const, at_s: 2, host: "b", detection_s: 0.5 }];
  const result = simulatePlan({ plan, input, options, events });
  assert.equal(result.requests[0].tokens, 40);
  assert.ok(result.paused_s > 0.5);
  const lanes = result.stages.map((s) => s.lane);
  assert.deepEqual(lanes, ["stage 0 · a", "stage 1 · b", "stage 1 · c", "stage 2 · d"]);
  const late = result.trace.filter((s) => s.lane === "stage 1 · b" && s.end_s > 2);
  assert.deepEqual(late, []);
});

Deno.test("simulatePlan() is not changed by an idle host's death, and decodes plainly after the drafter's", () => {
  const { plan, input } = fixture();
  const options = { prompt: 32, tokens: 60, acceptance: 0.8 };
  const death = (host: string) => [{ kind: "death" as const, at_s: 2, host, detection_s: 0.5 }];
  const plain = simulatePlan({ plan, input, options });
  assert.equal(simulatePlan({ plan, input, options, events: death("c") }).end_s, plain.end_s);
  const drafted = {
    plan: { ...plan, draft: MODEL_DRAFT },
    input: { ...input, draft: { name: "small", bytes: 10, secondsPerToken: [1, 1, 0.01, 1] } },
    options,
  };
  for (let at_s = 0.5; at_s < 6; at_s += 0.07) {
    const hurt = simulatePlan({
      ...drafted,
      events: [{ kind: "death", at_s, host: "c", detection_s: 0.5 }],
    });
    assert.equal(hurt.requests[0].tokens, 60);
    assert.ok(hurt.end_s < plain.end_s + 0.6 && hurt.end_s >= simulatePlan(drafted).end_s - 1e-9);
    assert.deepEqual(hurt.trace.filter((s) => s.lane.startsWith("drafter") && s.end_s > at_s), []);
  }
});

Deno.test("simulatePlan() says what a plan cannot survive", () => {
  const { plan, input } = fixture();
  const options = { prompt: 32, tokens: 40 };
  const code = (name: string) => (e: unknown) => (e as { code: string }).code === name;
  const dies = (host: string, plan: Plan) => () =>
    simulatePlan({ plan, input, options, events: [{ kind: "death", at_s: 1, host }] });
  assert.throws(dies("a", plan), code("coordinator_died"));
  const backups = plan.backups.slice(0, 1);
  assert.throws(dies("b", { ...plan, backups }), code("no_backup"));
  const stages = plan.stages.with(1, { ...plan.stages[1], host: "nobody" });
  assert.throws(
    () => simulatePlan({ plan: { ...plan, backups, stages }, input, options }),
    code("unknown_host"),
  );
});
