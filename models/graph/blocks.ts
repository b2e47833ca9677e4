/**
 * Blocks that all architectures share. Shapes: S rows, H hidden, N heads, KV KV heads, D head_dim,
 * P D rounded up. (..) stands for (1, S), and in the last stage, once the wanted rows are picked,
 * for (W).
 *
 * @module
 */
import { modelError } from "../errors.ts";
import { BLOCK, type Geometry, type Group, type TensorEntry } from "../manifest.ts";
import type { GraphBuilder, Value } from "./builder.ts";
import type { Grams } from "./grams.ts";

/** The graph that is being built and what its products have in common. */
export interface GraphScope {
  graph: GraphBuilder;
  geometry: Geometry;
  /** Attribute `accuracy_level` of MatMulNBits, see `StageGraphOptions` in stage.ts. */
  accuracyLevel: number;
}

/** Graph inputs that the convolutions of all layers share; see `contract.ts`. */
export interface ConvolutionInputs {
  slots: Value;
  taps: Value;
  seen: Value;
}

/** Graph inputs that the recurrences of all layers share; see `contract.ts`. */
export interface RecurrenceInputs {
  slots: Value;
  taps: Value;
  seen: Value;
  own: Value;
  groups: { name: string; steps: Value; live: Value; roots: Value; saved: Value }[];
  rows: Value;
  places: Value;
}

/** A graph of layers, and what they have in common. */
export interface StageScope extends GraphScope {
  /** Graph inputs that the attention of all layers shares. */
  attention: { positions: Value };
  /** Graph inputs that all convolutions share; undefined: no layer has one. */
  convolution?: ConvolutionInputs;
  /** Graph inputs that all recurrences share; undefined: no layer has one. */
  recurrence?: RecurrenceInputs;
  /** Where what projections read is noted; undefined: nobody asks. */
  grams?: Grams;
  /** Whether keys and values are rounded to int8 and back. @default false */
  roundedCache?: boolean;
}

/** Inputs of attention that differ between layers with and without a window. */
export interface View {
  /** Number that is added to each score, f32 (1, 1, S, T): 0 or `MASKED`. */
  bias: Value;
  /** T - 1, i32 (1). */
  pastRows: Value;
  /** T, i32 (). */
  totalRows: Value;
  /** Cos and sin tables; undefined: the layer does not rotate. */
  rotary?: { cos: Value; sin: Value };
}

/** A tensor that lies in a blob. */
export interface Weight {
  /** Name of the constant in the graph: the tensor's name in Hugging Face checkpoints. */
  name: string;
  /** The blob's file name. */
  blob: string;
  entry: TensorEntry;
}

/**
 * Looks a tensor up in a group. Throws OrreryError `model/tensor_missing`, or `model/bad_tensor`
 * for one of another shape.
 */
export function weightOf(group: Group, tensor: string, name: string, shape: number[]): Weight {
  const entry = group.tensors[tensor];
  if (!entry) {
    const message = `manifest has no tensor ${tensor} (${name}); convert the model again`;
    throw modelError("tensor_missing", message, { tensor, name });
  }
  if (entry.shape.join() !== shape.join()) {
    const message =
      `tensor ${name} has shape [${entry.shape}], the model's geometry needs [${shape}]`;
    throw modelError("bad_tensor", message, { tensor, name });
  }
  return { name, blob: group.sha256, entry };
}

/** Some rows of a stored [rows, columns] or [rows], in place in its blob; `first` is 0-based. */
export function rowsOf(
  { blob, entry }: Weight,
  name: string,
  { first, rows }: { first: number; rows: number },
): Weight {
  const [all, ...columns] = entry.shape;
  const some = ({ offset, bytes }: { offset: number; bytes: number }) => ({
    offset: offset + first * bytes / all,
    bytes: rows * bytes / all,
  });
  return {
    name,
    blob,
    entry: {
      ...entry,
      shape: [rows, ...columns],
      data: some(entry.data),
      ...(entry.scales && { scales: some(entry.scales) }),
      ...(entry.zeros && { zeros: some(entry.zeros) }),
    },
  };
}

/** (.., in) times a projection [out, in], plus a bias [out] if there is one -> (.., out). */
export function linear(
  stage: StageScope,
  path: string,
  x: Value,
  weight: Weight,
  bias?: Weight,
): Value {
  const [rows, columns] = weight.entry.shape;
  const product = isQuantised(weight)
    ? blockedProduct(stage, path, x, weight)
    : stage.graph.node("MatMul", `${path}/MatMul`, [x, wide(stage, path, weight, [columns, rows])]);
  if (!bias) return product;
  return stage.graph.node("Add", `${path}/Add`, [product, addend(stage, path, bias)]);
}

/** A vector that is to be added, such as a bias [n]. */
export const addend = (stage: GraphScope, path: string, weight: Weight): Value =>
  wide(stage, path, weight, weight.entry.shape);

/** A matrix [rows, columns] that is stored as (columns, rows), as that. */
export const transposedTable = (stage: GraphScope, path: string, weight: Weight): Value =>
  wide(stage, path, weight, [...weight.entry.shape].reverse());

/**
 * (W, in) times a matrix [rows, in] that is stored by rows in every precision, as the LM head is and
 * experts are, plus a bias [rows] if there is one -> `output` (W, rows).
 */
export function rowProduct(
  stage: GraphScope,
  path: string,
  x: Value,
  weight: Weight,
  { output, bias }: { output?: Value; bias?: Weight } = {},
): Value {
  const { entry } = weight;
  const summand = bias ? [wide(stage, `${path}/bias`, bias, bias.entry.shape)] : [];
  if (isQuantised(weight)) {
    if (!bias) return blockedProduct(stage, path, x, weight, output);
    return stage.graph.node("Add", `${path}/Add`, [
      blockedProduct(stage, path, x, weight),
      ...summand,
    ], { outputs: output ? [output] : undefined });
  }
  const inputs = [x, wide(stage, path, weight, entry.shape), ...summand];
  return stage.graph.node("Gemm", `${path}/Gemm`, inputs, {
    attributes: { transB: 1 },
    outputs: output ? [output] : undefined,
  });
}

const isQuantised = ({ entry }: Weight) => entry.format === "q4" || entry.format === "q8";

/**
 * Product with a quantised [out, in]; `in` need not be a multiple of the block: the stored tail is
 * zeros and is not read.
 */
function blockedProduct(
  stage: GraphScope,
  path: string,
  x: Value,
  weight: Weight,
  output?: Value,
): Value {
  const { shape: [rows, columns], format, block = BLOCK } = weight.entry;
  const bits = format === "q4" ? 4 : 8;
  const blocks = Math.ceil(columns / block);
  return stage.graph.contrib("MatMulNBits", `${path}/MatMul`, [
    x,
    dense(stage, weight, [rows, blocks, block * bits / 8]),
    scales(stage, weight, [rows, blocks]),
    ...zeroPoints(stage, weight, [rows, Math.ceil(blocks / 2)]),
  ], {
    attributes: {
      K: columns,
      N: rows,
      bits,
      block_size: block,
      accuracy_level: stage.accuracyLevel,
    },
    outputs: output ? [output] : undefined,
  });
}

/**
 * Gives an f32 or f16 tensor as f32. ONNX Runtime folds the Cast when it makes the session, so an
 * f16 stage takes the memory of f32 and runs at its speed (the CPU provider has no f16 product on
 * x64).
 */
function wide(stage: GraphScope, path: string, weight: Weight, dims: number[]): Value {
  const value = dense(stage, weight, dims);
  if (weight.entry.format === "f32") return value;
  return stage.graph.node("Cast", `${path}/Cast`, [value], { attributes: { to: 1 } });
}

/**
 * Looks tokens (1, S) up in a table [vocab, H] and multiplies by the embedding's factor -> (1, S,
 * H).
 */
export function embedding(stage: StageScope, path: string, tokens: Value, weight: Weight): Value {
  const rows = tableRows(stage, path, tokens, weight);
  const { embedding_scale: factor } = stage.geometry;
  if (factor === undefined) return rows;
  return stage.graph.node("Mul", `${path}/Mul`, [rows, stage.graph.float(`${path}/scale`, factor)]);
}

/**
 * Looks tokens (1, S) up in a table [vocab, H] -> (1, S, H). Only the rows of these tokens are
 * dequantised.
 */
function tableRows(stage: StageScope, path: string, tokens: Value, weight: Weight): Value {
  const { graph } = stage;
  const { shape: [vocab, hidden], format, block = BLOCK } = weight.entry;
  if (format === "f32" || format === "f16") {
    const rows = graph.node("Gather", `${path}/Gather`, [
      dense(stage, weight, [vocab, hidden]),
      tokens,
    ]);
    return format === "f32"
      ? rows
      : graph.node("Cast", `${path}/Cast`, [rows], { attributes: { to: 1 } });
  }
  const bits = format === "q4" ? 4 : 8;
  const blocks = Math.ceil(hidden / block);
  const rows = graph.contrib("GatherBlockQuantized", `${path}/Gather`, [
    dense(stage, weight, [vocab, blocks * block * bits / 8]),
    tokens,
    scales(stage, weight, [vocab, blocks]),
    ...zeroPoints(stage, weight, [vocab, Math.ceil(blocks / 2)]),
  ], { attributes: { bits, block_size: block, gather_axis: 0, quantize_axis: 1 } });
  if (blocks * block === hidden) return rows;
  const [start, end, axis] = [0, hidden, 2].map((n, i) =>
    graph.ints(`${path}/Slice/${["start", "end", "axis"][i]}`, [n])
  );
  return graph.node("Slice", `${path}/Slice`, [rows, start, end, axis]);
}

/** What norms multiply by [H] and, in some families, add [H]. */
export interface NormWeights {
  gain: Weight;
  bias?: Weight;
  /** Added to the mean of the squares. @default that of the geometry */
  epsilon?: number;
}

/** Norm over the last axis, of the kind that the geometry says, (.., H) -> (.., H). */
export function norm(stage: StageScope, path: string, x: Value, weights: NormWeights): Value {
  const layer = stage.geometry.norms?.kind === "layer";
  return (layer ? layerNorm : rootMeanSquareNorm)(stage, path, x, weights);
}

/** Root-mean-square norm over the last axis, (.., H) -> (.., H). */
function rootMeanSquareNorm(
  stage: StageScope,
  path: string,
  x: Value,
  { gain, epsilon = stage.geometry.norm_eps }: NormWeights,
): Value {
  const inputs = [x, factors(stage, path, gain)];
  return stage.graph.node("SimplifiedLayerNormalization", `${path}/LayerNorm`, inputs, {
    attributes: { axis: -1, epsilon: { float: epsilon }, stash_type: 1 },
  });
}

/** Norm that subtracts the mean first, over the last axis, (.., H) -> (.., H). */
function layerNorm(stage: StageScope, path: string, x: Value, weights: NormWeights): Value {
  const { graph, geometry } = stage;
  const inputs = [x, factors(stage, path, weights.gain), ...summands(stage, path, weights)];
  return graph.node("LayerNormalization", `${path}/LayerNorm`, inputs, {
    attributes: { axis: -1, epsilon: { float: geometry.norm_eps } },
  });
}

/**
 * The factors [H] of a norm: stored gain plus offset. ONNX Runtime folds the sum when it makes the
 * session.
 */
function factors(stage: StageScope, path: string, weight: Weight): Value {
  const stored = wide(stage, path, weight, weight.entry.shape);
  const offset = stage.geometry.norms?.offset;
  if (!offset) return stored;
  return stage.graph.node("Add", `${path}/gain/Add`, [
    stored,
    stage.graph.float("/norm/offset", offset),
  ]);
}

/** The bias [H] of a norm, where it has one. */
const summands = (stage: StageScope, path: string, { bias }: NormWeights): Value[] =>
  bias ? [wide(stage, `${path}/bias`, bias, bias.entry.shape)] : [];

/** Adds two (.., H) and norms the sum, as `output`; returns both. */
export function skipNorm(
  stage: StageScope,
  path: string,
  x: Value,
  skip: Value,
  weights: NormWeights,
  output: Value = `${path}/SkipLayerNorm/output_0`,
): { normed: Value; sum: Value } {
  const { graph, geometry } = stage;
  const sum = `${path}/SkipLayerNorm/output_3`;
  const kind = geometry.norms?.kind === "layer" ? "" : "Simplified";
  const inputs = [x, skip, factors(stage, path, weights.gain), ...summands(stage, path, weights)];
  const normed = graph.contrib(`Skip${kind}LayerNormalization`, `${path}/SkipLayerNorm`, inputs, {
    attributes: { epsilon: { float: geometry.norm_eps } },
    outputs: [output, "", "", sum],
  });
  return { normed, sum };
}

/** Norms all numbers of a row together (RMSNorm): (1, S, n) -> the same. `epsilon` as in NormWeights. */
export const headsNorm = (
  stage: StageScope,
  path: string,
  x: Value,
  gain: Weight,
  epsilon?: number,
): Value => rootMeanSquareNorm(stage, path, x, { gain, epsilon });

/** Norms each of `count` heads (RMSNorm): (1, S, count*D) -> the same. */
export function headNorm(
  stage: StageScope,
  path: string,
  x: Value,
  count: number,
  weight: Weight,
): Value {
  const { graph, geometry: { head_dim } } = stage;
  const heads = graph.node("Reshape", `${path}/heads/Reshape`, [
    x,
    graph.ints(`${path}/heads`, [0, 0, count, head_dim]),
  ]);
  const normed = rootMeanSquareNorm(stage, path, heads, { gain: weight });
  return graph.node("Reshape", `${path}/rows/Reshape`, [
    normed,
    graph.ints(`${path}/rows`, [0, 0, count * head_dim]),
  ]);
}

/** x * factor of any shape -> `output`; x itself where the factor is undefined. */
export function scaled(
  stage: GraphScope,
  path: string,
  x: Value,
  factor: number | undefined,
  output?: Value,
): Value {
  if (factor === undefined) return x;
  const inputs = [x, stage.graph.float(`${path}/factor`, factor)];
  return stage.graph.node("Mul", `${path}/Mul`, inputs, output ? { outputs: [output] } : {});
}

/** cap * tanh(x / cap) of any shape -> `output`. */
export function softcap(
  stage: GraphScope,
  path: string,
  x: Value,
  cap: number,
  output: Value,
): void {
  const { graph } = stage;
  const factor = graph.float(`${path}/cap`, cap);
  const small = graph.node("Div", `${path}/Div`, [x, factor]);
  const bent = graph.node("Tanh", `${path}/Tanh`, [small]);
  graph.node("Mul", `${path}/Mul`, [bent, factor], { outputs: [output] });
}

/** The elements or codes of a tensor as a constant. */
function dense(stage: GraphScope, { name, blob, entry }: Weight, dims: number[]): Value {
  const { offset, bytes: length } = entry.data;
  const dtype = entry.format === "f32" || entry.format === "f16" ? entry.format : "u8";
  return stage.graph.constant({ name, dtype, dims, data: { location: blob, offset, length } });
}

/** The scales of a quantised tensor as a constant. */
function scales(stage: GraphScope, { name, blob, entry }: Weight, dims: number[]): Value {
  if (!entry.scales) {
    const message =
      `tensor ${name} is stored as ${entry.format} but has no scales; convert the model again`;
    throw modelError("bad_tensor", message, { name });
  }
  const { offset, bytes: length } = entry.scales;
  return stage.graph.constant({
    name: `${name}.scales`,
    dtype: "f32",
    dims,
    data: { location: blob, offset, length },
  });
}

/** The zero points of a tensor, empty if it has none: the operators then take the middle code. */
function zeroPoints(stage: GraphScope, { name, blob, entry }: Weight, dims: number[]): Value[] {
  if (!entry.zeros) return [];
  const { offset, bytes: length } = entry.zeros;
  const data = { location: blob, offset, length };
  return [stage.graph.constant({ name: `${name}.zeros`, dtype: "u8", dims, data })];
}
