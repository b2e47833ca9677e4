/**
 * `deno task deployments`: lists what a cluster serves. `deno task delete` ends one of them.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { clientKey } from "../access/mod.ts";
import { readFlags, urlOption } from "./args.ts";
import { DELETE, DEPLOYMENTS } from "./commands/mod.ts";
import { askDeployment, deploymentsTable, readDeployments } from "./deployments_client.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { waitingFor } from "./progress.ts";

/** `deno task deployments`. */
export async function listCommand(args: string[]): Promise<number> {
  const { values } = readFlags(DEPLOYMENTS, args);
  if (!values) return printHelp(DEPLOYMENTS);
  const target = { url: urlOption("url", values.url), key: clientKey(values["api-key-file"]) };
  const rows = await waitingFor("asking the node", readDeployments(target));
  console.log(values.json ? JSON.stringify(rows, null, 2) : deploymentsTable(rows));
  return exitCodes.ok;
}

/** `deno task delete`. */
export async function deleteCommand(args: string[]): Promise<number> {
  const { values, positionals } = readFlags(DELETE, args);
  if (!values) return printHelp(DELETE);
  const [name, ...rest] = positionals;
  if (!name || rest.length > 0) {
    throw new UsageError(`delete takes the NAME of a deployment, got ${positionals.length}`);
  }
  const target = { url: urlOption("url", values.url), key: clientKey(values["api-key-file"]) };
  const asking = askDeployment(target, name, { method: "DELETE" });
  const row = await waitingFor(`deleting ${name}`, asking);
  console.log(values.json ? JSON.stringify(row, null, 2) : `${row.name} was deleted`);
  return exitCodes.ok;
}

if (import.meta.main) await runCommand(listCommand);
