/**
 * What a request that begins now would find at an arbiter: its route is chosen by it.
 *
 * @module
 */
import type { Flights } from "./flights.ts";
import type { PrefixCache } from "./prefix_cache.ts";
import type { ArbiterRequest } from "./request.ts";
import type { Requests } from "./requests.ts";
import type { Row } from "./row_pool.ts";

/** See the module's text. */
export interface Outlook {
  /** Rows of the prompt that are in the cache. */
  reused: number;
  /** Requests that are open, those that wait for memory included. */
  requests: number;
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
  const all = requests.list({ all: true });
  let prompt_rows = 0;
  for (const { jobs } of all) for (const job of jobs) prompt_rows += job.rows.length - job.at;
  return {
    reused: cachedRows(prompt, cache),
    requests: all.length,
    prompt_rows,
    lanes: lanesOf(all, flights),
  };
}

/** Lanes of these requests: those that decode, and one for each request that has not begun to. */
export function lanesOf(requests: readonly ArbiterRequest[], flights: Flights): number {
  const waiting = requests.reduce((n, { decodes, owed }) => n + decodes.length + owed.length, 0);
  return Math.max(flights.lanes().rows + waiting, requests.length);
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
