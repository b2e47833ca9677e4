/**
 * How many rows the memory of a stage's arenas holds.
 *
 * @module
 */
import { type KvRoom, stateCount, windowedRows } from "../../actors/mod.ts";
import { oneStateBytes, type StageGraph } from "../../models/mod.ts";

/** Most rows that are told: no model has so long a context. */
const MOST_ROWS = 2 ** 30;

/**
 * What a stage has memory for, where its arenas may take so many bytes: the most rows of one request,
 * of which windowed layers keep those that they need, beside the recurrent states.
 */
export function roomOf(
  { kvBytesPerRow, windowedBytesPerRow = 0, window, recurrence }: Pick<
    StageGraph,
    "kvBytesPerRow" | "windowedBytesPerRow" | "window" | "recurrence"
  >,
  bytes: number,
): KvRoom {
  if (window === undefined && !recurrence) {
    // A stage of MLPs alone keeps nothing of a row.
    const rows = kvBytesPerRow === 0 ? MOST_ROWS : Math.floor(bytes / kvBytesPerRow);
    return { rows, bytes };
  }
  const taken = (rows: number) =>
    (kvBytesPerRow - windowedBytesPerRow) * rows +
    (window === undefined
      ? windowedBytesPerRow * rows
      : windowedBytesPerRow * windowedRows(window, { rows, sequences: 1 })) +
    (recurrence ? stateCount(rows) * oneStateBytes(recurrence.states) : 0);
  let [rows, more] = [0, MOST_ROWS];
  while (more - rows > 1) {
    const middle = Math.floor((rows + more) / 2);
    if (taken(middle) <= bytes) rows = middle;
    else more = middle;
  }
  return { rows, bytes };
}
