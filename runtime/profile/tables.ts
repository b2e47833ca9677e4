/**
 * From what a clock showed to time tables: medians and differences. Pure.
 *
 * @module
 */
import type { TimeTable } from "../../planner/mod.ts";

/** Middle of the values; of an even number the mean of the two in the middle. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * One point of a comparison: seconds of a frame on the plain stage and on the one with more in it,
 * repeat by repeat.
 */
export interface Paired {
  rows: number;
  past: number;
  /** (repeats) */
  plain: number[];
  /** (repeats) */
  more: number[];
}

/**
 * What the larger stage has beyond the plain one, shared by `parts` equal parts: the median of the
 * differences, repeat by repeat, as whatever slowed the machine in a repeat slowed both. Never
 * negative.
 */
export function differenceTable(points: Paired[], parts: number): TimeTable {
  return table(points, ({ plain, more }) => median(more.map((m, i) => m - plain[i])) / parts);
}

/** Median seconds of the plain stage itself. */
export const plainTable = (points: Paired[]): TimeTable =>
  table(points, ({ plain }) => median(plain));

/** A table and another one with the same past and more rows, as one. */
export const longerTable = (table: TimeTable, more: TimeTable): TimeTable => ({
  rows: [...table.rows, ...more.rows],
  past: table.past,
  seconds: [...table.seconds, ...more.seconds],
});

/** A table over the points' rows and past; every pair must be there once. */
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
