/**
 * What a request that begins now would find at an arbiter: its route is chosen by it.
 *
 * @module
 */
import type { Flights } from "./flights.ts";
import type { NearRows } from "./near_rows.ts";
import type { PrefixCache } from "./prefix_cache.ts";
import type { ArbiterRequest } from "./request.ts";
import { cachedRows } from "./resumable.ts";
import type { Requests } from "./requests.ts";

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
  { requests, flights, cache, near }: {
    requests: Requests;
    flights: Flights;
    cache: PrefixCache;
    /** Which rows windowed layers keep; undefined: all. */
    near?: NearRows;
  },
): Outlook {
  const all = requests.list({ all: true });
  let prompt_rows = 0;
  for (const { jobs } of all) for (const job of jobs) prompt_rows += job.rows.length - job.at;
  return {
    // A prompt's last row is always run.
    reused: cachedRows((i) => i < prompt.length - 1 ? prompt[i] : undefined, { cache, near })
      .rows.length,
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
