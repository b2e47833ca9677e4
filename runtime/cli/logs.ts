/**
 * `deno task logs`: prints the log of any node of the cluster.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { type KeptRecord, MOST_RECORDS, OrreryError } from "../../actors/mod.ts";
import { clientKey } from "../access/mod.ts";
import type { ApiCall } from "./api_call.ts";
import { numberOption, readFlags, urlOption } from "./args.ts";
import { LOGS } from "./commands/mod.ts";
import { describeFailure, exitCodes, runCommand, UsageError } from "./fail.ts";
import { readLogs, recordLine, type ToldLog, type WantedLog } from "./logs_client.ts";
import { printHelp } from "./print_help.ts";

/** Milliseconds between two looks at whether there are new records. */
const LOOK_MS = 1_000;

async function logs(args: string[]): Promise<number> {
  const { values, positionals } = readFlags(LOGS, args);
  if (!values) return printHelp(LOGS);
  if (positionals.length > 1) throw new UsageError(`unexpected ${JSON.stringify(positionals[1])}`);
  const { choices } = LOGS.flags.level;
  if (!choices.some((level) => level === values.level)) {
    throw new UsageError(
      `--level takes ${choices.join(", ")}, got ${JSON.stringify(values.level)}`,
    );
  }
  const target = { url: urlOption("url", values.url), key: clientKey(values["api-key-file"]) };
  const limit = numberOption("lines", values.lines, { min: 1, max: MOST_RECORDS, integer: true });
  const { level, request } = values;
  const wanted = { node: positionals[0], level, request, limit: limit ?? 100 };
  const print = (record: KeptRecord) =>
    console.log(values.json ? JSON.stringify(record) : recordLine(record));
  const page = await readLogs(target, wanted);
  page.records.forEach(print);
  if (values.follow) await follow({ target, wanted, page, print });
  else if (page.records.length === 0 && !values.json) {
    console.error(`${page.node} keeps no records of level ${values.level} or above`);
  }
  return exitCodes.ok;
}

/** What is followed. */
interface Followed {
  target: Pick<ApiCall, "url" | "key">;
  wanted: WantedLog;
  /** The last page that was printed. */
  page: ToldLog;
  print: (record: KeptRecord) => void;
}

/** Prints records as they come, until the process is stopped; goes on where a node starts again. */
async function follow({ target, wanted, page, print }: Followed): Promise<never> {
  let last = page;
  let failing = false;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    try {
      const next = await readLogs(target, { ...wanted, after: last.next, limit: MOST_RECORDS });
      if (failing) console.error(`${next.node} answers again`);
      failing = false;
      // A node that was started again counts anew: what it has written since then is all new.
      const fresh = next.node === last.node ? next : await readLogs(target, wanted);
      if (fresh.lost > 0) console.error(`${fresh.lost} records came too fast to be kept`);
      fresh.records.forEach(print);
      last = fresh;
    } catch (error) {
      if (!(error instanceof OrreryError)) throw error; // nobody reads the output any more
      if (!failing) console.error(`${describeFailure(error).line}; looking again every second`);
      failing = true;
    }
  }
}

if (import.meta.main) await runCommand(logs);
