import assert from "node:assert/strict";
import { annotated } from "./annotated.ts";
import type { Plan, PlanStage } from "./types.ts";

const STAGE: PlanStage = {
  host: "a",
  first_layer: 0,
  last_layer: 3,
  weight_bytes: 1,
  kv_bytes: 1,
  seconds_per_row: 1,
  why: "the fastest",
};
const PLAN: Plan = {
  model: "m",
  objective: "latency",
  coordinator: "a",
  stages: [STAGE, { ...STAGE, host: "b", first_layer: 4, last_layer: 7 }],
  pieces: [16],
  piece_buckets: [],
  draft: { source: "none", host: null, length: 0, tree: [], why: "" },
  branches: { in_flight: 1, rows_per_frame: 1, why: "" },
  wire: { format: "f32", why: "as asked" },
  kv_rows: 16,
  backups: [],
  idle: [],
  predicted: { ttft_s: 1, tpot_s: 1, tokens_per_s: 1 },
  bottleneck: { kind: "stage", what: "a", seconds: 1, why: "" },
  reckoned: { pieces: 1, frames: 1, rows: 1, tokens: 1 },
  objective_s: 1,
  lower_bound: 1,
  gap: 0,
  binding: ["memory"],
  what_if: [],
};

Deno.test("annotated() returns a new plan with the facts, and keeps the old one as it was", () => {
  const before = structuredClone(PLAN);
  const facts = { stageWhy: "serves already", wireWhy: "the weights are f32", binding: ["pins"] };
  const changed = annotated(PLAN, facts);
  assert.deepEqual(PLAN, before);
  assert.deepEqual(changed, {
    ...before,
    stages: before.stages.map((stage) => ({ ...stage, why: "serves already" })),
    wire: { format: "f32", why: "the weights are f32" },
    binding: ["memory", "pins"],
  });
});

Deno.test("annotated() changes nothing, when there are no facts", () => {
  assert.deepEqual(annotated(PLAN, {}), PLAN);
});
