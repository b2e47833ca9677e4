/**
 * Which rows windowed layers keep. Such a layer attends to near rows alone, so far ones need not stand
 * in its buffers: these have **near slots** of their own, fewer than the arena has slots.
 *
 * Rows are kept that a later row may attend to: of a running request those within the window of the
 * first row that has not come back (so that all frames under way can be sent again), and all drafts. A
 * request whose rows may hang on any earlier row keeps all. As far as there is room, the rows behind
 * **anchors** stay too: rows of the cache from which later requests are likely to go on, which are the
 * ends of chains, the ends of prompts, and rows where prompts were found to part.
 *
 * @module
 */
import type { ArbiterRequest } from "./request.ts";
import type { PrefixCache } from "./prefix_cache.ts";
import type { MorePlaces, Row } from "./row_pool.ts";

/** Rows behind a window that are kept too: a later prompt may part a few rows before an anchor. */
const BEHIND_ROWS = 64;
/** Fewest rows for which there is room beside those that are needed, so that rows are moved rarely. */
const LEAST_SLACK = 256;
/** The same as a share of the rows that are needed, since these are what is moved. */
const SLACK_SHARE = 1 / 4;
/** Share of the arena's rows that anchors may have, if that is more than one window, 0 to 1. */
const ANCHOR_SHARE = 1 / 16;
/** Capacities are multiples of this many rows. */
const ROUND_ROWS = 64;

/** What is known of a model's windowed layers. */
export interface Windowed {
  /** Positions that a row attends to in them, its own included. */
  window: number;
  /** Fewest rows for which there is room beside those that are needed. @default 256 */
  slackRows?: number;
}

/** What windowed layers keep from now on. */
export interface NearPlan {
  /** Near slots. */
  capacity: number;
  /** Rows that stay. */
  keep: Row[];
  /** Rows for which there is room then, at most as many as were wanted. */
  rows: number;
}

/** What {@linkcode NearRows.plan} chooses from. */
export interface NearNeeds {
  /** Requests that run. */
  running: readonly ArbiterRequest[];
  cache: PrefixCache;
  /** Slots of the arena. */
  slots: number;
  /** Most near slots. */
  most: number;
}

/** See the module's text. */
export class NearRows implements MorePlaces {
  /** See {@linkcode Windowed}. */
  readonly window: number;
  readonly #slackRows: number;
  /** Near slots that every stage has which has run all frames sent so far. */
  capacity = 0;
  /** Rows by near slot; undefined: a hole. */
  #rows: (Row | undefined)[] = [];

  /** Of an arena that is not open: there are no near slots. */
  constructor({ window, slackRows = LEAST_SLACK }: Windowed) {
    this.window = window;
    this.#slackRows = slackRows;
  }

  /** Near slots after the last row. */
  get room(): number {
    return this.capacity - this.#rows.length;
  }

  /** The rows that have near slots. */
  get standing(): Row[] {
    return this.#rows.filter((row) => row !== undefined);
  }

  /** Gives a row the next near slot. Throws RangeError where there is no room. */
  place(row: Row): void {
    if (this.room <= 0) throw new RangeError(`no near slot is left of ${this.capacity}`);
    row.near = this.#rows.length;
    this.#rows.push(row);
  }

  /** Takes a row's near slot away, if it has one. */
  free(row: Row): void {
    if (row.near < 0) return;
    this.#rows[row.near] = undefined;
    row.near = -1;
    while (this.#rows.length > 0 && !this.#rows.at(-1)) this.#rows.pop();
  }

  /** Forgets all rows: the arena is closed. */
  clear(): void {
    this.#stand([]);
    this.capacity = 0;
  }

  /** Near slots of a new arena whose first frame has `wanted` rows. */
  opening(wanted: number, slots: number): number {
    return Math.min(slots, this.#rounded(this.window + this.#spare(wanted, this.window)));
  }

  /** Can a request go on behind a row, above which `run` rows one after the other have near slots? */
  resumable(row: Row, run: number): boolean {
    return run >= Math.min(this.window - 1, row.position + 1);
  }

  /** What is to stay so that a frame of `wanted` rows, or of as many as possible, has room. */
  plan(wanted: number, { running, cache, slots, most }: NearNeeds): NearPlan {
    const needed = new Set<Row>();
    for (const request of running) for (const row of this.#neededBy(request)) needed.add(row);
    const spare = this.#spare(wanted, needed.size);
    const anchored = this.#anchored(needed, {
      running,
      cache,
      rows: Math.max(this.window + BEHIND_ROWS, ANCHOR_SHARE * slots),
    });
    // Where texts are short yet, it grows with the arena, and not by each slack.
    const wished = Math.max(needed.size + spare + anchored.length, this.opening(wanted, slots));
    // It shrinks only where that gives much back, since each change copies all rows.
    const fits = wished <= this.capacity && 2 * wished > this.capacity;
    const capacity = fits && this.capacity <= most
      ? this.capacity
      : Math.min(most, this.#rounded(wished));
    const left = Math.max(0, capacity - needed.size - spare);
    return {
      capacity,
      keep: [...needed, ...anchored.slice(0, left)],
      rows: Math.max(0, Math.min(wanted, capacity - needed.size)),
    };
  }

  /**
   * Moves the rows that are to stay to near slots 0, 1, 2 ...; all others lose theirs. Cached rows
   * that no request names come first, where frames of others do not reach them. Returns the rows in order.
   */
  arrange({ capacity, keep }: NearPlan): Row[] {
    const rows = keep.filter(({ near }) => near >= 0).sort((a, b) =>
      Math.min(a.users, 1) - Math.min(b.users, 1) || a.slot - b.slot
    );
    this.#stand(rows);
    this.capacity = capacity;
    return rows;
  }

  /** Rows for which there is to be room beside so many that are needed. */
  #spare(wanted: number, needed: number): number {
    return Math.max(wanted, this.#slackRows, Math.ceil(SLACK_SHARE * needed));
  }

  #rounded(rows: number): number {
    const step = Math.min(ROUND_ROWS, this.#slackRows);
    return Math.ceil(rows / step) * step;
  }

  /** Rows of a running request that rows to come, or to be sent again, may attend to. */
  #neededBy(request: ArbiterRequest): Row[] {
    const standing = request.rows.filter((row) => row !== undefined && row.near >= 0) as Row[];
    if (request.open.branches) return standing;
    let next = (request.tip?.position ?? -1) + 1;
    for (const row of request.rows) if (row && !row.done) next = Math.min(next, row.position);
    return standing.filter(({ position }) => position > next - this.window);
  }

  /** Rows behind anchors, besides those that are needed: at most `rows`, those used last first. */
  #anchored(
    needed: ReadonlySet<Row>,
    { running, cache, rows }: {
      running: readonly ArbiterRequest[];
      cache: PrefixCache;
      rows: number;
    },
  ): Row[] {
    const own = running.flatMap((request) => request.rows.filter((row) => row?.anchor) as Row[]);
    const idle = cache.anchors().sort((a, b) => b.used - a.used);
    const found = new Set<Row>();
    for (const anchor of new Set([...own, ...idle])) {
      const behind = this.#behind(anchor).filter((row) => !needed.has(row) && !found.has(row));
      if (found.size + behind.length > rows) break;
      for (const row of behind) found.add(row);
    }
    return [...found];
  }

  /** An anchor and the rows that one behind it attends to, and a few more; none if one is lacking. */
  #behind(anchor: Row): Row[] {
    const rows: Row[] = [];
    let row: Row | undefined = anchor;
    while (row && row.near >= 0 && row.position > anchor.position - this.window - BEHIND_ROWS) {
      rows.push(row);
      row = row.parent;
    }
    return this.resumable(anchor, rows.length) ? rows : [];
  }

  #stand(rows: Row[]): void {
    for (const row of this.#rows) if (row) row.near = -1;
    for (const [near, row] of rows.entries()) row.near = near;
    this.#rows = rows;
  }
}

/**
 * Rows that windowed layers have room for in an arena of `rows` rows, in which so many requests run and
 * earlier ones are kept.
 */
export function windowedRows(
  window: number,
  { rows, sequences }: { rows: number; sequences: number },
): number {
  const needed = sequences * window;
  const anchors = Math.max(window + BEHIND_ROWS, ANCHOR_SHARE * rows);
  return Math.min(rows, Math.ceil(needed + Math.max(LEAST_SLACK, SLACK_SHARE * needed) + anchors));
}
