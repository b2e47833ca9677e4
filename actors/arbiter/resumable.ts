/**
 * Finds cached rows for a prompt behind which a request can go on.
 *
 * Where windowed layers have given rows up, a chain of cached rows is of use only as far as the last
 * row whose window still stands: what comes behind it is computed again.
 *
 * @module
 */
import type { NearRows } from "./near_rows.ts";
import type { PrefixCache } from "./prefix_cache.ts";
import type { Row } from "./row_pool.ts";

/** Cached rows for some tokens. */
export interface CachedRows {
  /** Those behind the last of which a request can go on. */
  rows: Row[];
  /** The last one that was found; undefined: none was. */
  last?: Row;
}

/**
 * The cached rows of `tokens`, from `at` on, behind `parent`, behind which a request can go on.
 *
 * @param options.shelf See {@linkcode PrefixCache.find}.
 */
export function cachedRows(
  tokens: (at: number) => number | undefined,
  { parent, cache, near, shelf }: {
    parent?: Row;
    cache: PrefixCache;
    /** Which rows windowed layers keep; undefined: all. */
    near?: NearRows;
    shelf?: boolean;
  },
): CachedRows {
  const rows: Row[] = [];
  let last = parent;
  let usable = 0;
  // Those behind the parent stand: it could not be gone on from before else.
  let run = Infinity;
  for (;;) {
    const token = tokens(rows.length);
    const row = token === undefined ? undefined : cache.find(last, token, { shelf });
    if (!row) break;
    rows.push(last = row);
    if (near) run = row.near >= 0 ? run + 1 : 0;
    if (!near || near.resumable(row, run)) usable = rows.length;
  }
  return { rows: rows.slice(0, usable), ...(rows.length > 0 && { last }) };
}
