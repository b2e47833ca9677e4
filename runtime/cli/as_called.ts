/**
 * Texts of the program, with commands as the user calls them.
 *
 * @module
 */
import { COMMANDS } from "./commands/mod.ts";
import { PROGRAM } from "./program_name.ts";

const CALL = new RegExp(
  `deno task (?:orrery )?(?=(?:${COMMANDS.map(({ name }) => name).join("|")})\\b)`,
  "g",
);

/**
 * A text of the program for its user, with commands as the user calls them. Texts name them as
 * `deno task NAME`, wherever they were made: perhaps on a node that was started otherwise.
 */
export const asCalled = (text: string, program: string = PROGRAM): string =>
  program === "deno task" ? text : text.replaceAll(CALL, () => `${program} `);
