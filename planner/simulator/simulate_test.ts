import assert from "node:assert/strict";
import fc from "fast-check";
import { type FrameCosts, uniformCosts } from "./costs.ts";
import type { FramePolicy, PlanSimulationOptions } from "./options.ts";
import { simulate, type SimulationInput } from "./simulate.ts";
import type { TraceSpan } from "./trace.ts";

function close(actual: number, expected: number): void {
  assert.ok(
    Math.abs(actual - expected) <= 1e-9 * Math.max(1, expected),
    `${actual}, expected ${expected}`,
  );
}

/** Costs that count the rows that each stage computes. */
function counting(costs: FrameCosts): { costs: FrameCosts; rows: number[]; frames: number[] } {
  const rows = costs.hosts.map(() => 0);
  const frames = costs.hosts.map(() => 0);
  return {
    rows,
    frames,
    costs: {
      ...costs,
      stageSeconds(stage, frame) {
        rows[stage] += frame.rows;
        frames[stage]++;
        return costs.stageSeconds(stage, frame);
      },
    },
  };
}

function assertNothingOverlaps(trace: TraceSpan[]): void {
  const ends = new Map<string, number>();
  for (const { lane, start_s, end_s } of trace) {
    assert.ok(end_s >= start_s);
    if (lane.startsWith("request ")) continue;
    assert.ok(start_s >= (ends.get(lane) ?? 0) - 1e-12, `${lane} does two things at ${start_s}`);
    ends.set(lane, end_s);
  }
}

Deno.test("simulate() computes prompt and tokens one after the other, with one stage", () => {
  const result = simulate({
    costs: uniformCosts(1, { seconds: 1, row_seconds: 0.5 }),
    policy: { pieces: [10] },
    options: { prompt: 10, tokens: 5 },
  });
  const [request] = result.requests;
  close(request.ttft_s, 6);
  close(request.tpot_s, 1.5);
  close(request.finish_s, 12);
  close(request.tokens_per_s, 5 / 12);
  close(result.bubble_share, 0);
  assert.equal(result.frames, 5);
});

Deno.test("simulate() takes (k + N - 1) stage times and the hops, for k pieces through N equal stages", () => {
  for (const [stages, k] of [[1, 1], [2, 5], [4, 3], [6, 8]]) {
    const hop = { latency_s: 0.01, bytes_per_s: 1000, row_bytes: 10 };
    const { requests } = simulate({
      costs: uniformCosts(stages, { seconds: 1, hop }),
      policy: { pieces: [4], window: stages + k },
      options: { prompt: 4 * k, tokens: 1 },
    });
    // the last piece waits for its transfer at each hop; the answer holds one token
    const hops = stages * (0.01 + 4 * 10 / 1000) + 0.01 + 10 / 1000;
    close(requests[0].finish_s, (k + stages - 1) * 1 + hops);
  }
});

Deno.test("simulate() is bound by the slowest link, when it is slower than the stages", () => {
  const hop = { latency_s: 0, bytes_per_s: 10, row_bytes: 10 };
  const { requests } = simulate({
    costs: uniformCosts(2, { seconds: 1, hop }),
    policy: { pieces: [3], window: 99 },
    options: { prompt: 15, tokens: 1 },
  });
  // 5 transfers of 3 s each to the first stage, then 1 + 3 + 1 for the last piece, and 1 s for its
  // token
  close(requests[0].ttft_s, 15 + 1 + 3 + 1 + 1);
});

Deno.test("simulate() takes the sum of frames over a growing past, for one stream", () => {
  const costs: FrameCosts = {
    ...uniformCosts(3, { seconds: 0 }),
    stageSeconds: (stage, { past, rows }) => (stage + 1) * rows * (1 + past / 100),
  };
  const { requests } = simulate({
    costs,
    policy: { pieces: [20] },
    options: { prompt: 20, tokens: 11 },
  });
  let expected = 6 * 20;
  for (let t = 0; t < 10; t++) expected += 6 * (1 + (20 + t) / 100);
  close(requests[0].finish_s, expected);
});

Deno.test("simulate() is bound by the slowest stage, with many lanes", () => {
  const costs: FrameCosts = {
    ...uniformCosts(4, { seconds: 0 }),
    stageSeconds: (stage) => stage === 2 ? 2 : 1,
  };
  const result = simulate({
    costs,
    policy: { pieces: [8], in_flight: 8, window: 8 },
    options: { prompt: 8, tokens: 800, branches: 8, outline: { tokens: 8 } },
  });
  const slowest = result.stages.find((s) => s.lane.startsWith("stage 2"))!;
  assert.ok(slowest.utilisation > 0.95, `${slowest.utilisation}`);
  const decode_s = result.requests[0].finish_s - result.requests[0].ttft_s;
  assert.ok(Math.abs(decode_s / (800 * 2) - 1) < 0.05, `${decode_s}`);
});

Deno.test("simulate() lets ready lanes share a frame, up to the plan's rows", () => {
  const run = (rows_per_frame: number) =>
    simulate({
      costs: uniformCosts(2, { seconds: 1 }),
      policy: { pieces: [8], in_flight: 8, rows_per_frame },
      options: { prompt: 8, tokens: 160, branches: 8, outline: { tokens: 8 } },
    });
  assert.equal(run(1).rows_per_frame, 1);
  const four = run(4);
  assert.ok(four.rows_per_frame > 2.5 && four.rows_per_frame <= 4, `${four.rows_per_frame}`);
  assert.ok(four.end_s < run(1).end_s * 0.6);
});

Deno.test("simulate() gives (1 - a^(k+1)) / (1 - a) tokens a frame, for chains with expected acceptance", () => {
  const [a, k, tokens] = [0.7, 4, 3001];
  const result = simulate({
    costs: uniformCosts(3, { seconds: 1 }),
    policy: { pieces: [8], tree: new Array(k).fill(1) },
    options: { prompt: 8, tokens, acceptance: a },
  });
  const perFrame = (1 - a ** (k + 1)) / (1 - a);
  assert.ok(Math.abs(result.requests[0].tpot_s * perFrame / 3 - 1) < 0.005);
  assert.ok(Math.abs(result.wasted_row_share - (1 - perFrame / (k + 1))) < 0.01);
});

Deno.test("simulate() wastes rows with a drafter that is never right, and saves frames with one that always is", () => {
  const run = (acceptance: number, seed?: number) =>
    simulate({
      costs: uniformCosts(2, { seconds: 1 }),
      policy: { pieces: [8], tree: [1, 1, 1] },
      options: { prompt: 8, tokens: 41, acceptance, ...(seed !== undefined && { seed }) },
    });
  for (const seed of [undefined, 1, 2]) {
    close(run(0, seed).requests[0].tpot_s, 2);
    close(run(1, seed).requests[0].tpot_s, 2 / 4);
    assert.equal(run(1, seed).wasted_row_share, 0);
  }
});

Deno.test("simulate() accepts by the seed, the same each time, and on average as expected", () => {
  const run = (seed?: number) =>
    simulate({
      costs: uniformCosts(2, { seconds: 1 }),
      policy: { pieces: [8], tree: [1, 1] },
      options: { prompt: 8, tokens: 500, acceptance: 0.6, ...(seed !== undefined && { seed }) },
    });
  assert.deepEqual(run(7), run(7));
  assert.notEqual(run(7).end_s, run(8).end_s);
  const mean = Array.from({ length: 20 }, (_, seed) => run(seed).end_s).reduce((x, y) => x + y) /
    20;
  assert.ok(Math.abs(mean / run().end_s - 1) < 0.03);
});

Deno.test("simulate() counts the drafter's time, and the stage's too, when they share a host", () => {
  const run = (host: string) =>
    simulate({
      costs: uniformCosts(2, {
        seconds: 1,
        draft: { host, seconds: (n) => n * 0.25, reach_s: 0.1 },
      }),
      policy: { pieces: [8], tree: [1, 1], model_drafter: true },
      options: { prompt: 8, tokens: 31, acceptance: 1 },
    });
  const own = run("elsewhere");
  // 3 tokens a frame: there and back to the drafter, two tokens, two stages
  close(own.requests[0].tpot_s, (0.2 + 0.5 + 2) / 3);
  assert.ok(own.drafter > 0);
  close(run("host0").requests[0].tpot_s, own.requests[0].tpot_s);
});

Deno.test("simulate() fills the pipeline by continuous drafting, and drops stale frames before later stages compute them", () => {
  const input = (ahead: number, acceptance: number): SimulationInput => ({
    costs: uniformCosts(4, {
      seconds: 1,
      draft: { host: "elsewhere", seconds: (n) => n * 0.05, reach_s: 0 },
    }),
    policy: { pieces: [8], tree: [1], model_drafter: true, ahead },
    options: { prompt: 8, tokens: 201, acceptance },
  });
  const [waiting, going] = [simulate(input(0, 1)), simulate(input(3, 1))];
  assert.ok(going.end_s < waiting.end_s * 0.3, `${going.end_s} of ${waiting.end_s}`);
  assert.equal(going.cancelled_frames, 0);

  const counted = counting(input(3, 0).costs);
  const wrong = simulate({ ...input(3, 0), costs: counted.costs });
  assert.ok(wrong.cancelled_frames > 150, `${wrong.cancelled_frames}`);
  assert.ok(counted.frames[3] < counted.frames[0] * 0.6, `${counted.frames}`);
  // guesses that never come true cost a frame's wait at most
  assert.ok(wrong.end_s < simulate(input(0, 0)).end_s * 1.3);
});

Deno.test("simulate() slows what crosses a link, from the event on that slows it down", () => {
  const hop = { latency_s: 0, bytes_per_s: 10, row_bytes: 1 };
  const input: SimulationInput = {
    costs: uniformCosts(2, { seconds: 1, hop }),
    policy: { pieces: [10] },
    options: { prompt: 10, tokens: 101 },
  };
  // 0.1 s a row and hop
  const token_s = 2 + 3 * 0.1;
  const before = simulate(input);
  close(before.requests[0].tpot_s, token_s);
  const half_s = before.requests[0].ttft_s + 50 * token_s;
  const after = simulate({
    ...input,
    events: [{
      kind: "link",
      at_s: half_s,
      from: "host0",
      to: "host1",
      bytes_per_s: 1,
      latency_s: 0.5,
    }],
  });
  close(after.end_s - before.end_s, 50 * (0.9 + 0.5));
});

Deno.test("simulate() pauses when a host dies, replays live rows and continues the answer", () => {
  const costs = uniformCosts(3, { seconds: 1, row_seconds: 0.01 });
  const input = (requests: { at: number }[]): SimulationInput => ({
    costs,
    policy: { pieces: [50] },
    options: { prompt: 100, tokens: 50, requests },
  });
  const plain = simulate(input([{ at: 0 }]));
  const dies = (host: string, at_s = 60.5): SimulationInput["events"] => [{
    kind: "death",
    at_s,
    host,
    detection_s: 2,
    load_s: 3,
    costs: { ...costs, hosts: costs.hosts.map((h) => h === host ? "spare" : h) },
    replaced: [costs.hosts.indexOf(host)],
  }];
  const hurt = simulate({ ...input([{ at: 0 }]), events: dies("host1") });
  assert.equal(hurt.requests[0].tokens, 50);
  const done = Math.floor((60.5 - plain.requests[0].ttft_s) / (3 * 1.01));
  const live = 100 + done;
  const replay = Math.ceil(live / 50) * 1 + live * 0.01;
  close(hurt.paused_s, 5 + replay);
  // the frame in flight is lost and sent again
  const lost = 60.5 - plain.requests[0].ttft_s - done * 3 * 1.01;
  close(hurt.end_s - plain.end_s, 5 + replay + lost);
  assert.ok(hurt.trace.some((s) => s.lane === "stage 1 · spare"));
  assert.ok(hurt.wasted_row_share > 0);
  // two deaths, the second during the recovery from the first, with several requests
  const worse = simulate({
    ...input([{ at: 0 }, { at: 10 }, { at: 63 }]),
    events: [...dies("host1")!, ...dies("host2", 64)!],
  });
  assert.deepEqual(worse.requests.map((r) => r.tokens), [50, 50, 50]);
  assertNothingOverlaps(worse.trace);
});

Deno.test("simulate() begins branches as soon as their points are there, with `early`", () => {
  const run = (early: boolean) =>
    simulate({
      costs: uniformCosts(4, { seconds: 1 }),
      policy: { pieces: [8], in_flight: 8 },
      options: { prompt: 8, tokens: 80, branches: 8, outline: { tokens: 40, early } },
    });
  assert.ok(run(true).end_s < run(false).end_s - 20);
});

Deno.test("simulate() refuses input that makes no sense", () => {
  const input = (policy: FramePolicy, options: PlanSimulationOptions): SimulationInput => ({
    costs: uniformCosts(2, { seconds: 1 }),
    policy,
    options,
  });
  const refused = (given: SimulationInput, code: string) =>
    assert.throws(() => simulate(given), (e: unknown) => (e as { code: string }).code === code);
  refused(input({ pieces: [] }, { prompt: 8, tokens: 8 }), "bad_simulation");
  refused(input({ pieces: [8] }, { prompt: 0, tokens: 8 }), "bad_simulation");
  refused(input({ pieces: [8] }, { prompt: 8, tokens: 8, acceptance: 1.1 }), "bad_simulation");
  refused(
    input({ pieces: [8] }, { prompt: 8, tokens: 20, branches: 4, outline: { counted: true } }),
    "bad_simulation",
  );
  const bad = input({ pieces: [8] }, { prompt: 8, tokens: 8 });
  refused({ ...bad, costs: { ...bad.costs, stageSeconds: () => NaN } }, "bad_simulation_time");
  const costs = bad.costs;
  refused(
    {
      ...bad,
      events: [{
        kind: "death",
        at_s: 1,
        host: "desk",
        detection_s: 1,
        load_s: 0,
        costs,
        replaced: [],
      }],
    },
    "coordinator_died",
  );
});

Deno.test("simulate() lets no host do two things at once, and computes each row once at each stage unless it is cancelled or lost", () => {
  const inputs = fc.record({
    stages: fc.integer({ min: 1, max: 4 }),
    prompt: fc.integer({ min: 1, max: 60 }),
    tokens: fc.integer({ min: 6, max: 40 }),
    branches: fc.integer({ min: 1, max: 5 }),
    piece: fc.integer({ min: 5, max: 40 }),
    tree: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 3 }),
    ahead: fc.integer({ min: 0, max: 3 }),
    rows_per_frame: fc.integer({ min: 1, max: 12 }),
    in_flight: fc.integer({ min: 1, max: 5 }),
    window: fc.integer({ min: 1, max: 6 }),
    acceptance: fc.double({ min: 0, max: 1, noNaN: true }),
    seed: fc.integer({ min: 0, max: 1000 }),
    at: fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { minLength: 1, maxLength: 3 }),
    drafter: fc.constantFrom("none", "host0", "elsewhere"),
    early: fc.boolean(),
    death: fc.option(fc.double({ min: 0, max: 60, noNaN: true })),
    seconds: fc.double({ min: 0.01, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(inputs, (g) => {
      const hop = { latency_s: 0.05, bytes_per_s: 100, row_bytes: 1 };
      const draft = { host: g.drafter, seconds: (n: number) => n * 0.1, reach_s: 0.02 };
      const costs = uniformCosts(g.stages, {
        seconds: g.seconds,
        row_seconds: 0.01,
        hop,
        ...(g.drafter !== "none" && { draft }),
      });
      const counted = counting(costs);
      const host = `host${g.stages - 1}`;
      const spare = { ...counted.costs, hosts: costs.hosts.map((h) => h === host ? "spare" : h) };
      const result = simulate({
        costs: counted.costs,
        policy: {
          pieces: [g.piece],
          tree: g.tree,
          ahead: g.ahead,
          rows_per_frame: g.rows_per_frame,
          in_flight: g.in_flight,
          window: g.window,
          model_drafter: g.drafter !== "none",
        },
        options: {
          prompt: g.prompt,
          tokens: g.tokens,
          branches: g.branches,
          acceptance: g.acceptance,
          seed: g.seed,
          outline: { tokens: 5, early: g.early, point_rows: 3 },
          requests: g.at.map((at) => ({ at })),
        },
        ...(g.death !== null && {
          events: [{
            kind: "death" as const,
            at_s: g.death,
            host,
            detection_s: 1,
            load_s: 0,
            costs: spare,
            replaced: [g.stages - 1],
          }],
        }),
      });
      assertNothingOverlaps(result.trace);
      for (const request of result.requests) {
        assert.equal(request.tokens, g.tokens);
        assert.ok(request.ttft_s > 0 && request.finish_s >= request.at_s + request.ttft_s);
      }
      for (const { utilisation } of [...result.stages, ...result.links]) {
        assert.ok(utilisation >= 0 && utilisation <= 1 + 1e-9);
      }
      for (const share of [result.bubble_share, result.wasted_row_share]) {
        assert.ok(share >= -1e-9 && share <= 1, `${share}`);
      }
      if (g.death !== null || g.tree.length > 0) return;
      // rows of prompts and points, and one row for each token that another one follows
      const lanes = g.branches === 1 ? 1 : 1 + g.branches;
      const extra = g.branches === 1 ? 0 : 5 + 3 * g.branches;
      const rows = g.at.length * (g.prompt + extra + g.tokens - lanes);
      assert.deepEqual(counted.rows, counted.rows.map(() => rows));
      assert.equal(result.wasted_row_share, 0);
    }),
    { numRuns: 300, seed: 4 },
  );
});
