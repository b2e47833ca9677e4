import assert from "node:assert/strict";
import fc from "fast-check";
import { OrreryError } from "../actors/mod.ts";
import { CostModel } from "./cost/mod.ts";
import { rounded } from "./numbers.ts";
import { plan } from "./plan.ts";
import { bruteForce } from "../tests/support/brute_force.ts";
import { LAYER, toyShape } from "../tests/support/toy_shape.ts";
import { kvNeedOf, kvRowsOf } from "./kv_bytes.ts";
import { decodePast, problemsOf } from "./problem_of.ts";
import { pipelineCosts } from "./decode/mod.ts";
import type { Constraints, Device, Plan, PlanInput } from "./types.ts";

const KV = 1000;
const FREE: Constraints = {
  pin: [],
  exclude: [],
  memory: [],
  trustedEnds: false,
  minPieceRows: 16,
};

/**
 * A device that takes `seconds` for a layer of one row and a quarter of it for each further row.
 */
function deviceOf(name: string, seconds: number, more: Partial<Device> = {}): Device {
  const at = (rows: number) => seconds * (0.75 + 0.25 * rows);
  return {
    name,
    memoryBytes: 4e9,
    overheadBytes: 50e6,
    layer: {
      rows: [1, 64, 512],
      past: [0, 1024],
      seconds: [1, 64, 512].map((r) => [at(r), 1.2 * at(r)]),
    },
    embed: { rows: [1], past: [0], seconds: [[seconds / 20]] },
    head: { rows: [1], past: [0], seconds: [[seconds / 4]] },
    frameSeconds: 0.0002,
    trusted: true,
    ...more,
  };
}

function inputOf(devices: Device[], more: Partial<PlanInput> = {}): PlanInput {
  const matrix = (other: number, self: number) =>
    devices.map((_, i) => devices.map((_, j) => i === j ? self : other));
  return {
    model: toyShape(8),
    devices,
    links: { seconds: matrix(0.001, 0), bytesPerS: matrix(12.5e6, Infinity) },
    workload: { promptTokens: 128, outputTokens: 32, branches: 1, concurrent: 1 },
    objective: "blended",
    constraints: FREE,
    ...more,
  };
}

const slow = deviceOf("slow", 0.004);
const fast = deviceOf("fast", 0.002);

/** A random cluster with constraints, some of which cannot be met. */
const clusters = fc.record({
  layers: fc.integer({ min: 1, max: 8 }),
  devices: fc.array(
    fc.record({
      seconds: fc.integer({ min: 1, max: 9 }),
      memory: fc.integer({ min: 3, max: 9 }),
      trusted: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  latency: fc.constantFrom(0.0001, 0.002, 0.02),
  rate: fc.constantFrom(1e5, 1e7, 1e9),
  objective: fc.constantFrom<PlanInput["objective"]>("latency", "throughput", "blended"),
  pin: fc.option(
    fc.record({ host: fc.nat(3), first: fc.nat(7), count: fc.integer({ min: 1, max: 3 }) }),
    {
      nil: undefined,
      freq: 2,
    },
  ),
  exclude: fc.option(fc.nat(3), { nil: undefined, freq: 2 }),
  cap: fc.option(fc.record({ host: fc.nat(3), layers: fc.integer({ min: 0, max: 6 }) }), {
    nil: undefined,
    freq: 2,
  }),
  trustedEnds: fc.boolean(),
}).map((c): PlanInput => {
  const devices = c.devices.map((d, i) =>
    deviceOf(`d${i}`, d.seconds / 1000, {
      memoryBytes: (d.memory + 0.8) * LAYER,
      trusted: d.trusted,
    })
  );
  const here = (i: number) => devices[i % devices.length].name;
  const first = c.pin ? Math.min(c.pin.first, c.layers - 1) : 0;
  const input = inputOf(devices, {
    model: toyShape(c.layers),
    objective: c.objective,
    constraints: {
      pin: c.pin
        ? [{ host: here(c.pin.host), first, last: Math.min(c.layers - 1, first + c.pin.count - 1) }]
        : [],
      exclude: c.exclude === undefined ? [] : [here(c.exclude)],
      memory: c.cap ? [{ host: here(c.cap.host), bytes: (c.cap.layers + 0.8) * LAYER }] : [],
      trustedEnds: c.trustedEnds,
      minPieceRows: 16,
    },
  });
  const matrix = (other: number, self: number) =>
    devices.map((_, i) => devices.map((_, j) => i === j ? self : other));
  return {
    ...input,
    links: { seconds: matrix(c.latency, 0), bytesPerS: matrix(c.rate, Infinity) },
  };
});

function planned(input: PlanInput): Plan | undefined {
  try {
    return plan(input);
  } catch (error) {
    assert.ok(error instanceof OrreryError && error.code === "infeasible", String(error));
    return undefined;
  }
}

Deno.test("plan() respects pins, exclusions, memory and trusted ends, and covers every layer once", () => {
  let feasible = 0;
  fc.assert(
    fc.property(clusters, (input) => {
      const found = planned(input);
      if (!found) return;
      feasible++;
      const { constraints, devices, model } = input;
      const device = (host: string) => devices.find((d) => d.name === host)!;
      let next = 0;
      for (const stage of found.stages) {
        assert.equal(stage.first_layer, next);
        assert.ok(stage.last_layer >= stage.first_layer);
        next = stage.last_layer + 1;
        const { memoryBytes, overheadBytes } = device(stage.host);
        const caps = constraints.memory.filter((m) => m.host === stage.host).map((m) => m.bytes);
        assert.ok(
          stage.weight_bytes + stage.kv_bytes + overheadBytes <= Math.min(memoryBytes, ...caps) + 1,
        );
        assert.ok(!constraints.exclude.includes(stage.host));
      }
      assert.equal(next, model.layers);
      assert.ok(found.gap >= 0 && found.lower_bound <= found.objective_s);
      for (const { host, first, last } of constraints.pin) {
        const stage = found.stages.find((s) => s.host === host);
        assert.ok(stage && stage.first_layer <= first && stage.last_layer >= last);
      }
      assert.ok(!constraints.exclude.includes(found.coordinator));
      if (!constraints.trustedEnds) return;
      for (const host of [found.stages[0].host, found.stages.at(-1)!.host, found.coordinator]) {
        assert.ok(device(host).trusted);
      }
    }),
    { numRuns: 80 },
  );
  assert.ok(feasible > 15, `${feasible} of the inputs had a plan`);
});

Deno.test("plan() explains every device once, as a stage or as idle, and every layer has a backup entry", () => {
  fc.assert(
    fc.property(clusters, (input) => {
      const found = planned(input);
      if (!found) return;
      const named = [...found.stages, ...found.idle].map((d) => d.host).sort();
      assert.deepEqual(named, input.devices.map((d) => d.name).sort());
      for (const { why } of [...found.stages, ...found.idle]) {
        assert.match(why, /^(layers? \d|idle: )/);
      }
      const covered = found.backups.flatMap((b) =>
        Array.from({ length: b.last_layer - b.first_layer + 1 }, (_, i) => b.first_layer + i)
      );
      assert.deepEqual(covered, Array.from({ length: input.model.layers }, (_, i) => i));
      for (const backup of found.backups) {
        const own = found.stages.find((s) =>
          s.first_layer <= backup.first_layer && backup.last_layer <= s.last_layer
        );
        assert.ok(own && own.host !== backup.host);
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("plan() gives the same bytes for the same input, and all of them are rounded", () => {
  fc.assert(
    fc.property(clusters, (input) => {
      const found = planned(input);
      if (!found) return;
      assert.equal(JSON.stringify(found), JSON.stringify(plan(structuredClone(input))));
      assert.deepEqual(found, rounded(found));
    }),
    { numRuns: 15 },
  );
});

Deno.test("plan() is never worse than the best single device that could serve", () => {
  let compared = 0;
  fc.assert(
    fc.property(clusters, (input) => {
      const free = { ...input, constraints: FREE };
      const found = planned(free);
      if (!found) return;
      const alone = input.devices.map((device) => {
        const others = input.devices.filter((d) => d !== device).map((d) => d.name);
        return planned({ ...free, constraints: { ...FREE, exclude: others } });
      }).filter((p) => p !== undefined);
      for (const single of alone) {
        compared++;
        const request = (p: Plan) =>
          p.predicted.ttft_s + (input.workload.outputTokens - 1) * p.predicted.tpot_s;
        const [ours, its] = input.objective === "blended"
          ? [request(found), request(single)]
          : [found.objective_s, single.objective_s];
        assert.ok(ours <= its * 1.0001, `${ours} against ${its} on ${single.stages[0].host} alone`);
      }
    }),
    { numRuns: 30 },
  );
  assert.ok(compared > 10);
});

Deno.test("plan() predicts the times that the cost model gives for its placement", () => {
  const input = inputOf([slow, fast], {
    constraints: { ...FREE, pin: [{ host: "slow", first: 0, last: 2 }] },
    wire: "f16",
  });
  const found = plan(input);
  assert.deepEqual(found.stages.map((s) => [s.host, s.first_layer, s.last_layer]), [
    ["slow", 0, 2],
    [
      "fast",
      3,
      7,
    ],
  ]);
  const cost = new CostModel({ ...input, wire: "f16" });
  const stages = [{ device: 0, first: 0, last: 2 }, { device: 1, first: 3, last: 7 }];
  const coordinator = found.coordinator === "slow" ? 0 : 1;
  const frames = pipelineCosts({ cost, stages, coordinator, past: decodePast(input.workload) });
  assert.equal(found.predicted.tpot_s, rounded(frames.latency(1)));
  assert.equal(found.kv_rows, kvRowsOf(input.workload));
  assert.equal(found.pieces.reduce((a, b) => a + b, 0), input.workload.promptTokens);
  assert.deepEqual(found.piece_buckets.find((b) => b.prompt_tokens === 128)?.rows, found.pieces);
  assert.equal(found.stages[0].kv_bytes, 3 * KV * found.kv_rows);
});

Deno.test("plan() leaves a device idle that would slow it down, and says by how much", () => {
  const found = plan(inputOf([fast, deviceOf("snail", 0.5)], { objective: "latency" }));
  assert.deepEqual(found.stages.map((s) => s.host), ["fast"]);
  assert.match(
    found.idle[0].why,
    /^idle: with it \(layer \d\) a decode step takes \d+ ms instead of \d+\.\d ms$/,
  );
  assert.equal(found.gap, 0);
});

Deno.test("plan() says which device lacks how many bytes, when the model does not fit", () => {
  const small = [
    deviceOf("a", 0.001, { memoryBytes: 3 * LAYER }),
    deviceOf("b", 0.001, { memoryBytes: 2 * LAYER }),
  ];
  assert.throws(() => plan(inputOf(small)), (error) => {
    assert.ok(error instanceof OrreryError);
    assert.deepEqual([error.group, error.code], ["planner", "infeasible"]);
    const lacking = error.metadata.lacking as { host: string; bytes: number }[];
    const need = 8 * (LAYER + 160 * KV) + 40e6 + 2 * 50e6;
    assert.equal(lacking.reduce((sum, l) => sum + l.bytes, 0), need - 5 * LAYER);
    for (const { host, bytes } of lacking) {
      assert.ok(error.message.includes(`${host} lacks ${bytes} bytes`));
    }
    return true;
  });
});

Deno.test("plan() refuses constraints that no device can meet, and names them", () => {
  const refuse = (more: Partial<PlanInput>, message: RegExp) =>
    assert.throws(() => plan(inputOf([slow, fast], more)), (error) => {
      assert.ok(error instanceof OrreryError && error.group === "planner", String(error));
      assert.match(error.message, message);
      return true;
    });
  refuse({ constraints: { ...FREE, exclude: ["slow", "fast"] } }, /every device is excluded/);
  refuse(
    { constraints: { ...FREE, exclude: ["nobody"] } },
    /exclude names nobody, which is not among the 2 devices; known are slow, fast/,
  );
  refuse(
    { constraints: { ...FREE, pin: [{ host: "slow", first: 7, last: 8 }] } },
    /layers 7-8 are pinned to slow.*has layers 0-7/,
  );
  refuse(
    { coordinator: "slow", constraints: { ...FREE, exclude: ["slow"] } },
    /slow is to coordinate, but it is excluded/,
  );
});

Deno.test("plan() sends int8 over slow links and f16 over others", () => {
  const wire = (rate: number) => {
    const small = [slow, fast].map((d) => ({ ...d, memoryBytes: 6 * LAYER }));
    const input = inputOf(small);
    return plan({
      ...input,
      links: { ...input.links, bytesPerS: [[Infinity, rate], [rate, Infinity]] },
    }).wire
      .format;
  };
  assert.equal(wire(2e5), "int8");
  assert.equal(wire(1e9), "f16");
  assert.equal(plan(inputOf([slow, fast], { wire: "f32" })).wire.format, "f32");
});

Deno.test("plan() puts the drafter on a trusted device that is near and has the memory", () => {
  const workload = {
    promptTokens: 128,
    outputTokens: 32,
    branches: 1,
    concurrent: 1,
    acceptance: 0.8,
  };
  const draft = { name: "small", bytes: 200e6, secondsPerToken: [0.002, 0.0005] };
  const near = plan(inputOf([slow, fast], { workload, draft }));
  assert.deepEqual([near.draft.source, near.draft.host], ["model", "fast"]);
  assert.ok(near.draft.length > 0);
  assert.ok(
    near.predicted.tokens_per_s > plan(inputOf([slow, fast], { draft })).predicted.tokens_per_s,
  );
  const roomy = inputOf([slow, { ...fast, memoryBytes: 2 * 9 * LAYER }], {
    workload,
    objective: "latency",
  });
  assert.equal(plan(roomy).backups[0].host, "slow");
  const tight = [{ ...slow, memoryBytes: 9 * LAYER }, fast];
  const beside = (bytes: number) =>
    plan(
      inputOf(tight, {
        workload,
        draft: { ...draft, bytes },
        decode: { draftHost: "slow" },
        objective: "latency",
      }),
    );
  assert.equal(beside(1e6).backups[0].host, "slow");
  assert.equal(beside(300e6).backups.at(-1)!.host, null); // the drafter takes what the backup would need
  const distrusted = inputOf([slow, { ...fast, trusted: false }], {
    workload,
    draft,
    constraints: { ...FREE, trustedEnds: true },
  });
  assert.equal(plan(distrusted).draft.host, "slow");
  const full = inputOf([slow, fast], { workload, draft: { ...draft, bytes: 100e9 } });
  assert.deepEqual([plan(full).draft.source, plan(full).draft.host], ["ngram", null]);
  assert.match(plan(full).draft.why, /no host has 100 GB left for small/);
  assert.throws(
    () => plan({ ...full, decode: { draftHost: "slow" } }),
    /drafter small does not fit on slow: it lacks \d+ bytes/,
  );
  assert.equal(
    plan(inputOf([slow, fast], { workload, draft, decode: { drafter: "none" } })).draft.source,
    "none",
  );
  assert.equal(plan(inputOf([slow, fast], { draft })).draft.source, "none");
});

Deno.test("plan() names the memory wall, what it costs, and what more hardware would give", () => {
  const found = plan(
    inputOf([{ ...fast, memoryBytes: 5 * LAYER }, slow], { objective: "latency" }),
  );
  assert.equal(found.stages.length, 2);
  assert.match(
    found.binding[0],
    /^memory of the devices: without it a decode step takes [\d.]+ ms instead of [\d.]+ ms$/,
  );
  const changes = Object.fromEntries(found.what_if.map((w) => [w.change, w]));
  assert.ok(changes["one more device like fast"].tpot_s < found.predicted.tpot_s);
  assert.ok(changes["twice the memory everywhere"].tpot_s < found.predicted.tpot_s);
  assert.equal(changes["without slow"], undefined); // fast alone does not hold it
});

Deno.test("plan() spreads a request with branches over devices that would only delay a plain one", () => {
  const devices = [fast, { ...deviceOf("twin", 0.0022) }];
  const stages = (branches: number) =>
    plan(
      inputOf(devices, {
        workload: { promptTokens: 16, outputTokens: 256, branches, concurrent: 1 },
      }),
    )
      .stages.length;
  assert.deepEqual([stages(1), stages(16)], [1, 2]);
});

Deno.test("plan() finds the same latency as trying every placement at every coordinator", () => {
  fc.assert(
    fc.property(clusters, (cluster) => {
      const input: PlanInput = {
        ...cluster,
        objective: "latency",
        wire: "f16",
        decode: { headShares: 1 },
      };
      const found = planned(input);
      const { constraints, workload, model, links } = input;
      const devices = input.devices.map((device) => {
        const caps = constraints.memory.filter((m) => m.host === device.name).map((m) => m.bytes);
        return { ...device, memoryBytes: Math.min(device.memoryBytes, ...caps) };
      });
      const cost = new CostModel({ model, devices, links, wire: "f16" });
      const best = Math.min(...devices.flatMap((device, coordinator) => {
        if (
          constraints.exclude.includes(device.name) || (constraints.trustedEnds && !device.trusted)
        ) {
          return [];
        }
        const kvRows = kvNeedOf(workload, model);
        const setting = { objective: input.objective, workload, constraints, kvRows };
        const lanes = { frames: 1, rows: 1, tokens: 1 };
        const [problem] = problemsOf(cost, { ...setting, pieces: 1, lanes }, [coordinator]);
        return [bruteForce(problem).value];
      }));
      assert.equal(found === undefined, best === Infinity);
      if (!found) return;
      assert.ok(
        Math.abs(found.objective_s - best) <= 1e-5 * best,
        `${found.objective_s} against ${best}`,
      );
      assert.ok(found.gap < 1e-6, `gap ${found.gap}`);
    }),
    { numRuns: 40 },
  );
});

Deno.test("plan() plans models of up to 2^20 rows of context on two devices", () => {
  for (const context of [40_960, 131_072, 1_048_576]) {
    const halves = {
      ...FREE,
      pin: [{ host: "fast", first: 0, last: 3 }, { host: "slow", first: 4, last: 7 }],
    };
    const input = inputOf([fast, slow], {
      model: { ...toyShape(8), context },
      constraints: halves,
    });
    const found = plan(input);
    assert.deepEqual(found.stages.map((s) => s.host), ["fast", "slow"]);
    const longest = found.piece_buckets.at(-1)!;
    assert.equal(longest.prompt_tokens, context);
    let before = 0;
    for (const { prompt_tokens, rows, ttft_s } of found.piece_buckets) {
      assert.equal(rows.reduce((a, b) => a + b, 0), prompt_tokens);
      assert.ok(rows.every((n) => n >= 16 && n <= 512), `${prompt_tokens}: ${[...new Set(rows)]}`);
      assert.ok(
        ttft_s > before,
        `${prompt_tokens} rows take ${ttft_s} s, a shorter prompt ${before} s`,
      );
      before = ttft_s;
    }
    // The plan travels to every node: tens of kilobytes at the most.
    const bytes = JSON.stringify(found).length;
    assert.ok(bytes < 100_000, `${bytes} bytes`);
    assert.ok(found.gap >= 0 && found.gap < 0.05, String(found.gap));
  }
});

Deno.test("plan() plans a prompt that fills a context of 131,072 rows", () => {
  const workload = { promptTokens: 131_000, outputTokens: 32, branches: 1, concurrent: 1 };
  const found = plan(
    inputOf([fast, slow], { model: { ...toyShape(8), context: 131_072 }, workload }),
  );
  assert.equal(found.pieces.reduce((a, b) => a + b, 0), 131_000);
  assert.deepEqual(
    found.piece_buckets.find((b) => b.prompt_tokens === 131_000)?.rows,
    found.pieces,
  );
  assert.ok(found.predicted.ttft_s > 131_000 * 0.25 * 0.002);
});
