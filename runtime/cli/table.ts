/**
 * Formats tables for a terminal.
 *
 * @module
 */

/**
 * The rows as lines with aligned columns. Colour codes do not count as width; rows may have
 * different numbers of cells.
 */
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
