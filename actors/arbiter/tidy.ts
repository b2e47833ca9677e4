/**
 * When rows that no open request names are moved out of the arena. Pure.
 *
 * Every slot below a frame's last row takes part in its attention, masked or not: rows of ended requests (cold rows) and
 * holes slow every row that is still to come. While nothing runs they cost nothing, and all stay that memory allows. While
 * something runs:
 *
 * 1. {@linkcode spareRows} of them may stay whatever they cost.
 * 2. A cold row beyond goes when its tax on the rows to come, paid once for each request that has ended since it was used
 *    and once more, reaches the price of computing it again times the share of prompts that come back. (As skis are
 *    rented until the rent has reached their price: never much more than twice what the best choice would have cost.)
 * 3. They go, and with them all holes, when that saves more than moving the rest together costs.
 *
 * @module
 */

/** Part of a single row's time that each further slot costs it: 2000 slots made a row of 21.6 ms one of 31.8 ms. */
const TAX = 0.00024;
/** Foreign slots that are never worth a thought. */
const SPARE_ROWS = 256;
/** Foreign slots for each row that open requests name. */
const SPARE_SHARE = 1 / 4;

/** What {@linkcode tidy} looks at. */
export interface TidySituation {
  /** Rows that open requests name. */
  live: number;
  /** Cached rows that none of them names. */
  cold: number;
  holes: number;
  /** Rows that open requests will probably still run. */
  rowsToCome: number;
  /** Milliseconds of one row at the slowest stage. */
  rowMs: number;
  /** Milliseconds of a prompt row there, in a piece. */
  promptRowMs: number;
  /** Share of prompts that go on with an earlier one, 0 .. 1. */
  comesBack: number;
  /** Milliseconds there of moving one row. */
  moveRowMs: number;
  /** Cold rows of more than this age, in requests that have ended since. */
  olderThan: (age: number) => number;
}

/** Foreign slots that may stay beside so many rows of open requests. */
export const spareRows = (live: number): number => Math.max(SPARE_ROWS, SPARE_SHARE * live);

/** Cold rows to evict, all of more than an age, before the rest is moved together; undefined: all stays as it is. */
export function tidy(s: TidySituation): { evict: number; age: number } | undefined {
  const surplus = s.holes + s.cold - spareRows(s.live);
  const tax = TAX * s.rowMs * s.rowsToCome;
  if (surplus <= 0 || tax <= 0) return undefined;
  const age = s.comesBack * s.promptRowMs / tax - 1;
  const evict = Math.min(Math.floor(Math.max(0, surplus - s.holes)), s.olderThan(age));
  const saved = (s.holes + evict) * tax;
  return saved > (s.live + s.cold - evict) * s.moveRowMs ? { evict, age } : undefined;
}
