/**
 * What a request that begins now would find at an arbiter: its route is chosen by it.
 *
 * @module
 */
import type { Flights } from "./flights.ts";
import type { PrefixCache } from "./prefix_cache.ts";
import type { Requests } from "./requests.ts";
import type { Row } from "./row_pool.ts";

/** See the module's text. */
export interface Outlook {
  /** Rows of the prompt that are in the cache. */
  reused: number;
  /** Rows of other requests' prompts that have not been sent. */
  prompt_rows: number;
  /** Lanes of other requests: those that decode, and one for each request that has not begun. */
  lanes: number;
}

/** The outlook for a request with this prompt, token ids (rows). */
export function outlookOf(
  prompt: Int32Array,
  { requests, flights, cache }: { requests: Requests; flights: Flights; cache: PrefixCache },
): Outlook {
  let prompt_rows = 0;
  let lanes = flights.lanes().rows;
  for (const { jobs, decodes, owed } of requests.list({ all: true })) {
    for (const job of jobs) prompt_rows += job.rows.length - job.at;
    lanes += decodes.length + owed.length;
  }
  return {
    reused: cachedRows(prompt, cache),
    prompt_rows,
    lanes: Math.max(lanes, requests.runs + requests.waits),
  };
}

/** Rows of a prompt that stand in the cache; its last row is always run. */
function cachedRows(prompt: Int32Array, cache: PrefixCache): number {
  let found = 0;
  let row: Row | undefined;
  while (found < prompt.length - 1) {
    row = cache.find(row, prompt[found]);
    if (!row) break;
    found++;
  }
  return found;
}
