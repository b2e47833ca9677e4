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

/** Prints it on stdout and returns exit code 0. */
export function printHelp(command: Command): number {
  console.log(commandHelp(command, { bold: pc.bold }));
  return exitCodes.ok;
}
