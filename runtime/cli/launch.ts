/**
 * `deno task start`: starts the node's program with no more permissions than its command line
 * needs.
 *
 * @module
 */
import { nodeCommand } from "./node_command.ts";
import { becomeDeno } from "./replace_process.ts";

await becomeDeno(await nodeCommand(Deno.args));
