/**
 * A table of predicted and measured times.
 *
 * @module
 */
import { alignRows } from "../shared/figures.ts";

/** One line of the table. */
export interface Comparison {
  what: string;
  /** Predicted seconds. */
  predictedS: number;
  /** Measured seconds: the median of `allS`. */
  measuredS: number;
  /** Measured seconds of every repeat. */
  allS: number[];
}

/**
 * The table as text. Columns: what, predicted, measured, measured / predicted, relative error of
 * the prediction, range of the repeats.
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
  return alignRows(all, [0, 5]).map((line) => `  ${line.trimEnd()}`).join("\n");
}

const time = (seconds: number) =>
  seconds < 1 ? `${(1000 * seconds).toFixed(1)} ms` : `${seconds.toFixed(2)} s`;
