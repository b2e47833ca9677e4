/**
 * How a command fails: one line on stderr, and an exit code.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { OrreryError } from "../../actors/mod.ts";
import { asCalled } from "./as_called.ts";

/** Exit codes of every command. */
export const exitCodes = {
  /** The command did what was asked. */
  ok: 0,
  /** The command was understood and failed. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** Stopped by SIGINT before it was finished (128 + 2, as shells report it). */
  interrupted: 130,
} as const;

/** The command line is wrong; the message says what is wrong with it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * The exit code and the line on stderr for an error. An error that is neither a
 * {@linkcode UsageError} nor an `OrreryError` is a defect of the program: its line says `internal`
 * and the error's name.
 */
export function describeFailure(error: unknown): { code: number; line: string } {
  const message = (error instanceof Error ? error.message : String(error)).replaceAll(
    /\s*\n\s*/g,
    " ",
  );
  if (error instanceof UsageError) {
    return { code: exitCodes.usage, line: `error: ${message} (see --help)` };
  }
  if (error instanceof OrreryError) return { code: exitCodes.failed, line: `error: ${message}` };
  const name = error instanceof Error ? error.name : "unknown error";
  return { code: exitCodes.failed, line: `error: internal: ${name}: ${message}` };
}

/**
 * Runs a command, then exits the process with the code that it resolves to or its error's code. Where
 * nobody reads its output any more, as in `orrery models list | head -1`, it ends quietly with 0.
 */
export async function runCommand(command: (args: string[]) => Promise<number>): Promise<never> {
  try {
    Deno.exit(await command(Deno.args));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(exitCodes.ok);
    const { code, line } = describeFailure(error);
    console.error(asCalled(line));
    Deno.exit(code);
  }
}
