/**
 * `deno task plan`: prints the plan of a graph file, and why it is so. Changes nothing.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { readFlags } from "./args.ts";
import { PLAN } from "./commands/mod.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { objectiveOption, planFile } from "./plan_file.ts";
import { planText } from "./plan_text.ts";
import { refused } from "./refusal.ts";

/** The parsed command line; undefined: `--help` was given. Throws {@linkcode UsageError}. */
function options(args: string[]) {
  const { values, positionals } = readFlags(PLAN, args);
  if (!values) return undefined;
  if (positionals.length !== 1) {
    throw new UsageError(`plan takes one graph file, got ${positionals.length}`);
  }
  return { ...values, file: positionals[0], objective: objectiveOption(values.objective) };
}

/** `deno task plan`. */
export async function planCommand(args: string[]): Promise<number> {
  const chosen = options(args);
  if (!chosen) return printHelp(PLAN);
  return await refused(async () => {
    const { plan } = await planFile(chosen.file, chosen, chosen);
    console.log(chosen.json ? JSON.stringify(plan, null, 2) : planText(plan));
    return exitCodes.ok;
  });
}

if (import.meta.main) await runCommand(planCommand);
