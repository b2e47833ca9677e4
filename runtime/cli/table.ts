/**
 * Tables in a terminal.
 *
 * @module
 */

/** Columns side by side; colours do not count as width. Rows may be of different length. */
export function table(rows: string[][]): string {
  // deno-lint-ignore no-control-regex -- terminal colours begin with ESC
  const width = (cell: string) => cell.replaceAll(/\x1b\[\d+m/g, "").length;
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, width(cell)));
  }
  const pad = (cell: string, column: number) => cell + " ".repeat(widths[column] - width(cell));
  return rows.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}
