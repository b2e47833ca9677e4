/**
 * Refusals of files and plans: several lines on stderr, and the exit code of a wrong command line.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { OrreryError } from "../../actors/mod.ts";
import { exitCodes } from "./fail.ts";

/** Groups whose errors mean: change the file or the request, and ask again. */
const REFUSALS = ["graph", "planner", "model"];

/**
 * Runs it; what it refuses is printed, a line each problem, and gives exit code 2. Other errors go
 * on.
 */
export async function refused(run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof OrreryError) || !REFUSALS.includes(error.group)) throw error;
    for (const line of error.message.split("\n")) console.error(`error: ${line}`);
    return exitCodes.usage;
  }
}
