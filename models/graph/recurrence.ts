/**
 * A recurrent state in place of attention or beside it (Mamba 2, gated delta rule). Each row brings
 * some numbers, which a short convolution mixes with those of the rows before it; they change the
 * state of the row before, and read the new one.
 *
 * What a row brings stays in the arena's slot of the row, as keys and values do, and states are
 * kept after some rows. The state after any other row comes from that of the nearest known row
 * before it and from what the rows between bring. So the text may branch, rows may be dropped and
 * moved, and each row gets the same numbers in whatever pieces a text is run: the operator computes
 * one row after the other, and the same bits from one piece as from several.
 *
 * @module
 */
import { addend, type RecurrenceInputs, type StageScope, transposedTable } from "./blocks.ts";
import { recurrenceChannels } from "../arch/mod.ts";
import { silu } from "./activation.ts";
import type { Value } from "./builder.ts";
import { recurrenceNames, SEGMENT_GROUPS } from "./contract.ts";
import { deltaRule } from "./delta_rule.ts";
import { mamba } from "./mamba.ts";
import { NodesAt } from "./nodes_at.ts";
import type { RecurrenceWeights, StateChange } from "./recurrence_rule.ts";

/** Declares the inputs of all recurrences of a stage; K rows take part in their convolutions. */
export function recurrenceInputs(
  { graph }: Pick<StageScope, "graph">,
  kernel: number,
): RecurrenceInputs {
  return {
    slots: graph.input("state_slots", "i64", [1, 1, "rows", 3]),
    taps: graph.input("state_taps", "i64", ["brought", kernel]),
    seen: graph.input("state_seen", "f32", ["brought", kernel, 1]),
    own: graph.input("state_own", "i64", ["rows"]),
    groups: SEGMENT_GROUPS.map((name) => {
      const [segments, steps] = [`${name}_segments`, `${name}_steps`];
      return {
        name,
        steps: graph.input(`state_steps.${name}`, "i64", [segments, steps]),
        live: graph.input(`state_live.${name}`, "f32", [segments, steps, 1]),
        roots: graph.input(`state_roots.${name}`, "i64", [segments]),
        saved: graph.input(`state_saved.${name}`, "i64", [`${name}_saved`]),
      };
    }),
    rows: graph.input("state_rows", "i64", ["rows"]),
    places: graph.input("state_places", "i64", ["saved", 1]),
  };
}

/**
 * Adds a recurrence: (1, S, H) -> (1, S, W), to which the projection `out` is yet to be applied.
 *
 *     x -> in_proj -+-> gate -----------------------------------------------------------.
 *                   +-> what is convolved --> slots of the arena -> segments             |
 *                   '-> steps ------------'     |                                        |
 *                          convolution, silu -+-> written, times step -.                 |
 *                                             +-> writes -- LinearAttention -- norm and gate ->
 *                                             '-> reads ------' (states)
 */
export function recurrence(
  stage: StageScope,
  path: string,
  layer: number,
  x: Value,
  weights: RecurrenceWeights,
): Value {
  const { graph, geometry } = stage;
  const shape = geometry.recurrence!;
  const { heads, head_dim } = shape;
  const inputs = stage.recurrence!;
  const channels = recurrenceChannels(shape);
  const at = new NodesAt(graph, path);
  const rule = (shape.rule === "delta" ? deltaRule : mamba)(stage, at, weights);
  const { gate, brought } = rule.inputs(x);
  const size = channels + rule.others * heads;
  const rows = segmentRows(stage, at, layer, { brought, size });
  const [mixable, ...others] = at.split("rows", rows, 2, [
    ["mixable", channels],
    ...Array.from({ length: rule.others }, (_, i): [string, number] => [`other${i}`, heads]),
  ]);
  const weighted = at.node("Mul", "weighted", [
    at.node("Mul", "seen", [mixable, inputs.seen]),
    transposedTable(stage, `${path}/kernel`, weights.kernel),
  ]);
  const sum = at.node("ReduceSum", "sum", [weighted, graph.ints("/state/sums", [1])], {
    keepdims: 0,
  });
  const summed = weights.kernelBias
    ? at.node("Add", "biased", [sum, addend(stage, `${path}/kernel_bias`, weights.kernelBias)])
    : sum;
  /** What the rows themselves brought, (R, heads). */
  const last = (other: Value, i: number) =>
    at.node("Gather", `other${i}`, [other, graph.ints("/state/last", [-1], [])], { axis: 1 });
  const change = rule.change(silu(graph, `${path}/mixed`, summed), others.map(last));
  const read = changedStates(stage, at, layer, change);
  const own = (value: Value) => at.node("Gather", "own", [value, inputs.own]);
  const output = at.reshaped("all", rule.output(read, own), [1, -1, heads * head_dim]);
  return rule.gated(output, gate);
}

/** Runs the segments over the known states and keeps some of the new ones -> (S, W). */
function changedStates(
  { graph, geometry, recurrence: inputs }: StageScope,
  at: NodesAt,
  layer: number,
  { query, key, value, decay, beta }: StateChange,
): Value {
  const { pastState, presentState } = recurrenceNames(layer);
  const { heads, head_dim, state, groups } = geometry.recurrence!;
  const dims = ["states", heads, state, head_dim];
  graph.input(pastState, "f32", dims);
  const parts = inputs!.groups.map(({ name, steps, live, roots, saved }) => {
    const within = new NodesAt(graph, `${at.path}/${name}`);
    const taken = (what: string, from: Value) => within.node("Gather", what, [from, steps]);
    // Beyond the end of a segment nothing is written, and nothing decays.
    const masked = (what: string, from: Value) =>
      within.node("Mul", what, [taken(what, from), live]);
    const past = within.node("Gather", "past", [pastState, roots]);
    const [read, after] = [`${within.path}/read`, `${within.path}/after`];
    graph.contrib("LinearAttention", `${within.path}/LinearAttention`, [
      taken("query", query),
      masked("key", key),
      taken("value", value),
      past,
      masked("decay", decay),
      ...(beta ? [taken("beta", beta)] : []),
    ], {
      attributes: {
        q_num_heads: groups,
        kv_num_heads: heads,
        update_rule: beta ? "gated_delta" : "gated",
        scale: { float: 1 },
      },
      outputs: [read, after],
    });
    return {
      read: within.reshaped("rows", read, [-1, heads * head_dim]),
      kept: within.node("Gather", "kept", [after, saved]),
    };
  });
  const joined = (what: "read" | "kept") =>
    at.node("Concat", what, parts.map((part) => part[what]), { axis: 0 });
  // The buffer is input and output at once, so that only the kept states are written.
  graph.node("ScatterND", `${at.path}/states/ScatterND`, [
    pastState,
    inputs!.places,
    joined("kept"),
  ], { outputs: [presentState] });
  graph.output(presentState, "f32", dims);
  return at.node("Gather", "read", [joined("read"), inputs!.rows]);
}

/**
 * Writes what the frame's rows bring (1, S, F) to their slots, and looks up what the rows of all
 * segments and their ancestors brought -> (R, K, F).
 */
function segmentRows(
  { graph, recurrence: inputs }: StageScope,
  at: NodesAt,
  layer: number,
  { brought, size }: { brought: Value; size: number },
): Value {
  const { pastInputs, presentInputs } = recurrenceNames(layer);
  const dims = [1, 1, "capacity", size];
  graph.input(pastInputs, "f32", dims);
  const own = at.node("Unsqueeze", "own", [brought, graph.ints("/state/axis", [1])]);
  // The buffer is input and output at once, so that only the rows of the frame are written.
  graph.node("ScatterND", `${at.path}/rows/ScatterND`, [pastInputs, inputs!.slots, own], {
    outputs: [presentInputs],
  });
  graph.output(presentInputs, "f32", dims);
  const ones = graph.ints("/state/ones", [0, 1]);
  return at.node("Squeeze", "rows", [
    at.node("Gather", "rows", [presentInputs, inputs!.taps], { axis: 2 }),
    ones,
  ]);
}
