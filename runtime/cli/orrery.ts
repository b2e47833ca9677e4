/**
 * `deno task orrery COMMAND`: one program for all commands. It prints help and completions itself;
 * everything else runs as its own task does, with the permissions of that command alone: this
 * program is replaced by it.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import { VERSION } from "../version.ts";
import { historyFolder } from "./chat_history.ts";
import { type Command, COMMANDS, COMPLETIONS, START } from "./commands/mod.ts";
import { completions } from "./completions.ts";
import { endWithNpx } from "./end_with_npx.ts";
import { commandHelp, overview } from "./help.ts";
import { nodeCommand, ROOT } from "./node_command.ts";
import { ORRERY } from "./program_name.ts";
import { becomeDeno } from "./replace_process.ts";

/** What a command line asks for. */
export type Asked =
  /** Print this and exit with 0. */
  | { state: "print"; text: string }
  /** Print this line on stderr and exit with 2. */
  | { state: "wrong"; line: string }
  /** Run this command with these arguments. */
  | { state: "run"; command: Command; args: string[] };

/** Whether `--help` stands among the options. */
function asksHelp(args: string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === "--help" || arg === "-h");
}

/** What a command line asks for; nothing is printed or run. */
export async function understand([name, ...args]: string[]): Promise<Asked> {
  const print = (text: string): Asked => ({ state: "print", text });
  const wrong = (why: string): Asked => ({
    state: "wrong",
    line: `error: ${why} (see ${ORRERY} --help)`,
  });
  if (name === undefined || name === "--help" || name === "-h") {
    return print(overview({ program: ORRERY, bold: pc.bold }));
  }
  if (name === "--version" || name === "-V") return print(`orrery ${VERSION}`);
  if (name === "help") {
    return await understand(args.length > 0 ? [args[0], "--help", ...args.slice(1)] : []);
  }
  const command = COMMANDS.find((known) => known.name === name);
  if (!command) {
    const { didYouMean } = await import("../../actors/mod.ts"); // most command lines are right
    const names = COMMANDS.map((known) => known.name);
    return wrong(`there is no command ${JSON.stringify(name)}: ${didYouMean(name, names)}`);
  }
  if (asksHelp(args)) {
    return print(
      commandHelp(command, { program: ORRERY, bold: pc.bold, all: args.includes("all") }),
    );
  }
  if (command.name !== COMPLETIONS.name) return { state: "run", command, args };
  const { readFlags } = await import("./args.ts");
  try {
    const { values, positionals } = readFlags(COMPLETIONS, args);
    return print(completions(positionals, values!.name));
  } catch (error) {
    return wrong((error as Error).message);
  }
}

/** What stands behind `deno` to run a command as its task does. */
async function commandLine(command: Command, args: string[]): Promise<string[]> {
  if (command.permissions === "launch") return await nodeCommand(args);
  // Its history is the one thing that it writes, and where that lies no file of permissions knows.
  const folder = command.permissions === "talk" ? historyFolder(Deno.env.get("HOME")) : undefined;
  return [
    ...["run", "-q", `-P=${command.permissions}`, ...folder ? [`--allow-write=${folder}`] : []],
    ...["--no-prompt", "--config", `${ROOT}deno.json`],
    ...[`${ROOT}runtime/cli/${command.program}`, ...args],
  ];
}

if (import.meta.main) {
  const asked = await understand(Deno.args);
  if (asked.state === "run") {
    const line = await commandLine(asked.command, asked.args);
    if (asked.command === START) endWithNpx();
    await becomeDeno(line);
  } else if (asked.state === "print") console.log(asked.text);
  else {
    console.error(asked.line);
    Deno.exit(2);
  }
}
