/**
 * The errors of requests for which the stages have no memory.
 *
 * @module
 */
import type { OpenMessage } from "./messages.ts";
import type { WireError } from "../system/mod.ts";
import type { Memory } from "./memory.ts";

/** The error of a request that can never fit into `capacityRows` rows; undefined: it can. */
export function tooLarge(
  { max_rows, prompt }: OpenMessage,
  capacityRows: number,
): WireError | undefined {
  const needed = Math.max(max_rows, prompt.length);
  if (needed <= capacityRows) return undefined;
  return {
    group: "engine",
    code: "too_many_rows",
    message: `the request needs ${needed} KV rows, the stages have memory for ${capacityRows}; ` +
      "ask for fewer tokens or give the stages more memory",
    metadata: { rows: needed, capacity_rows: capacityRows },
  };
}

/** The error of a running request that has to give its rows back, since the stages have no more. */
export function outOfMemory({ max_rows }: OpenMessage, { pool, refusal, most }: Memory): WireError {
  const said = refusal ? `; a stage said: ${refusal.message}` : "";
  return {
    group: "engine",
    code: "arena_memory",
    message:
      `there is no memory for the request's KV rows: the arena holds ${pool.capacity} of at most ` +
      `${most} rows${said}`,
    metadata: { capacity_rows: pool.capacity, max_rows, ...refusal?.metadata },
  };
}
