/**
 * Adds nodes whose names begin with the path of a block.
 *
 * @module
 */
import type { GraphBuilder, OpOptions, Value } from "./builder.ts";

/** See the module's text. */
export class NodesAt {
  readonly graph: GraphBuilder;
  /** Path of the block, without a final slash. */
  readonly path: string;

  /** Adds to this graph. */
  constructor(graph: GraphBuilder, path: string) {
    this.graph = graph;
    this.path = path;
  }

  /** Adds an ai.onnx operator of one output; `name` tells it from others of the block. */
  node(
    op: string,
    name: string,
    from: Value[],
    attributes: OpOptions["attributes"] = {},
  ): Value {
    return this.graph.node(op, `${this.path}/${name}/${op}`, from, { attributes });
  }

  /** Gives `from` these dimensions; 0 keeps one, -1 is what is left. */
  reshaped(name: string, from: Value, dims: number[]): Value {
    return this.node("Reshape", name, [
      from,
      this.graph.ints(`/reshape/${dims.join("_")}`, dims),
    ]);
  }

  /** Parts of `from` along an axis, with so many elements each. */
  split(name: string, from: Value, axis: number, parts: [name: string, size: number][]): Value[] {
    const sizes = parts.map(([, size]) => size);
    const outputs = parts.map(([part]) => `${this.path}/${name}/${part}`);
    this.graph.node("Split", `${this.path}/${name}/Split`, [
      from,
      this.graph.ints(`/split/${sizes.join("_")}`, sizes),
    ], { attributes: { axis }, outputs });
    return outputs;
  }

  /** RMSNorm over the last axis; `gain` has as many elements. */
  rootMeanSquareNorm(name: string, from: Value, gain: Value, epsilon: number): Value {
    return this.node("SimplifiedLayerNormalization", name, [from, gain], {
      axis: -1,
      epsilon: { float: epsilon },
      stash_type: 1,
    });
  }

  /** A constant of `size` equal numbers. */
  equal(size: number, value: number): Value {
    return this.graph.constant({
      name: `/equal/${size}_${value}`,
      dtype: "f32",
      dims: [size],
      data: new Uint8Array(new Float32Array(size).fill(value).buffer),
    });
  }
}
