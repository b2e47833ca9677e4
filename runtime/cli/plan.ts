/**
 * `deno task plan`: prints the plan of a graph file, and why it is so. Changes nothing.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { type Objective, withActors } from "../../planner/mod.ts";
import { planAs } from "../cluster/mod.ts";
import { readArgs } from "./args.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { readGraph } from "./graph_input.ts";
import { planText } from "./plan_text.ts";
import { refused } from "./refusal.ts";

const OBJECTIVES: readonly Objective[] = ["latency", "throughput", "blended"];

const help = `Plan a graph file: which layers go where, and why. Changes nothing.

Usage: deno task plan GRAPH.yaml [options]

  --objective O    ${OBJECTIVES.join(", ")} [what the file says, else blended]
  --devices FILE   devices and links of this file in place of the graph's
  --data DIR       where models and measured profiles are [.orrery]
  --json           print JSON: the same input gives the same bytes
  --help           print this

Exit codes: 0 planned, 1 failed, 2 wrong command line, wrong file, or no plan fits (stderr says what lacks).`;

/** The parsed command line; undefined: `--help` was given. Throws {@linkcode UsageError}. */
function options(args: string[]) {
  const { values, positionals } = readArgs({
    args,
    allowPositionals: true,
    options: {
      objective: { type: "string" },
      devices: { type: "string" },
      data: { type: "string", default: ".orrery" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  if (positionals.length !== 1) {
    throw new UsageError(`plan takes one graph file, got ${positionals.length}`);
  }
  const objective = OBJECTIVES.find((o) => o === values.objective);
  if (values.objective !== undefined && !objective) {
    throw new UsageError(
      `--objective takes ${OBJECTIVES.join(", ")}, got ${JSON.stringify(values.objective)}`,
    );
  }
  return { ...values, file: positionals[0], objective };
}

async function planCommand(args: string[]): Promise<number> {
  const chosen = options(args);
  if (!chosen) {
    console.log(help);
    return exitCodes.ok;
  }
  return await refused(async () => {
    const { graph, input } = await readGraph(chosen.file, chosen);
    const asked = { ...input, objective: chosen.objective ?? input.objective };
    const planned = withActors(planAs(asked, graph), graph, asked);
    console.log(chosen.json ? JSON.stringify(planned, null, 2) : planText(planned));
    return exitCodes.ok;
  });
}

if (import.meta.main) await runCommand(planCommand);
