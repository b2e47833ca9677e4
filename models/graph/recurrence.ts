/**
 * A recurrent state in place of attention (Mamba 2). Each row brings some numbers, which a short
 * convolution mixes with those of the rows before it; they change the state of the row before, and
 * read the new one.
 *
 * What a row brings stays in the arena's slot of the row, as keys and values do, and states are
 * kept after some rows. The state after any other row comes from that of the nearest known row
 * before it and from what the rows between bring. So the text may branch, rows may be dropped and
 * moved, and each row gets the same numbers in whatever pieces a text is run: the operator computes
 * one row after the other, and the same bits from one piece as from several.
 *
 * @module
 */
import {
  addend,
  linear,
  type RecurrenceInputs,
  type StageScope,
  transposedTable,
  type Weight,
} from "./blocks.ts";
import { recurrenceChannels } from "../arch/mod.ts";
import type { Geometry } from "../manifest.ts";
import type { GraphBuilder, OpOptions, Value } from "./builder.ts";
import { recurrenceNames } from "./contract.ts";

/** The weights of a recurrence of `heads` heads of W channels in all; C channels are convolved. */
export interface RecurrenceWeights {
  /** [W + C + heads, H]: gate, what is convolved, steps. */
  input: Weight;
  inputBias?: Weight;
  /** [C, K], that of the row itself last. */
  kernel: Weight;
  kernelBias?: Weight;
  /** Added to the steps, [heads]. */
  stepBias: Weight;
  /** Logarithm of how fast states decay, [heads]. */
  decay: Weight;
  /** Share of what is written that passes the state by, [heads]. */
  skip: Weight;
  /** Gain of the norm, [W]; undefined: there is none. */
  norm?: Weight;
}

/** Declares the inputs of all recurrences of a stage; K rows take part in their convolutions. */
export function recurrenceInputs(
  { graph }: Pick<StageScope, "graph">,
  kernel: number,
): RecurrenceInputs {
  const segments = ["segments", "steps"];
  return {
    slots: graph.input("state_slots", "i64", [1, 1, "rows", 3]),
    taps: graph.input("state_taps", "i64", [...segments, kernel]),
    seen: graph.input("state_seen", "f32", [...segments, kernel, 1]),
    live: graph.input("state_live", "f32", [...segments, 1]),
    roots: graph.input("state_roots", "i64", ["segments"]),
    rows: graph.input("state_rows", "i64", ["rows"]),
    saved: graph.input("state_saved", "i64", ["saved"]),
    places: graph.input("state_places", "i64", ["saved", 1]),
  };
}

/**
 * Adds a recurrence: (1, S, H) -> (1, S, W), to which the projection `out` is yet to be applied.
 *
 *     x -> in_proj -+-> gate --------------------------------------------------- silu --.
 *                   +-> what is convolved --> slots of the arena -> segments            |
 *                   '-> steps ------------'     |                                       |
 *                          convolution, silu -+-> written, times step -+                |
 *                                             +-> writes ------------- LinearAttention -(*)- norm ->
 *                                             '-> reads --------------'   (states)
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
  const { heads, head_dim, groups, state } = shape;
  const inputs = stage.recurrence!;
  const width = heads * head_dim;
  const channels = recurrenceChannels(shape);
  const names = recurrenceNames(layer);
  const node = (
    op: string,
    name: string,
    from: Value[],
    attributes: OpOptions["attributes"] = {},
  ) => graph.node(op, `${path}/${name}/${op}`, from, { attributes });
  const split = (name: string, from: Value, axis: number, parts: [string, number][]) =>
    splitInto(graph, `${path}/${name}`, from, axis, parts);
  const reshaped = (name: string, from: Value, dims: number[]) =>
    node("Reshape", name, [from, graph.ints(`/state/shape/${dims.join("_")}`, dims)]);

  const product = linear(stage, `${path}/in_proj`, x, weights.input, weights.inputBias);
  const projected = shape.factors
    ? node("Mul", "factors", [product, factorsOf(graph, shape)])
    : product;
  const [gate, brought] = split("projected", projected, 2, [
    ["gate", width],
    ["brought", channels + heads],
  ]);
  const rows = segmentRows(stage, path, names, { brought, size: channels + heads });
  const [mixable, allSteps] = split("rows", rows, 5, [["mixable", channels], ["steps", heads]]);

  const weighted = node("Mul", "weighted", [
    node("Mul", "seen", [mixable, inputs.seen]),
    transposedTable(stage, `${path}/kernel`, weights.kernel),
  ]);
  const sum = node("ReduceSum", "sum", [weighted, graph.ints("/state/sums", [0, 1, 4])], {
    keepdims: 0,
  });
  const summed = weights.kernelBias
    ? node("Add", "biased", [sum, addend(stage, `${path}/kernel_bias`, weights.kernelBias)])
    : sum;
  const [written, key, query] = split("mixed", silu(graph, `${path}/mixed`, summed), 2, [
    ["written", width],
    ["writes", groups * state],
    ["reads", groups * state],
  ]);

  const last = node("Gather", "last", [allSteps, graph.ints("/state/last", [-1], [])], { axis: 4 });
  const raised = node("Add", "raised", [
    node("Squeeze", "steps", [last, graph.ints("/state/ones", [0, 1])]),
    addend(stage, `${path}/step_bias`, weights.stepBias),
  ]);
  // Beyond the end of a segment the step is 0: nothing is written there, and nothing decays.
  const steps = node("Mul", "live", [node("Softplus", "step", [raised]), inputs.live]);
  const speed = node("Neg", "decay", [
    node("Exp", "decay", [addend(stage, `${path}/decay`, weights.decay)]),
  ]);

  const ofHeads = reshaped("heads", written, [0, 0, heads, head_dim]);
  const stepped = node("Mul", "stepped", [
    ofHeads,
    node("Unsqueeze", "stepped", [steps, graph.ints("/state/each", [3])]),
  ]);
  const past = node("Gather", "past", [names.pastState, inputs.roots], { axis: 0 });
  graph.input(names.pastState, "f32", ["states", heads, state, head_dim]);
  const [read, after] = [`${path}/read`, `${path}/after`];
  graph.contrib("LinearAttention", `${path}/LinearAttention`, [
    query,
    key,
    reshaped("value", stepped, [0, 0, width]),
    past,
    node("Mul", "decays", [steps, speed]),
  ], {
    attributes: {
      q_num_heads: groups,
      kv_num_heads: heads,
      update_rule: "gated",
      scale: { float: 1 },
    },
    outputs: [read, after],
  });
  // The buffer is input and output at once, so that only the kept states are written.
  graph.node("ScatterND", `${path}/states/ScatterND`, [
    names.pastState,
    inputs.places,
    node("Gather", "kept", [after, inputs.saved], { axis: 0 }),
  ], { outputs: [names.presentState] });
  graph.output(names.presentState, "f32", ["states", heads, state, head_dim]);

  const skip = reshaped("skip", addend(stage, `${path}/skip`, weights.skip), [heads, 1]);
  const output = node("Add", "output", [
    reshaped("read", read, [0, 0, heads, head_dim]),
    node("Mul", "skipped", [ofHeads, skip]),
  ]);
  const own = node("Gather", "own", [reshaped("all", output, [1, -1, width]), inputs.rows], {
    axis: 1,
  });
  const normed = (value: Value) =>
    weights.norm ? groupNorm(stage, `${path}/norm`, value, weights.norm) : value;
  const first = shape.norm === "first";
  const gated = node("Mul", "gated", [
    first ? normed(own) : own,
    silu(graph, `${path}/gate`, gate),
  ]);
  return first ? gated : normed(gated);
}

/**
 * Writes what the frame's rows bring (1, S, F) to their slots, and looks up what the rows of all
 * segments and their ancestors brought -> (1, 1, N, M, K, F).
 */
function segmentRows(
  { graph, recurrence: inputs }: StageScope,
  path: string,
  { pastInputs, presentInputs }: ReturnType<typeof recurrenceNames>,
  { brought, size }: { brought: Value; size: number },
): Value {
  const dims = [1, 1, "capacity", size];
  graph.input(pastInputs, "f32", dims);
  const own = graph.node("Unsqueeze", `${path}/own/Unsqueeze`, [
    brought,
    graph.ints("/state/axis", [1]),
  ]);
  // The buffer is input and output at once, so that only the rows of the frame are written.
  graph.node("ScatterND", `${path}/rows/ScatterND`, [pastInputs, inputs!.slots, own], {
    outputs: [presentInputs],
  });
  graph.output(presentInputs, "f32", dims);
  return graph.node("Gather", `${path}/rows/Gather`, [presentInputs, inputs!.taps], {
    attributes: { axis: 2 },
  });
}

/** The factors of what the projection gives, (W + C + heads). */
function factorsOf(graph: GraphBuilder, shape: NonNullable<Geometry["recurrence"]>): Value {
  const { heads, head_dim, groups, state, factors } = shape;
  const width = heads * head_dim;
  const sizes = [width, width, groups * state, groups * state, heads];
  const values = Float32Array.from(sizes.flatMap((size, i) => Array(size).fill(factors![i])));
  return graph.constant({
    name: "/state/factors",
    dtype: "f32",
    dims: [values.length],
    data: new Uint8Array(values.buffer),
  });
}

/** x * sigmoid(x). */
const silu = (graph: GraphBuilder, path: string, x: Value): Value =>
  graph.contrib("QuickGelu", `${path}/QuickGelu`, [x], { attributes: { alpha: { float: 1 } } });

/** RMSNorm of each group of channels, (1, S, W) -> the same; the gain is [W]. */
function groupNorm(stage: StageScope, path: string, x: Value, gain: Weight): Value {
  const { graph, geometry } = stage;
  const { groups } = geometry.recurrence!;
  const [width] = gain.entry.shape;
  const factors = addend(stage, `${path}/gain`, gain);
  const normed = (from: Value, by: Value) =>
    graph.node("SimplifiedLayerNormalization", `${path}/LayerNorm`, [from, by], {
      attributes: { axis: -1, epsilon: { float: geometry.norm_eps }, stash_type: 1 },
    });
  if (groups === 1) return normed(x, factors);
  const size = width / groups;
  const shaped = (name: string, from: Value, dims: number[]) =>
    graph.node("Reshape", `${path}/${name}/Reshape`, [
      from,
      graph.ints(`/state/shape/${dims.join("_")}`, dims),
    ]);
  const ones = new Uint8Array(new Float32Array(size).fill(1).buffer);
  const one = graph.constant({
    name: `/state/ones_${size}`,
    dtype: "f32",
    dims: [size],
    data: ones,
  });
  const each = normed(shaped("groups", x, [0, 0, groups, size]), one);
  return graph.node("Mul", `${path}/Mul`, [shaped("all", each, [0, 0, width]), factors]);
}

/** Parts of `from` along an axis, with so many elements each. */
function splitInto(
  graph: GraphBuilder,
  path: string,
  from: Value,
  axis: number,
  parts: [name: string, size: number][],
): Value[] {
  const outputs = parts.map(([name]) => `${path}/${name}`);
  const sizes = parts.map(([, size]) => size);
  graph.node(
    "Split",
    `${path}/Split`,
    [from, graph.ints(`/state/sizes/${sizes.join("_")}`, sizes)],
    {
      attributes: { axis },
      outputs,
    },
  );
  return outputs;
}
