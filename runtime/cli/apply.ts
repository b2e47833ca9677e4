/**
 * `deno task apply`: deploys a graph file on a running cluster, or rolls a changed one out.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { basename, extname } from "node:path";
import { deploymentNameSchema, OrreryError, parseGraph } from "../../actors/mod.ts";
import { clientKey } from "../access/mod.ts";
import { durationOption, readFlags, urlOption } from "./args.ts";
import { APPLY } from "./commands/mod.ts";
import {
  askDeployment,
  type DeploymentRow,
  deploymentsTable,
  type DeploymentTarget,
  planDeployment,
  stagesText,
} from "./deployments_client.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { PROGRAM } from "./program_name.ts";
import { lineAbove, waitingFor } from "./progress.ts";
import { readGraphFile } from "./graph_input.ts";
import { packedModules } from "./packed_modules.ts";
import { refused } from "./refusal.ts";

const WAIT = { min: 1_000, max: 24 * 3600_000 };
/** Milliseconds between two looks at whether it is ready. */
const LOOK_MS = 300;
/** Milliseconds in which a plan must be made. */
const PLAN_MS = 310_000;

async function apply(args: string[]): Promise<number> {
  const { values, positionals } = readFlags(APPLY, args);
  if (!values) return printHelp(APPLY);
  if (positionals.length !== 1) {
    throw new UsageError(`apply takes one graph file, got ${positionals.length}`);
  }
  const [file] = positionals;
  const name = nameOfFile(file, values.name);
  const waitMs = durationOption("wait", values.wait, WAIT) ?? 60_000;
  const target = { url: urlOption("url", values.url), key: clientKey(values["api-key-file"]) };
  return await refused(async () => {
    const graph = await readGraphFile(file);
    const parsed = parseGraph(graph, { file }); // what is wrong is said before anybody is asked
    const body = { graph, file, modules: await packedModules(parsed, file) };
    if (values["dry-run"]) {
      const asking = planDeployment(target, name, { body, withinMs: PLAN_MS });
      const planned = await waitingFor("planning", asking);
      if (values.json) console.log(JSON.stringify(planned, null, 2));
      else {
        const { predicted } = planned.plan ?? {};
        console.log(`${name} would be placed on ${stagesText(planned.stages)}`);
        if (predicted) {
          console.log(
            `predicted: first token after ${Number(predicted.ttft_s.toPrecision(3))} s, then ` +
              `${Number(predicted.tokens_per_s.toPrecision(3))} tokens/s`,
          );
        }
      }
      return exitCodes.ok;
    }
    await askDeployment(target, name, { method: "PUT", body });
    const deploying = ready(target, name, { graph, waitMs, quiet: values.json });
    const row = await waitingFor(`deploying ${name}`, deploying);
    console.log(values.json ? JSON.stringify(row, null, 2) : deploymentsTable([row]));
    return exitCodes.ok;
  });
}

/** The name by `--name`, or the file's. Throws {@linkcode UsageError} where it is none. */
function nameOfFile(file: string, given?: string): string {
  const name = given ?? basename(file, extname(file)).toLowerCase();
  const parsed = deploymentNameSchema.safeParse(name);
  if (parsed.success) return parsed.data;
  const how = given === undefined
    ? `the file's name is no name of a deployment; give --name`
    : "--name";
  throw new UsageError(`${how}: ${parsed.error.issues[0].message}, got ${JSON.stringify(name)}`);
}

/** Waits until the deployment serves this graph. Throws group `cli`, code `not_deployed`. */
async function ready(
  target: DeploymentTarget,
  name: string,
  { graph, waitMs, quiet }: { graph: string; waitMs: number; quiet: boolean },
): Promise<DeploymentRow> {
  const until = performance.now() + waitMs;
  let said = "";
  for (;;) {
    const row = await askDeployment(target, name);
    if (!row.rolling && (row.graph !== graph || row.rolled_back !== undefined)) {
      const why = row.rolled_back ?? "another file was applied, or another coordinator took over";
      throw notDeployed(`${name} goes on as it was: ${why}`);
    }
    const open = row.copies.slice(0, row.policy.min).filter(({ state }) =>
      state !== "serving" && state !== "asleep"
    );
    const away = row.actors?.find(({ host }) => host === null);
    if (!row.rolling && open.length === 0 && !away) return row;
    const why = open.find(({ reason }) => reason !== "")?.reason ??
      (away && `actor ${away.actor}: ${away.why}`) ??
      (row.rolling ? "the new one is loaded beside the old one" : "");
    if (open.some(({ state }) => state === "failed")) {
      throw notDeployed(`${name} is not ready: ${why}`);
    }
    if (performance.now() >= until) {
      throw notDeployed(
        `${name} is not ready after ${waitMs / 1000} s, and goes on: ${why}; look again with ` +
          `\`${PROGRAM} deployments\``,
      );
    }
    if (!quiet && why !== said && why !== "") lineAbove(why);
    said = why;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

const notDeployed = (message: string): OrreryError =>
  new OrreryError({ group: "cli", code: "not_deployed", message });

if (import.meta.main) await runCommand(apply);
