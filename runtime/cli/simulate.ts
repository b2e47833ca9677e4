/**
 * `deno task simulate`: runs a graph file's plan in virtual time; the hardware need not exist.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import {
  duration,
  type Plan,
  type PlanInput,
  simulatePlan,
  type SimulationResult,
  timelineSvg,
} from "../../planner/mod.ts";
import { numberOption, readFlags } from "./args.ts";
import { SIMULATE } from "./commands/mod.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { objectiveOption, planFile } from "./plan_file.ts";
import { placementText } from "./plan_text.ts";
import { refused } from "./refusal.ts";
import { table } from "./table.ts";

/** Bounds of numbers of tokens. */
const count = { min: 1, max: 1e6, integer: true };

/** The parsed command line; undefined: `--help` was given. Throws {@linkcode UsageError}. */
function options(args: string[]) {
  const { values, positionals } = readFlags(SIMULATE, args);
  if (!values) return undefined;
  if (positionals.length !== 1) {
    throw new UsageError(`simulate takes one graph file, got ${positionals.length}`);
  }
  if (values.timeline === "") throw new UsageError('--timeline takes a file, got ""');
  return {
    ...values,
    file: positionals[0],
    objective: objectiveOption(values.objective),
    prompt: numberOption("prompt", values.prompt, count),
    tokens: numberOption("tokens", values.tokens, count),
    branches: numberOption("branches", values.branches, { min: 1, max: 64, integer: true }),
    acceptance: numberOption("acceptance", values.acceptance, { min: 0, max: 1 }),
    requests: numberOption("requests", values.requests, { min: 1, max: 1024, integer: true }),
    seed: numberOption("seed", values.seed, { min: 0, max: 2 ** 31, integer: true }),
  };
}

/** `deno task simulate`. */
export async function simulateCommand(args: string[]): Promise<number> {
  const chosen = options(args);
  if (!chosen) return printHelp(SIMULATE);
  return await refused(async () => {
    const { input: asked, plan: planned } = await planFile(chosen.file, chosen, {
      objective: chosen.objective,
      workload: {
        promptTokens: chosen.prompt,
        outputTokens: chosen.tokens,
        branches: chosen.branches,
        concurrent: chosen.requests,
        acceptance: chosen.acceptance,
      },
    });
    const { promptTokens, outputTokens, branches, concurrent, acceptance } = asked.workload;
    const { trace, ...result } = simulatePlan({
      plan: planned,
      input: asked,
      options: {
        prompt: promptTokens,
        tokens: outputTokens,
        branches: Math.min(branches, asked.decode?.maxBranches ?? branches),
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
    if (chosen.json) {
      const shown = { workload: asked.workload, plan: planned, ...result };
      console.log(JSON.stringify(shown, null, 2));
    } else console.log(text(planned, asked, result));
    if (chosen.timeline !== undefined && !chosen.json) {
      console.log(`\ntimeline: ${chosen.timeline}`);
    }
    return exitCodes.ok;
  });
}

/** The simulation's result as tables. */
function text(
  planned: Plan,
  { workload }: PlanInput,
  result: Omit<SimulationResult, "trace">,
): string {
  const { promptTokens, outputTokens, branches, acceptance } = workload;
  const share = (value: number) => `${(100 * Math.max(0, value)).toFixed(1)} %`; // no "-0.0"
  const heading =
    `${pc.bold(planned.model)}: ${promptTokens} prompt tokens, ${outputTokens} answer tokens, ` +
    `${branches === 1 ? "no branches" : `${branches} branches`}, ` +
    `${acceptance === undefined ? "no drafts" : `acceptance ${acceptance}`}`;
  const requests = [
    ["request", "first token", "then each", "tokens/s", "done at"].map(pc.bold),
    ...result.requests.map((r, i) => [
      `${i}`,
      duration(r.ttft_s),
      duration(r.tpot_s),
      `${Number(r.tokens_per_s.toPrecision(3))}`,
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
    [
      "frames",
      `${result.frames}, ${Number(result.rows_per_frame.toPrecision(3))} rows in a decode frame`,
    ],
  ];
  return [
    heading,
    placementText(planned),
    table(requests),
    table([["busy", "share"].map(pc.bold), ...lanes]),
    table(facts),
  ].join("\n\n");
}

if (import.meta.main) await runCommand(simulateCommand);
