/**
 * The text that `deno task plan` prints of a plan.
 *
 * @module
 */
import pc from "picocolors";
import { duration, layersText, type Plan, size } from "../../planner/mod.ts";
import { table } from "./table.ts";

/** The whole plan as text: tables of its stages and of what-if changes, and lines for the rest. */
export function planText(plan: Plan): string {
  const blocks = [
    `${pc.bold(plan.model)} for ${plan.objective}; requests enter at ${plan.coordinator}`,
    placementText(plan),
    table([
      [pc.bold("pieces"), pieces(plan.pieces)],
      [
        pc.bold("draft"),
        plan.draft.source === "none" ? plan.draft.why : `${plan.draft.source}: ${plan.draft.why}`,
      ],
      [pc.bold("branches"), `${plan.branches.in_flight} in flight: ${plan.branches.why}`],
      [pc.bold("wire"), `${plan.wire.format}: ${plan.wire.why}`],
      [pc.bold("KV"), kvRows(plan)],
    ]),
    list("if a host dies", plan.backups.map(backup)),
    predictions(plan),
    list("limits", plan.binding),
    whatIf(plan),
  ];
  return blocks.filter((block) => block !== "").join("\n\n");
}

/** Which host does what: stages, shares of the head, the whole model, idle hosts, custom actors. */
export function placementText(plan: Plan): string {
  const beside = [
    ...(plan.head ? [[pc.bold("head"), head(plan.head)]] : []),
    ...(plan.solo ? [[pc.bold("whole model"), solo(plan.solo)]] : []),
  ];
  return [
    stages(plan),
    list("idle", plan.idle.map(({ host, why }) => `${host}: ${why.replace(/^idle: /, "")}`)),
    beside.length > 0 ? table(beside) : "",
    list(
      "actors",
      (plan.actors ?? []).map(({ actor, host, why }) => `${actor} at ${host ?? "no host"}: ${why}`),
    ),
  ].filter((block) => block !== "").join("\n\n");
}

function stages({ stages }: Plan): string {
  const head = ["stage", "host", "layers", "memory", "a row", "why"].map(pc.bold);
  return table([
    head,
    ...stages.map((s, i) => [
      `${i}`,
      s.host,
      s.first_layer === s.last_layer ? `${s.first_layer}` : `${s.first_layer}-${s.last_layer}`,
      size(s.weight_bytes + s.kv_bytes),
      duration(s.seconds_per_row),
      s.why.replace(/^layers? [\d-]+: /, ""),
    ]),
  ]);
}

/** What every stage has memory for. */
function kvRows({ kv_rows, window_rows }: Plan): string {
  const windowed = window_rows === undefined ? "" : `, ${window_rows} in windowed layers`;
  return `${kv_rows} rows at every stage${windowed}`;
}

function solo({ host, weight_bytes, kv_bytes, why }: NonNullable<Plan["solo"]>): string {
  return host === null ? why : `also on ${host}, ${size(weight_bytes + kv_bytes)}: ${why}`;
}

/** The shares of the LM head as text, such as `parts 0-3 on desk, 4-7 on den, of 8`. */
function head(shares: NonNullable<Plan["head"]>): string {
  const parts = shares.map(({ device, first_part, last_part }) =>
    `${first_part === last_part ? first_part : `${first_part}-${last_part}`} on ${device}`
  );
  return `parts ${parts.join(", ")}, of 8`;
}

function backup({ first_layer, last_layer, host, why }: Plan["backups"][number]): string {
  return `${layersText(first_layer, last_layer)}: ${host === null ? why : `${host}, ${why}`}`;
}

/** What the objective reckons with, such as `for 4 equal pieces and 2 frames of 4 rows`. */
function reckonedText({ pieces, frames, rows }: Plan["reckoned"]): string {
  const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
  return `for ${counted(pieces, "equal piece")} and ${counted(frames, "decode frame")} of ${
    counted(rows, "row")
  }`;
}

function predictions(
  { predicted, bottleneck, objective_s, lower_bound, gap, reckoned }: Plan,
): string {
  const proof = gap === 0
    ? "proven optimal"
    : `at most ${(100 * gap).toFixed(2)} % above the best possible ${duration(lower_bound)}`;
  return table([
    [pc.bold("first token"), duration(predicted.ttft_s)],
    [pc.bold("then each"), `${duration(predicted.tpot_s)} in one plain stream`],
    [
      pc.bold("a request"),
      `${Number(predicted.tokens_per_s.toPrecision(3))} tokens/s with drafts and branches as above`,
    ],
    [pc.bold("objective"), `${duration(objective_s)}, ${proof} ${reckonedText(reckoned)}`],
    [
      pc.bold("bottleneck"),
      `${bottleneck.what}: ${duration(bottleneck.seconds)}, ${bottleneck.why}`,
    ],
  ]);
}

function whatIf({ what_if, predicted }: Plan): string {
  if (what_if.length === 0) return "";
  const line = (change: string, p: Plan["predicted"]) => [
    change,
    duration(p.ttft_s),
    duration(p.tpot_s),
    `${Number(p.tokens_per_s.toPrecision(3))}`,
  ];
  return table([
    ["what if", "first token", "then each", "tokens/s"].map(pc.bold),
    line("as planned", predicted),
    ...what_if.map(({ change, ...p }) => line(change, p)),
  ]);
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : [pc.bold(title), ...lines.map((line) => `  ${line}`)].join("\n");
}

/** The rows of prompt pieces as text, such as `512 rows in 12: 8 x 48, 4 x 32`. */
export function pieces(rows: readonly number[]): string {
  const runs: { rows: number; times: number }[] = [];
  for (const n of rows) {
    const last = runs.at(-1);
    if (last?.rows === n) last.times++;
    else runs.push({ rows: n, times: 1 });
  }
  const total = rows.reduce((a, b) => a + b, 0);
  const parts = runs.map((run) => run.times === 1 ? `${run.rows}` : `${run.times} x ${run.rows}`);
  return `${total} rows in ${rows.length}: ${parts.join(", ")}`;
}
