/**
 * A short convolution in place of attention (LFM2). Of each row it takes a few numbers a channel,
 * and adds up those of the row and of the rows before it, channel by channel.
 *
 * The numbers of every row stay in the arena's slot of the row, as keys and values do, and a row
 * finds those of its ancestors by their slots. So a row gets the same result in whatever pieces a
 * text is run, on every branch of a tree, and after other rows were dropped or moved. A recurrent
 * state, which has the last rows alone, would be right for the end of one text only.
 *
 * @module
 */
import {
  addend,
  type ConvolutionInputs,
  linear,
  type StageScope,
  transposedTable,
  type Weight,
} from "./blocks.ts";
import type { Value } from "./builder.ts";
import { convolutionNames } from "./contract.ts";

/** The weights of a convolution. */
export interface ConvolutionWeights {
  /** [3 * H, H]: both gates and what is convolved. */
  input: Weight;
  inputBias?: Weight;
  /** [H, K], that of the row itself last. */
  kernel: Weight;
  kernelBias?: Weight;
}

/** Declares the inputs of all convolutions of a stage; K rows take part in each. */
export function convolutionInputs(
  { graph }: Pick<StageScope, "graph">,
  kernel: number,
): ConvolutionInputs {
  return {
    slots: graph.input("conv_slots", "i64", [1, 1, "rows", 3]),
    taps: graph.input("conv_taps", "i64", ["rows", kernel]),
    seen: graph.input("conv_seen", "f32", ["rows", kernel, 1]),
  };
}

/**
 * Adds a convolution: (1, S, H) -> (1, S, H), to which the projection `out` is yet to be applied.
 *
 *     x -> in_proj -+-> b --(*)-> slots of the arena -> own and ancestors' -> (* kernel), sum -(*)->
 *                   +-> x ---'                                                                 |
 *                   +-> c -------------------------------------------------------------------'
 */
export function convolution(
  stage: StageScope,
  path: string,
  layer: number,
  x: Value,
  { input, inputBias, kernel, kernelBias }: ConvolutionWeights,
): Value {
  const { graph, geometry: { hidden }, convolution: inputs } = stage;
  const { slots, taps, seen } = inputs!;
  const { past, present } = convolutionNames(layer);
  const dims = [1, 1, "capacity", hidden];
  graph.input(past, "f32", dims);
  const node = (op: string, name: string, from: Value[], attributes = {}) =>
    graph.node(op, `${path}/${name}/${op}`, from, { attributes });
  const parts = ["b", "c", "x"].map((part) => `${path}/${part}`);
  graph.node("Split", `${path}/Split`, [linear(stage, `${path}/in_proj`, x, input, inputBias)], {
    attributes: { axis: 2, num_outputs: 3 },
    outputs: parts,
  });
  const [b, c, value] = parts;
  const own = node("Unsqueeze", "own", [
    node("Mul", "own", [b, value]),
    graph.ints("/conv/axis", [1]),
  ]);
  // The buffer is input and output at once, so that only the rows of the frame are written.
  graph.node("ScatterND", `${path}/ScatterND`, [past, slots, own], { outputs: [present] });
  graph.output(present, "f32", dims);
  const rows = node("Gather", "rows", [present, taps], { axis: 2 });
  const weighted = node("Mul", "weighted", [
    node("Mul", "seen", [rows, seen]),
    transposedTable(stage, `${path}/kernel`, kernel),
  ]);
  const sum = node("ReduceSum", "sum", [weighted, graph.ints("/conv/sums", [1, 3])], {
    keepdims: 0,
  });
  const summed = kernelBias
    ? node("Add", "biased", [sum, addend(stage, `${path}/kernel_bias`, kernelBias)])
    : sum;
  return node("Mul", "gated", [c, summed]);
}
