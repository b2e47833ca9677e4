import type { Geometry } from "../manifest.ts";
import type { ModelConfig } from "./config.ts";
import type { Packing } from "./packing.ts";

/**
 * What a tensor is for, which decides how it is stored. A `norm` (any vector: the gain of a norm, a
 * bias) is always f32, and so are a `router` [some, hidden] and the `kernel` of a convolution
 * [hidden, rows]. A `projection` [out, in] has the model's precision. So have the `projections` of all experts or heads of a layer, one below the other ([count * out, in]),
 * and the `vocabulary` ([vocab, hidden]: embedding and LM head), except that it is q8 in a q4 model.
 */
export type TensorRole = "norm" | "router" | "kernel" | "projection" | "projections" | "vocabulary";

/** Rows of a larger tensor. */
export interface RowsWithin {
  /** Shape of the larger tensor in the checkpoint. */
  shape: number[];
  /**
   * Number of the first row. All dimensions of the larger tensor but the last count as rows, and a
   * vector's elements are rows of one element.
   */
  firstRow: number;
  /** Distance of the rows. @default 1 */
  step?: number;
}

/** Columns of a matrix in another order than the checkpoint has: whole runs of them. */
export interface ColumnRuns {
  /** Columns of a run. */
  width: number;
  /** For each run of the tensor the number (0-based) of the checkpoint's run. */
  from: readonly number[];
}

/** A tensor that a model needs. */
export interface TensorSpec {
  /** Short name in its group, e.g. `attn.q`. */
  key: string;
  /** Name in the checkpoint. */
  name: string;
  /** Shape in Hugging Face orientation: [out, in] of a projection, [n] of a vector. */
  shape: number[];
  role: TensorRole;
  /** Present when the checkpoint holds this tensor as rows of a larger one. */
  within?: RowsWithin;
  /**
   * Present when the checkpoint holds the rows in several tensors, one after the other in this
   * order, each with as many; then `name` is that of no tensor. `transposed`: these rows are the
   * columns of what the checkpoint holds.
   */
  stacked?: readonly { name: string; within?: RowsWithin; transposed?: boolean }[];
  /** Present when the columns stand in another order in the checkpoint. */
  columns?: ColumnRuns;
}

/** A model's tensors in groups; each group becomes one blob. */
export interface TensorPlan {
  embedding: TensorSpec[];
  layers: TensorSpec[][];
  head: TensorSpec[];
}

/** A family of models. Each family has a small file of its own. */
export interface Architecture {
  /** Hugging Face classes that it covers. */
  readonly classes: readonly string[];
  /**
   * Fields of config.json whose default in transformers differs from Llama's, with that default.
   */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Absent fields of a config.json that follow from those that are `stated`. @default none */
  derived?(stated: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
  /** Settings of this configuration that are not supported, in words; empty: all are supported. */
  unsupported(config: ModelConfig): string[];
  /**
   * Reduces a configuration to a geometry; `architecture` is its Hugging Face class.
   */
  geometry(config: ModelConfig, architecture: string): Geometry;
  /** Kinds of packed weights that its checkpoints may have. @default all but `mxfp4` */
  readonly packings?: readonly Packing["kind"][];
  /**
   * Lists the tensors that a checkpoint of this geometry must have. Where the checkpoints of a family
   * come in several layouts, it asks `has` whether there is a tensor. @default there is none
   */
  tensors(geometry: Geometry, has?: (name: string) => boolean): TensorPlan;
}
