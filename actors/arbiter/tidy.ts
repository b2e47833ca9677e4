/**
 * When rows that no open request names are moved out of the way of those that run. Pure.
 *
 * Every slot below a frame's last row takes part in its attention, masked or not: rows of ended
 * requests (cold rows) and gaps slow every row that is still to come. While nothing runs they cost
 * nothing, and all stay where they are. While something runs, cold rows go to the shelf and the
 * rest is moved together as soon as that saves more than it costs; a few ({@linkcode spareRows})
 * may stay whatever they cost.
 *
 * Tried before there was a shelf: to evict cold rows once their tax had reached the price of
 * computing them again. Prompts of 512 rows after five others of that length still took 1.3 times
 * as long, and chats by strict turns of eight found nothing cached.
 *
 * @module
 */

/**
 * Part of a single row's time that each further slot costs it: 2000 slots made a row of 21.6 ms one
 * of 31.8 ms.
 */
const TAX = 0.00024;
/** Foreign slots that are never worth a thought. */
const SPARE_ROWS = 64;
/** Foreign slots for each row that open requests name. */
const SPARE_SHARE = 1 / 8;

/** What {@linkcode worthTidying} looks at. */
export interface TidySituation {
  /** Rows that open requests name. */
  live: number;
  /** Cached rows below the shelf that none of them names. */
  cold: number;
  /** Freed slots below the last row. */
  gaps: number;
  /** Rows that open requests will probably still run. */
  rowsToCome: number;
  /** Milliseconds of one row at the slowest stage. */
  rowMs: number;
  /** Milliseconds there of moving one row. */
  moveRowMs: number;
}

/** Foreign slots that may stay beside so many rows of open requests. */
export const spareRows = (live: number): number => Math.max(SPARE_ROWS, SPARE_SHARE * live);

/** Is it worth moving cold rows to the shelf and the rest together? */
export function worthTidying(
  { live, cold, gaps, rowsToCome, rowMs, moveRowMs }: TidySituation,
): boolean {
  const foreign = gaps + cold;
  return foreign > spareRows(live) &&
    foreign * TAX * rowMs * rowsToCome > (live + cold) * moveRowMs;
}
