/**
 * Prints the help of a command.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import type { Command } from "./commands/mod.ts";
import { exitCodes } from "./fail.ts";
import { commandHelp } from "./help.ts";

/** Prints it on stdout and returns exit code 0. `all`: with the options that few need. */
export function printHelp(command: Command, { all = false } = {}): number {
  console.log(commandHelp(command, { bold: pc.bold, all }));
  return exitCodes.ok;
}
