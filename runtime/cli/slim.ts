/**
 * `deno task slim`: frees the disk of what this machine never loads, ONNX Runtime's libraries for
 * other operating systems and processors.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { parseArgs } from "node:util";
import { arch, platform } from "node:process";
import { OrreryError } from "../../actors/mod.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { ROOT } from "./node_command.ts";
import { otherPlatforms, removePlatforms } from "./other_platforms.ts";

const HELP = `Usage: deno task slim [--dry-run]

Remove ONNX Runtime's libraries for other operating systems and processors from node_modules and
from Deno's cache of npm packages. Other packages and versions stay. Whoever needs them again fetches
them by deno install --reload=npm:onnxruntime-node

  --dry-run  say what would be removed, and remove nothing

Exit codes: 0 done, 1 failed, 2 wrong command line.`;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Folder of Deno's cache of npm packages. */
async function npmCacheFolder(): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
    cwd: ROOT,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) {
    const message = `deno info does not say where its cache is: ${text(stderr).trim()}`;
    throw new OrreryError({ group: "model", code: "no_library", message });
  }
  return JSON.parse(text(stdout)).npmCache;
}

async function slim(args: string[]): Promise<number> {
  let values;
  try {
    const options = {
      "dry-run": { type: "boolean" },
      help: { type: "boolean", short: "h" },
    } as const;
    values = parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message.split(". ")[0]);
  }
  if (values.help) {
    console.log(HELP);
    return exitCodes.ok;
  }
  const found = otherPlatforms({
    root: ROOT,
    npmCache: await npmCacheFolder(),
    os: platform,
    arch,
  });
  for (const folder of found.folders) console.log(folder);
  if (!values["dry-run"]) removePlatforms(found);
  const kept = found.linkedBytes === 0
    ? ""
    : `; ${mebibytes(found.linkedBytes)} stay for other folders that link the same files`;
  console.log(`${values["dry-run"] ? "would free" : "freed"} ${mebibytes(found.bytes)}${kept}`);
  return exitCodes.ok;
}

if (import.meta.main) await runCommand(slim);
