// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * Compares what the planner predicts with what is then measured: `deno task bench:reality [--quick]
 * [--repeats 3] [--fleet 1,2,4,4-slow,mixed] [--period US] [--emulation PATH] [--data DIR] [--json FILE]`.
 *
 * In each fleet of emulated devices every node measures itself anew, and the planner places the
 * layers for a prompt length. The predictions of the plan that the first node serves (`GET
 * /api/plan`) are compared with requests to the same nodes in the same minutes: time to the first
 * token, and time per token of a plain stream. The ratio is measured / predicted.
 *
 * The model has random weights of a 0.5B model's shape. Needs Linux, root and `edge-emulation.sh`.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type FrameTrace, seededRandom } from "../../actors/mod.ts";
import type { Plan } from "../../planner/mod.ts";
import { freshDeviceData } from "./edge/device_data.ts";
import { Emulation } from "./edge/emulation.ts";
import { Fleet } from "./edge/fleet.ts";
import { HALF_BILLION, prepareRandomModel } from "./edge/models.ts";
import {
  EDGE_OPTIONS,
  type FleetShape,
  orUsage,
  periodOf,
  randomPrompt,
  repeatsOf,
  requireEmulation,
} from "./edge/options.ts";
import { type Comparison, comparisonTable } from "./edge/reality.ts";
import { describeMachine, medianOf } from "./shared/figures.ts";

const { values: args } = parseArgs({
  options: {
    ...EDGE_OPTIONS,
    /** File into which every comparison is written as JSON. @default none */
    json: { type: "string" },
  },
});

const equal = (devices: number, mbit: number): FleetShape => ({
  name: `${devices} x 0.45 core, ${mbit} Mbit/s`,
  cores: new Array<number>(devices).fill(0.45),
  mbit,
});
/** Fleets by the names that `--fleet` takes. */
const FLEETS: Record<string, FleetShape> = {
  "1": equal(1, 1000),
  "2": equal(2, 1000),
  "4": equal(4, 1000),
  "4-slow": equal(4, 100),
  mixed: {
    name: "0.6 / 0.6 / 0.3 / 0.3 core, 1000 Mbit/s",
    cores: [0.6, 0.6, 0.3, 0.3],
    mbit: 1000,
  },
};
/** Lengths in tokens of the prompts whose first token is timed. */
const PROMPTS = [128, 512, 1024];
/** Length of the prompt after which a plain answer is timed, and the tokens of the answer. */
const STREAM = { prompt: 512, tokens: 65 };
/**
 * Longest wait for a plan, in milliseconds: a node that is alone measures itself after it has begun
 * to serve.
 */
const PLAN_MS = 180_000;

const random = seededRandom(11);
const repeats = orUsage(() => repeatsOf(args));
const periodUs = orUsage(() => periodOf(args.period));

async function main(): Promise<void> {
  const names = args.fleet?.split(",") ?? (args.quick ? ["1", "4"] : Object.keys(FLEETS));
  for (const name of names) {
    if (!FLEETS[name]) {
      throw new Error(`--fleet takes ${Object.keys(FLEETS).join(", ")}, got "${name}"`);
    }
  }
  console.log(`${describeMachine()}, median of ${repeats}`);
  // If something else is missing, this says so before a model is made.
  await (await Emulation.up(1, { mbit: 0, script: args.emulation, periodUs }))
    [Symbol.asyncDispose]();
  await mkdir(args.data, { recursive: true });
  await prepareRandomModel(args.data, HALF_BILLION);
  const results: Record<string, Comparison[]> = {};
  for (const name of names) {
    results[name] = await compare(FLEETS[name]);
    console.log(comparisonTable(results[name]));
  }
  if (args.json !== undefined) await writeFile(args.json, JSON.stringify(results, null, 2) + "\n");
  report(results);
}

/**
 * Measures a fleet: every node profiles itself once, then each prompt length is planned for and
 * requested.
 */
async function compare({ name, cores, mbit }: FleetShape): Promise<Comparison[]> {
  console.log(`\n## ${name}`);
  await using emulation = await Emulation.up(cores.length, {
    mbit,
    script: args.emulation,
    periodUs,
  });
  const data = await freshDeviceData(args.data, cores.length);
  const lines: Comparison[] = [];
  for (const prompt of PROMPTS) {
    const before = cpuTicks();
    const tokens = prompt === STREAM.prompt ? STREAM.tokens : 1;
    const graph = join(data[0], "graph.json");
    const workload = { prompt_tokens: prompt, output_tokens: STREAM.tokens };
    await writeFile(graph, JSON.stringify({ model: HALF_BILLION, workload }));
    const runs: RealityRun[] = [];
    for (let i = 0; i < repeats; i++) {
      runs.push(await runOnce(emulation, { cores, data, graph, prompt, tokens }));
    }
    const line = (what: string, of: (run: RealityRun) => [predicted: number, measured: number]) => {
      const all = runs.map((run) => of(run)[1]);
      const predictedS = medianOf(runs.map((run) => of(run)[0]));
      lines.push({ what, predictedS, measuredS: medianOf(all), allS: all });
    };
    line(`first token after ${prompt}`, (run) => [run.plan.predicted.ttft_s, run.ttftS]);
    if (tokens > 1) {
      line("time per token", (run) => [run.plan.predicted.tpot_s, run.tpotS]);
      runs[0].stageS.forEach((_, stage) =>
        line(
          `  of it stage ${stage}`,
          (run) => [run.plan.stages[stage]?.seconds_per_row, run.stageS[stage]],
        )
      );
    }
    const placements = new Set(
      runs.map(({ plan }) => plan.stages.map((s) => `${s.first_layer}-${s.last_layer}`).join(", ")),
    );
    console.log(
      `  ${prompt}: layers ${[...placements].join("; then ")}; pieces ${
        runs[0].plan.pieces.join(" ")
      }; ` +
        `machine ${busyShare(before)} % busy`,
    );
  }
  return lines;
}

/** A request to an empty cluster, and the plan that the cluster served for it. */
interface RealityRun {
  plan: Plan;
  ttftS: number;
  /** Seconds per token after the first; NaN if only one token was asked for. */
  tpotS: number;
  /** Median seconds that each stage computed on a decode frame. */
  stageS: number[];
}

/**
 * Starts the nodes and sends one request: rows that earlier requests leave in the arena make frames
 * slower, and predictions hold for an empty arena. Profiles are kept from run to run.
 */
async function runOnce(
  emulation: Emulation,
  { cores, data, graph, prompt, tokens }: {
    cores: number[];
    data: string[];
    graph: string;
    prompt: number;
    tokens: number;
  },
): Promise<RealityRun> {
  await using fleet = await Fleet.start(emulation, { cores, data, first: ["--graph", graph] });
  const plan = await planOf(fleet);
  await ask(fleet, { prompt: 32, tokens: 4 }); // connections, first allocations
  const answer = await ask(fleet, { prompt, tokens });
  // Text may come some tokens after the first token, so the node says when the first one was
  // chosen.
  const ttftS = tokens > 1 ? Number(answer.orrery!.ttft_ms) / 1000 : answer.ttftS;
  const tpotS = (answer.totalS - ttftS) / (answer.tokens - 1);
  if (tokens === 1) return { plan, ttftS, tpotS, stageS: [] };
  const frames = await fleet.json(`/api/trace?last=${tokens - 1}`) as FrameTrace[];
  const stageS = plan.stages.map((_, i) =>
    medianOf(frames.map(({ stages }) => (stages[i].ended - stages[i].began) / 1000))
  );
  return { plan, ttftS, tpotS, stageS };
}

/** Milliseconds of all processors since the machine started: idle ones, and all of them. */
function cpuTicks(): { idle: number; all: number } {
  const all = cpus().map(({ times }) => times);
  return {
    idle: all.reduce((sum, t) => sum + t.idle, 0),
    all: all.flatMap((t) => Object.values(t)).reduce((a, b) => a + b, 0),
  };
}

/**
 * Percent of processor time that was busy since then. On a busy machine the devices do not get the
 * cores that they were promised.
 */
function busyShare(since: { idle: number; all: number }): string {
  const { idle, all } = cpuTicks();
  return (100 * (1 - (idle - since.idle) / (all - since.all))).toFixed(0);
}

/** Gets the plan that is served. A node that is alone has one some seconds after its start. */
async function planOf(fleet: Fleet): Promise<Plan> {
  const until = performance.now() + PLAN_MS;
  for (;;) {
    try {
      return await fleet.json("/api/plan") as Plan;
    } catch (error) {
      if (performance.now() > until) {
        throw new Error(`no plan after ${PLAN_MS} ms`, { cause: error });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

async function ask(fleet: Fleet, { prompt, tokens }: { prompt: number; tokens: number }) {
  return await fleet.ask({
    model: "default",
    prompt: randomPrompt(random, prompt),
    max_tokens: tokens,
    temperature: 0,
    orrery: { mode: "plain", ignore_eos: true },
  });
}

/**
 * Prints what the tables show together: how far off the predictions are, and how much faster each
 * fleet is than one device.
 */
function report(results: Record<string, Comparison[]>): void {
  // No parts.
  const whole = (lines: Comparison[]) => lines.filter(({ what }) => !what.startsWith(" "));
  const errors = Object.values(results).flatMap(whole).map((c) =>
    Math.abs(c.predictedS / c.measuredS - 1)
  );
  const within = errors.filter((e) => e <= 0.2).length;
  console.log(
    `\n${within} of ${errors.length} within 20 %, median error ${
      (100 * medianOf(errors)).toFixed(1)
    } %`,
  );
  const alone = new Map(whole(results["1"] ?? []).map((c) => [c.what, c.measuredS]));
  for (const [name, own] of Object.entries(results)) {
    const comparable = FLEETS[name].cores.every((c) => c >= FLEETS["1"].cores[0]);
    if (name === "1" || alone.size === 0 || !comparable) continue;
    const gains = whole(own).map((c) =>
      `${c.what} ${(alone.get(c.what)! / c.measuredS).toFixed(2)}`
    );
    console.log(`${FLEETS[name].name}, times as fast as one device: ${gains.join(", ")}`);
  }
}

await requireEmulation(args.emulation);
await main();
