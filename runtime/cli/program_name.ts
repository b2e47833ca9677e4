/**
 * How the user calls the commands.
 *
 * @module
 */

/** Set by a package whose commands are called otherwise than by `deno task`, such as npm's. */
const packaged = Deno.env.get("ORRERY_PROGRAM");

/** What stands before a command's name on a command line; examples work when they are pasted. */
export const PROGRAM: string = packaged || "deno task";

/** The program that has all commands. */
export const ORRERY: string = packaged || "deno task orrery";
