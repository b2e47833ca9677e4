/**
 * The table that `deno task start` prints of its plan: which node computes which layers, how fast,
 * and why.
 *
 * @module
 */
import type { Plan } from "../../planner/mod.ts";
import { wrap } from "./wrap.ts";

/** Widest line, in characters. */
const WIDTH = 110;

/**
 * A line with the plan's predicted times, and a table of its stages and idle nodes. `self`: the id
 * of the node that prints it, which the table calls `this node`.
 */
export function planTable(plan: Plan, self?: string): string {
  const host = (name: string) => name === self ? "this node" : name;
  const rows = [
    ["stage", "host", "layers", "a row", "why"],
    ...plan.stages.map((s, i) => [
      String(i),
      host(s.host),
      `${s.first_layer}-${s.last_layer}`,
      ms(s.seconds_per_row),
      s.why.replace(/^layers? [\d-]+: /, ""),
    ]),
    ...plan.idle.map((d) => ["idle", host(d.host), "", "", d.why.replace(/^idle: /, "")]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.flatMap((row) => {
    const head = widths.map((width, column) =>
      column === 3 ? row[column].padStart(width) : row[column].padEnd(width)
    ).join("  ");
    const room = Math.max(30, WIDTH - head.length - 4);
    return wrap(row[4], room).map((text, i) =>
      `  ${i === 0 ? head : " ".repeat(head.length)}  ${text}`.trimEnd()
    );
  });
  const { ttft_s, tpot_s, tokens_per_s } = plan.predicted;
  const { draft, bottleneck } = plan;
  return [
    `plan     ${plan.model}, ${plan.objective}: first token after ${ms(ttft_s)}, then ${
      ms(tpot_s)
    } a token, ` +
    `${tokens_per_s.toFixed(1)} tokens/s (for its workload)`,
    ...lines,
    ...wrap(`slowest: ${bottleneck.what} (${ms(bottleneck.seconds)}), ${bottleneck.why}`, WIDTH)
      .map((l) => `  ${l}`),
    ...wrap(
      draft.source === "none"
        ? draft.why
        : `drafts of ${draft.length} (${draft.source}): ${draft.why}`,
      WIDTH,
    ).map((l) => `  ${l}`),
    ...(plan.solo && plan.solo.host !== null
      ? wrap(`the whole model also on ${host(plan.solo.host)}: ${plan.solo.why}`, WIDTH)
        .map((l) => `  ${l}`)
      : []),
    ...plan.binding.flatMap((text) => wrap(text, WIDTH)).map((l) => `  ${l}`),
  ].join("\n");
}

/** Milliseconds as text, with two decimals below 10. */
const ms = (seconds: number) => {
  const value = seconds * 1000;
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
};
