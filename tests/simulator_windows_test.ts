/**
 * The planner's simulator beside the real arbiter, where requests with prompts come while others
 * decode: over several stages, prompts and lanes have a window of frames each.
 */
import assert from "node:assert/strict";
import { seededRandom } from "../actors/mod.ts";
import { simulate } from "../planner/simulator/mod.ts";
import { runArrivals } from "./support/arbiter_arrivals.ts";
import { msOf } from "./support/arbiter_queue.ts";

/** Milliseconds of a frame of the 0.5B shape by its rows, on one core (docs/performance.md). */
const WHOLE = { 1: 20, 2: 23, 4: 30, 8: 48, 16: 82, 64: 300 };
const [PROMPT, TOKENS, LINK_MS] = [128, 64, 1];

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

Deno.test("simulate() predicts first and further tokens of many requests as the arbiter gives them", () => {
  for (const stages of [2, 4]) {
    const table = Object.fromEntries(
      Object.entries(WHOLE).map(([rows, ms]) => [rows, ms / stages + 0.5]),
    );
    for (const requests of [8, 32]) {
      // all at once, or at random over a time in which about as many can be served
      for (const everyMs of [0, 200]) {
        const random = seededRandom(stages * 100 + requests);
        const arrivals = Array.from({ length: requests }, () => random() * everyMs * requests)
          .sort((a, b) => a - b);
        const real = runArrivals({
          table,
          stages,
          linkMs: LINK_MS,
          laneMs: 0.01,
          arrivals,
          prompt: PROMPT,
          tokens: TOKENS,
        });
        const predicted = simulate({
          costs: {
            hosts: Array.from({ length: stages }, (_, i) => `host${i}`),
            coordinator: "gateway",
            stageSeconds: (_, { rows }) => msOf(table, rows) / 1000,
            hop: () => ({ bytes: 0, latency_s: LINK_MS / 1000, bytes_per_s: Infinity }),
          },
          policy: { pieces: [64], rows_per_frame: requests / stages },
          options: {
            prompt: PROMPT,
            tokens: TOKENS,
            requests: arrivals.map((ms) => ({ at: ms / 1000 })),
          },
        }).requests;
        const what = `${requests} requests, ${stages} stages, one each ${everyMs} ms`;
        const first = mean(real.map((r) => r.first - r.arrived)) / 1000;
        const ratio = mean(predicted.map((p) => p.ttft_s)) / first;
        assert.ok(Math.abs(ratio - 1) < 0.06, `${what}: first token ${ratio.toFixed(2)} times`);
        const each = mean(real.map((r) => (r.last - r.first) / (TOKENS - 1))) / 1000;
        const paced = mean(predicted.map((p) => p.tpot_s)) / each;
        assert.ok(Math.abs(paced - 1) < 0.12, `${what}: further tokens ${paced.toFixed(2)} times`);
      }
    }
  }
});
