/**
 * When rows that no open request names are moved out of the way of those that run. Pure.
 *
 * Every slot from the lowest row that a frame attends to up to its last row takes part in its
 * attention, masked or not. So **foreign slots**, which are cold rows (cached rows that no request
 * names) and gaps (freed slots), slow every row that is still to run, unless they stand below all
 * that it attends to, which is not looked at here. While no request is open they cost nothing and stay. While one is
 * open, cold rows go to the shelf and the others are moved together as soon as that saves more time
 * than it costs. A few foreign slots ({@linkcode spareRows}) may stay whatever they cost.
 *
 * Before there was a shelf, cold rows were evicted once they had cost as much time as computing
 * them again would. Prompts of 512 rows after five others of that length still took 1.3 times as
 * long, and eight chats that took strict turns found nothing cached.
 *
 * @module
 */

/**
 * Time that each foreign slot adds to a row, as a share of the row's time without any: 2000 slots
 * made a row of 21.6 ms one of 31.8 ms.
 */
const TAX = 0.00024;
/** Foreign slots that may always stay. */
const SPARE_ROWS = 64;
/** Foreign slots that may stay for each row that open requests name. */
const SPARE_SHARE = 1 / 8;

/** What {@linkcode worthTidying} looks at. */
export interface TidySituation {
  /** Rows that open requests name. */
  live: number;
  /** Cached rows, not on the shelf, that no open request names. */
  cold: number;
  /** Freed slots below the last row. */
  gaps: number;
  /** Rows that open requests are likely to run yet. */
  rowsToCome: number;
  /** Milliseconds that the slowest stage takes for one row. */
  rowMs: number;
  /** Milliseconds that the slowest stage takes to move one row in a layout. */
  moveRowMs: number;
}

/** Foreign slots that may stay beside `live` rows of open requests. */
export const spareRows = (live: number): number => Math.max(SPARE_ROWS, SPARE_SHARE * live);

/** Does it save time to move cold rows to the shelf and the other rows together? */
export function worthTidying(
  { live, cold, gaps, rowsToCome, rowMs, moveRowMs }: TidySituation,
): boolean {
  const foreign = gaps + cold;
  return foreign > spareRows(live) &&
    foreign * TAX * rowMs * rowsToCome > (live + cold) * moveRowMs;
}
