/**
 * What the benchmarks print in the same way: the machine, medians and tables.
 *
 * @module
 */
import { cpus, loadavg } from "node:os";

/** The machine in one line: processor, number of cores and, if asked for, the load of a minute. */
export function describeMachine(options: { load?: boolean } = {}): string {
  const load = options.load ? `, load ${loadavg()[0].toFixed(2)}` : "";
  return `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores${load}`;
}

/** Middle of the values; of an even number the upper one of the two in the middle. */
export function medianOf(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/**
 * Rows of cells as lines of a table, each column as wide as its widest cell. Columns whose numbers
 * (0-based) are in `left` are aligned to the left, the others to the right; cells are separated by
 * two spaces.
 */
export function alignRows(rows: string[][], left: readonly number[] = []): string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row.map((cell, i) => left.includes(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))
      .join("  ")
  );
}
