/**
 * Predicted beside measured, as a table.
 *
 * @module
 */

/** One line of the table. */
export interface Comparison {
  what: string;
  /** Seconds. */
  predictedS: number;
  /** Seconds, the median of `allS`. */
  measuredS: number;
  /** Every repeat. */
  allS: number[];
}

/** Middle of the values; of an even number the upper one of the two in the middle. */
export function medianOf(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/**
 * Columns: what, predicted, measured, measured over predicted, error of the prediction, spread of
 * the repeats.
 */
export function comparisonTable(lines: Comparison[]): string {
  const rows = lines.map(({ what, predictedS, measuredS, allS }) => {
    const ratio = measuredS / predictedS;
    const error = predictedS / measuredS - 1;
    const spread = `${time(Math.min(...allS))} .. ${time(Math.max(...allS))}`;
    return [
      what,
      time(predictedS),
      time(measuredS),
      ratio.toFixed(2),
      `${error >= 0 ? "+" : ""}${(100 * error).toFixed(1)} %`,
      spread,
    ];
  });
  const all = [["", "predicted", "measured", "ratio", "error", "repeats"], ...rows];
  const widths = all[0].map((_, i) => Math.max(...all.map((row) => row[i].length)));
  return all.map((row) =>
    "  " +
    row.map((cell, i) => i === 0 || i === 5 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))
      .join("  ")
      .trimEnd()
  ).join("\n");
}

const time = (seconds: number) =>
  seconds < 1 ? `${(1000 * seconds).toFixed(1)} ms` : `${seconds.toFixed(2)} s`;
