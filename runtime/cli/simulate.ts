/**
 * `deno task simulate`: runs a graph file's plan in virtual time; the hardware need not exist.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import {
  duration,
  plan,
  type PlanInput,
  simulatePlan,
  type SimulationResult,
  timelineSvg,
} from "../../planner/mod.ts";
import { numberOption, readArgs } from "./args.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { readGraph } from "./graph_input.ts";
import { refused } from "./refusal.ts";
import { table } from "./table.ts";

const help =
  `Run a graph file's plan in virtual time: prefill in pieces, decoding, drafts, branches.

Usage: deno task simulate GRAPH.yaml [options]

What is left out is as the file's workload says; the plan is made for what is simulated.

  --prompt N           prompt tokens [512]
  --tokens N           answer tokens, all branches together [128]
  --branches N         outline branches [1]
  --acceptance A       chance that a drafted token is accepted, 0 to 1 [no drafts]
  --requests N         requests at once [1]
  --seed N             draw acceptance by chance [as often as expected]
  --timeline FILE.svg  draw what every stage and link does
  --devices FILE       devices and links of this file in place of the graph's
  --data DIR           where models and measured profiles are [.orrery]
  --json               print JSON
  --help               print this

Exit codes: 0 done, 1 failed, 2 wrong command line, wrong file, or no plan fits (stderr says what lacks).`;

/** Bounds of numbers of tokens. */
const count = { min: 1, max: 1e6, integer: true };

/** The parsed command line; undefined: `--help` was given. Throws {@linkcode UsageError}. */
function options(args: string[]) {
  const { values, positionals } = readArgs({
    args,
    allowPositionals: true,
    options: {
      prompt: { type: "string" },
      tokens: { type: "string" },
      branches: { type: "string" },
      acceptance: { type: "string" },
      requests: { type: "string" },
      seed: { type: "string" },
      timeline: { type: "string" },
      devices: { type: "string" },
      data: { type: "string", default: ".orrery" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  if (positionals.length !== 1) {
    throw new UsageError(`simulate takes one graph file, got ${positionals.length}`);
  }
  if (values.timeline === "") throw new UsageError('--timeline takes a file, got ""');
  return {
    ...values,
    file: positionals[0],
    prompt: numberOption("prompt", values.prompt, count),
    tokens: numberOption("tokens", values.tokens, count),
    branches: numberOption("branches", values.branches, { min: 1, max: 64, integer: true }),
    acceptance: numberOption("acceptance", values.acceptance, { min: 0, max: 1 }),
    requests: numberOption("requests", values.requests, { min: 1, max: 1024, integer: true }),
    seed: numberOption("seed", values.seed, { min: 0, max: 2 ** 31, integer: true }),
  };
}

async function simulateCommand(args: string[]): Promise<number> {
  const chosen = options(args);
  if (!chosen) {
    console.log(help);
    return exitCodes.ok;
  }
  return await refused(async () => {
    const { input } = await readGraph(chosen.file, chosen);
    const { workload } = input;
    const asked: PlanInput = {
      ...input,
      workload: {
        ...workload,
        promptTokens: chosen.prompt ?? workload.promptTokens,
        outputTokens: chosen.tokens ?? workload.outputTokens,
        branches: chosen.branches ?? workload.branches,
        concurrent: chosen.requests ?? workload.concurrent,
        acceptance: chosen.acceptance ?? workload.acceptance,
      },
    };
    const planned = plan(asked);
    const { promptTokens, outputTokens, branches, concurrent, acceptance } = asked.workload;
    const { trace, ...result } = simulatePlan({
      plan: planned,
      input: asked,
      options: {
        prompt: promptTokens,
        tokens: outputTokens,
        branches: Math.min(branches, input.decode?.maxBranches ?? branches),
        acceptance: planned.draft.source === "none" ? 0 : acceptance,
        requests: Array.from({ length: concurrent }, () => ({ at: 0 })),
        seed: chosen.seed,
      },
    });
    if (chosen.timeline !== undefined) {
      await Deno.writeTextFile(
        chosen.timeline,
        timelineSvg(trace, {
          title: `${planned.model}: ${promptTokens} prompt, ${outputTokens} answer tokens`,
        }),
      );
    }
    if (chosen.json) console.log(JSON.stringify({ workload: asked.workload, ...result }, null, 2));
    else console.log(text(planned.model, asked, result));
    if (chosen.timeline !== undefined && !chosen.json) {
      console.log(`\ntimeline: ${chosen.timeline}`);
    }
    return exitCodes.ok;
  });
}

/** The simulation's result as tables. */
function text(
  model: string,
  { workload }: PlanInput,
  result: Omit<SimulationResult, "trace">,
): string {
  const { promptTokens, outputTokens, branches, acceptance } = workload;
  const share = (value: number) => `${(100 * value).toFixed(1)} %`;
  const heading =
    `${pc.bold(model)}: ${promptTokens} prompt tokens, ${outputTokens} answer tokens, ` +
    `${branches === 1 ? "no branches" : `${branches} branches`}, ` +
    `${acceptance === undefined ? "no drafts" : `acceptance ${acceptance}`}`;
  const requests = [
    ["request", "first token", "then each", "tokens/s", "done at"].map(pc.bold),
    ...result.requests.map((r, i) => [
      `${i}`,
      duration(r.ttft_s),
      duration(r.tpot_s),
      r.tokens_per_s.toPrecision(3),
      duration(r.finish_s),
    ]),
  ];
  const lanes = [...result.stages, ...result.links].map((
    { lane, utilisation },
  ) => [lane, share(utilisation)]);
  if (result.drafter > 0) lanes.push(["drafter", share(result.drafter)]);
  const facts = [
    ["bubbles", `${share(result.bubble_share)} of the stages' time`],
    ["wasted rows", share(result.wasted_row_share)],
    ["frames", `${result.frames}, ${result.rows_per_frame.toPrecision(3)} rows in a decode frame`],
  ];
  return [
    heading,
    table(requests),
    table([["busy", "share"].map(pc.bold), ...lanes]),
    table(facts),
  ].join("\n\n");
}

if (import.meta.main) await runCommand(simulateCommand);
