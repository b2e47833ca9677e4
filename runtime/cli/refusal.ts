/**
 * What commands print where a file is wrong or no plan fits: a line for each problem on stderr, and
 * the exit code of a wrong command line.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { OrreryError } from "../../actors/mod.ts";
import { asCalled } from "./as_called.ts";
import { exitCodes } from "./fail.ts";

/** Groups of errors that the user mends by changing the file or the command line. */
const REFUSALS = ["graph", "planner", "model"];

/**
 * Runs `run` and resolves to its exit code. An error of group `graph`, `planner` or `model` is
 * printed, one line for each problem, and resolves to exit code 2; other errors are thrown.
 */
export async function refused(run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof OrreryError) || !REFUSALS.includes(error.group)) throw error;
    for (const line of error.message.split("\n")) console.error(asCalled(`error: ${line}`));
    return exitCodes.usage;
  }
}
