/**
 * `deno task delete`, see `deployments.ts`.
 *
 * @module
 */
import { deleteCommand } from "./deployments.ts";
import { runCommand } from "./fail.ts";

if (import.meta.main) await runCommand(deleteCommand);
