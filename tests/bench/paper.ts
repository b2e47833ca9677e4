// deno-lint-ignore-file no-console
/**
 * The paper's table in the simulator: `deno task bench:paper [--json]`.
 *
 * The boards are calibrated on EdgeShard's column alone, and Jupiter's column is predicted. Then
 * follows what our planner gives, and the whole table: the columns of the other four baselines,
 * predicted from their published algorithms, with two descriptions of the links. Nothing here was
 * measured by us: the hardware is the paper's, and is simulated.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { calibrate, edgeshardLoss, type LinkForm } from "./paper/calibrate.ts";
import { BASELINE_ASSUMPTIONS } from "./paper/baselines/mod.ts";
import { ABLATION, ASSUMPTIONS, leversOf } from "./paper/jupiter.ts";
import { type Cell, PROMPT, TOKENS } from "./paper/published.ts";
import { oursFor, type PaperRow, paperTable } from "./paper/table.ts";
import { type LinkResult, wholeLines } from "./paper/whole_print.ts";
import { wholeTable } from "./paper/whole_table.ts";
import { alignRows } from "./shared/figures.ts";

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });

const hardware = calibrate();
const levers = leversOf(hardware, ABLATION.middle);
const rows = paperTable(hardware);
const plans = [
  { name: "ours", freedom: { continuous: false, early: false } },
  { name: "+draft model", freedom: { continuous: true, early: false } },
  { name: "+early branches", freedom: { continuous: true, early: true } },
];
const found = rows.map((row) =>
  plans.map(({ freedom }) => oursFor(row, { hardware, levers, freedom }))
);

/** The whole table with the links as above, and with the other description of them. */
const whole: LinkResult[] = [
  linkResult("scaled", { hardware, rows, ours_s: found.map(([plain]) => plain.seconds) }),
  linkResult("messages"),
];

if (values.json) {
  const plansOf = (i: number) => found[i].map((f, p) => ({ name: plans[p].name, ...f }));
  console.log(
    JSON.stringify({
      hardware,
      levers,
      rows: rows.map((r, i) => ({ ...r, plans: plansOf(i) })),
      assumptions: BASELINE_ASSUMPTIONS,
      whole,
    }),
  );
} else {
  print();
  for (const line of wholeLines(whole)) console.log(line);
}

/** Everything about one description of the links; what is known already need not be repeated. */
function linkResult(
  form: LinkForm,
  known?: Pick<LinkResult, "hardware" | "ours_s"> & { rows: PaperRow[] },
): LinkResult {
  const hardware = known?.hardware ?? calibrate(form);
  const rows = known?.rows ?? paperTable(hardware);
  const { freedom } = plans[0];
  const ours = () => {
    const levers = leversOf(hardware, ABLATION.middle);
    return rows.map((row) => oursFor(row, { hardware, levers, freedom }).seconds);
  };
  return {
    form,
    hardware,
    loss: edgeshardLoss(hardware),
    rows: wholeTable(hardware, rows),
    ours_s: known?.ours_s ?? ours(),
  };
}

function print(): void {
  const percent = (v: number) => `${v >= 0 ? "+" : ""}${(100 * v).toFixed(1)} %`;
  const table = (heads: string[], lines: string[][]) => {
    for (const line of alignRows([heads, ...lines])) console.log(line);
    console.log();
  };
  const name = ({ environment, model, mbit }: Cell) => `${environment} ${model} ${mbit}`;

  console.log(
    `Prompt ${PROMPT}, ${TOKENS} new tokens. Calibrated on EdgeShard's 12 cells and 8 bars, 6 numbers:`,
  );
  console.log(
    `  NX: ${(1e3 * hardware.launch_s).toFixed(2)} ms a layer and frame, ` +
      `${(1e12 * hardware.read_s).toFixed(1)} ps a weight and frame, ` +
      `${(1e12 * hardware.compute_s).toFixed(2)} ps a weight and row`,
  );
  console.log(
    `  TX2: ${hardware.tx2_compute.toFixed(2)} times slower a row, ${
      hardware.tx2_fixed.toFixed(2)
    } times a frame; ` +
      `Nano against TX2 by data sheet; ${
        hardware.wire.toFixed(1)
      } bytes on the wire a byte of 16-bit hidden state`,
  );
  const { draftLength, branches, pointRows, leastEfficiency } = ASSUMPTIONS;
  const { speculation, outline } = ABLATION.middle;
  console.log(
    `Free, not fitted to Jupiter's column: middle of the ablation's ranges (speculation ${speculation}x, outline ` +
      `${outline}x alone, A 7B) -> acceptance ${
        levers.acceptance.toFixed(3)
      }, outline ${levers.outlineTokens} tokens;`,
  );
  console.log(
    `  ${branches} points, drafts of ${draftLength}, ${pointRows} rows of a point's prompt, least piece at ` +
      `${100 * leastEfficiency} % of full rate, boards in the order of the paper's list\n`,
  );
  table(
    [
      "cell",
      "EdgeShard",
      "calibrated",
      "error",
      "Jupiter",
      "predicted",
      "error",
      "ablation's ends",
    ],
    rows.map((row) => [
      name(row),
      row.edgeshard_s.toFixed(1),
      row.edgeshard.predicted_s.toFixed(1),
      percent(row.edgeshard.error),
      row.jupiter_s.toFixed(1),
      row.jupiter.predicted_s.toFixed(1),
      percent(row.jupiter.error),
      row.jupiter.range_s.map((s) => s.toFixed(1)).join(" .. "),
    ]),
  );
  const worst = (errors: number[]) => (100 * Math.max(...errors.map(Math.abs))).toFixed(1);
  console.log(
    `Largest error: EdgeShard ${worst(rows.map((r) => r.edgeshard.error))} %, ` +
      `Jupiter ${worst(rows.map((r) => r.jupiter.error))} %\n`,
  );
  console.log(
    "Our planner, same request, drafts as likely and as costly: seconds in the simulator, and how many times faster than\n" +
      "EdgeShard as published, Jupiter as published, Jupiter as predicted. Early branches: what if a branch began with its point",
  );
  table(
    ["cell", ...plans.map((p) => p.name), "layers of ours"],
    rows.map((row, i) => [
      name(row),
      ...found[i].map((f) => {
        const ratios = [f.over_edgeshard, f.over_jupiter, row.jupiter.predicted_s / f.seconds];
        return `${f.seconds.toFixed(1)} (${ratios.map((r) => `${r.toFixed(2)}x`).join(" ")})`;
      }),
      found[i][0].system.stages.map((s) => `${s.device}:${s.last - s.first + 1}`).join(" "),
    ]),
  );
}
