/**
 * `deno task start`: starts the node's program with no more permissions than its command line
 * needs.
 *
 * @module
 */
import { endWithNpx } from "./end_with_npx.ts";
import { nodeCommand } from "./node_command.ts";
import { becomeDeno } from "./replace_process.ts";

const command = await nodeCommand(Deno.args);
endWithNpx();
await becomeDeno(command);
