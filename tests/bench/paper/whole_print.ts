/**
 * Prints the paper's whole table.
 *
 * @module
 */
import { alignRows } from "../shared/figures.ts";
import { BASELINE_ASSUMPTIONS } from "./baselines/mod.ts";
import type { LinkForm } from "./calibrate.ts";
import type { Hardware } from "./hardware.ts";
import { type SystemName, SYSTEMS } from "./published.ts";
import {
  columnErrors,
  errorSources,
  headlineCell,
  type Prediction,
  type WholeRow,
} from "./whole_table.ts";

/** The whole table with one description of the links. */
export interface LinkResult {
  form: LinkForm;
  hardware: Hardware;
  /** Sum of squared relative errors of EdgeShard's 12 cells and 8 bars. */
  loss: number;
  rows: WholeRow[];
  /** Seconds of our planner's plan for each row. */
  ours_s: number[];
}

const NAMES: Record<SystemName, string> = {
  sp: "SP",
  megatron: "Megatron-LM",
  detransformer: "DeTransformer",
  galaxy: "Galaxy",
  edgeshard: "EdgeShard",
  jupiter: "Jupiter",
};

/** How the links are described, with the number that was calibrated. */
function linkText({ form, hardware }: LinkResult): string {
  return form === "scaled"
    ? `a message takes its bytes times ${hardware.wire.toFixed(1)}`
    : `a message takes its bytes and ${(hardware.message_bytes / 1e3).toFixed(0)} kB more`;
}

/** Lines of the whole table: assumptions, then for each description of the links its tables. */
export function wholeLines(results: LinkResult[]): string[] {
  return [
    "The whole table: published -> predicted seconds. Only EdgeShard's column was calibrated on; all others are",
    "predictions: of the baselines by their published algorithms on the same boards and links. Assumed, not fitted:",
    ...Object.entries(BASELINE_ASSUMPTIONS).map(([name, text]) => `  ${name}: ${text}`),
    "  * more memory than a board has: seconds as if it had it. x: out of memory, as published.",
    "",
    "No number was fitted on a prediction's column, but no prediction is blind: the published table was known when the",
    "models were written.",
    "",
    "Links are described in two ways, each with one number, and the boards are calibrated with each. The second was",
    "tried after the errors of the first had been seen; EdgeShard's column decides between them.",
    ...results.flatMap(linkLines),
  ];
}

function linkLines(result: LinkResult, i: number): string[] {
  const { rows, ours_s, loss } = result;
  const status = (system: SystemName) =>
    rows[0].systems[system].calibrated ? "calibrated" : "prediction";
  const heads = [
    ["cell", ...SYSTEMS.map((s) => NAMES[s]), "ours"],
    ["", ...SYSTEMS.map(status), "simulated"],
  ];
  const name = (row: WholeRow) => `${row.environment} ${row.model} ${row.mbit}`;
  const systemsOf = (row: WholeRow, text: (p: Prediction) => string) =>
    SYSTEMS.map((s) => text(row.systems[s]));
  const errors = SYSTEMS.map((system) => columnErrors(rows, system));
  return [
    "",
    `Links ${i + 1}: ${linkText(result)}; sum of EdgeShard's squared errors ${loss.toFixed(5)}`,
    "",
    ...alignRows([
      ...heads,
      ...rows.map((row, r) => [name(row), ...systemsOf(row, cellText), ours_s[r].toFixed(1)]),
      ["mean error", ...errors.map((e) => percent(e.mean)), ""],
      ["without sign", ...errors.map((e) => percent(e.meanAbsolute).slice(1)), ""],
      ["largest", ...errors.map((e) => percent(e.largest).slice(1)), ""],
    ]),
    "",
    "How many times slower than Jupiter, published -> predicted (both predicted):",
    "",
    ...alignRows([
      ...heads,
      ...rows.map((row, r) => [
        name(row),
        ...systemsOf(row, ratioText),
        `${(ours_s[r] / row.systems.jupiter.predicted_s).toFixed(2)}x`,
      ]),
    ]),
    "",
    headlineText(rows),
    "",
    "Where errors come from: a straight line through the three bandwidths gives what boards compute and what a link",
    "carries, published -> predicted:",
    "",
    ...sourceLines(rows),
  ];
}

const percent = (v: number) => `${v >= 0 ? "+" : ""}${(100 * v).toFixed(1)} %`;

function cellText({ published_s, predicted_s, error, lacking }: Prediction): string {
  const published = published_s === null ? "x" : published_s.toFixed(1);
  const mark = lacking.length > 0 ? "*" : "";
  return `${published} -> ${predicted_s.toFixed(1)}${mark} ${
    (error === null ? "" : percent(error)).padStart(7)
  }`;
}

function ratioText({ published_ratio, predicted_ratio }: Prediction): string {
  const published = published_ratio === null ? "x" : `${published_ratio.toFixed(2)}x`;
  return `${published} -> ${predicted_ratio.toFixed(2)}x`;
}

/** The cell of the paper's headline, with the ends that the way of an all-reduce gives. */
function headlineText(rows: WholeRow[]): string {
  const row = headlineCell(rows);
  const { published_ratio, predicted_ratio, range_s } = row.systems.megatron;
  const [low, high] = range_s.map((s) => (s / row.systems.jupiter.predicted_s).toFixed(1));
  return `The headline's cell, Megatron-LM over Jupiter in ${row.environment} ${row.model} ${row.mbit}: ` +
    `published ${published_ratio!.toFixed(1)}x, predicted ${predicted_ratio.toFixed(1)}x ` +
    `(${low}x .. ${high}x with all-reduces by doubling, by a ring or through one board)`;
}

function sourceLines(rows: WholeRow[]): string[] {
  const sources = errorSources(rows);
  return alignRows([
    ["system", "", "computing", "MB on a link", "ratio"],
    ...sources.map(({ environment, model, system, published, predicted }) => [
      NAMES[system],
      `${environment} ${model}`,
      `${published.compute_s.toFixed(1)} -> ${predicted.compute_s.toFixed(1)} s`,
      `${(published.bytes / 1e6).toFixed(0)} -> ${(predicted.bytes / 1e6).toFixed(0)}`,
      `${(predicted.bytes / published.bytes).toFixed(2)}`,
    ]),
  ], [0]);
}
