/**
 * The command line of a node, as the task `start` in deno.json has it, for nodes that tests and
 * benchmarks start themselves.
 *
 * @module
 */
import { join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { grantedCommand, ROOT } from "../../runtime/cli/node_command.ts";

const PROGRAM = "runtime/cli/launch.ts";

/** The command line that runs a node with these options from any folder. */
export function startCommand(options: readonly string[]): [program: string, ...args: string[]] {
  return startOf(ROOT, config.tasks.start.command, options);
}

/**
 * As {@linkcode startCommand}, for another version of the program.
 * @param checkout Absolute path of its folder, in which packages are installed.
 * @throws {Error} There is no such program.
 */
export function startCommandOf(
  checkout: string,
  options: readonly string[],
): [program: string, ...args: string[]] {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(checkout, "deno.json")));
  return startOf(join(checkout, "/"), tasks.start.command ?? tasks.start, options);
}

function startOf(
  root: string,
  task: string,
  options: readonly string[],
): [program: string, ...args: string[]] {
  const words = task.split(" ");
  const from = words.indexOf("deno"), to = words.indexOf(PROGRAM);
  const flags = words.slice(from + 1, to); // run, permissions, V8's limits
  return [Deno.execPath(), ...flags, "--config", `${root}deno.json`, root + PROGRAM, ...options];
}

/**
 * The command line of the process that `deno task start` becomes: without the program before it,
 * which takes a third of the processor time of a start. A graph file grants permissions, and which
 * ones only that program finds out: with one, this is {@linkcode startCommand}.
 */
export function launchedCommand(options: readonly string[]): [program: string, ...args: string[]] {
  if (options.includes("--graph")) return startCommand(options);
  return [Deno.execPath(), ...grantedCommand([...options])];
}
