/**
 * Makes time tables from measured times, by medians and differences. Pure.
 *
 * @module
 */
import type { TimeTable } from "../../planner/mod.ts";

/** Median of the values; for an even number of them, the mean of the two in the middle. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Measured times of one kind of frames on the plain stage and on the one with more in it. */
export interface Paired {
  /** Rows of a frame. */
  rows: number;
  /** Slots of the arena before the first row. */
  past: number;
  /** Seconds of a frame on the plain stage. (repeats) */
  plain: number[];
  /** Seconds of a frame on the other stage, right after. (repeats) */
  more: number[];
}

/**
 * Seconds of each of the `parts` equal parts that the larger stage has beyond the plain one: the
 * median of the differences of the repeats, since whatever slowed the machine in a repeat slowed
 * both stages. Never negative.
 */
export function differenceTable(points: Paired[], parts: number): TimeTable {
  return table(points, ({ plain, more }) => median(more.map((m, i) => m - plain[i])) / parts);
}

/** Median seconds of a frame on the plain stage. */
export const plainTable = (points: Paired[]): TimeTable =>
  table(points, ({ plain }) => median(plain));

/** Joins a table with another one of the same `past` and larger `rows`. */
export const longerTable = (table: TimeTable, more: TimeTable): TimeTable => ({
  rows: [...table.rows, ...more.rows],
  past: table.past,
  seconds: [...table.seconds, ...more.seconds],
});

/** A table of `value` over the points' rows and past; `points` must have every pair once. */
function table(points: Paired[], value: (point: Paired) => number): TimeTable {
  const axis = (of: "rows" | "past") =>
    [...new Set(points.map((p) => p[of]))].sort((a, b) => a - b);
  const rows = axis("rows");
  const past = axis("past");
  const seconds = rows.map((r) =>
    past.map((p) =>
      Math.max(0, value(points.find((point) => point.rows === r && point.past === p)!))
    )
  );
  return { rows, past, seconds };
}
