/**
 * `deno task deployments`: lists what a cluster serves. `deno task delete` ends one of them.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { clientKey } from "../access/mod.ts";
import { readArgs, urlOption } from "./args.ts";
import { askDeployment, deploymentsTable, readDeployments } from "./deployments_client.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";

const OPTIONS = `  --url URL          the API of any node of the cluster [http://127.0.0.1:8420]
  --api-key-file F   a file with the key to send [the variable ORRERY_API_KEY, if it is set]
  --json             print JSON
  --help             print this

Exit codes: 0 done, 1 failed, 2 wrong command line.`;

const LIST_HELP = `List the deployments of a cluster: their copies, and which layers are where.

Usage: deno task deployments [options]

${OPTIONS}`;

const DELETE_HELP = `End a deployment: requests that run are finished, and its layers are unloaded.

Usage: deno task delete NAME [options]

${OPTIONS}`;

function options(args: string[]) {
  return readArgs({
    args,
    allowPositionals: true,
    options: {
      url: { type: "string", default: "http://127.0.0.1:8420" },
      "api-key-file": { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
}

/** `deno task deployments`. */
export async function listCommand(args: string[]): Promise<number> {
  const { values, positionals } = options(args);
  if (values.help) {
    console.log(LIST_HELP);
    return exitCodes.ok;
  }
  if (positionals.length > 0) throw new UsageError(`unexpected ${JSON.stringify(positionals[0])}`);
  const target = { url: urlOption("url", values.url), key: clientKey(values["api-key-file"]) };
  const rows = await readDeployments(target);
  console.log(values.json ? JSON.stringify(rows, null, 2) : deploymentsTable(rows));
  return exitCodes.ok;
}

/** `deno task delete`. */
export async function deleteCommand(args: string[]): Promise<number> {
  const { values, positionals } = options(args);
  if (values.help) {
    console.log(DELETE_HELP);
    return exitCodes.ok;
  }
  const [name, ...rest] = positionals;
  if (!name || rest.length > 0) {
    throw new UsageError(`delete takes the NAME of a deployment, got ${positionals.length}`);
  }
  const target = { url: urlOption("url", values.url), key: clientKey(values["api-key-file"]) };
  const row = await askDeployment(target, name, { method: "DELETE" });
  console.log(values.json ? JSON.stringify(row, null, 2) : `${row.name} was deleted`);
  return exitCodes.ok;
}

if (import.meta.main) await runCommand(listCommand);
