/**
 * How a command ends: one clear line on stderr, and an exit code that means something.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { OrreryError } from "../../actors/mod.ts";

/** Exit codes of every command. */
export const exitCodes = {
  ok: 0,
  /** The command was understood and failed. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** Stopped by SIGINT before it was finished (128 + 2, as shells report it). */
  interrupted: 130,
} as const;

/** A wrong command line; its message says what is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * The exit code and the line that an error becomes; only a defect (neither error class) is named as
 * one.
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

/** Runs a command and exits the process with the code that it gives, or as its error says. */
export async function runCommand(command: (args: string[]) => Promise<number>): Promise<never> {
  try {
    Deno.exit(await command(Deno.args));
  } catch (error) {
    const { code, line } = describeFailure(error);
    console.error(line);
    Deno.exit(code);
  }
}
