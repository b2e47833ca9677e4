/**
 * Collects the nodes, constants, inputs and outputs of one graph.
 *
 * @module
 */
import type { ExternalTensor } from "./contract.ts";
import {
  ONNX_DTYPES,
  type OnnxAttribute,
  type OnnxDType,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxValue,
} from "./onnx.ts";

/** Name of a value (an edge) in the graph. */
export type Value = string;

/** Contrib operators of ONNX Runtime. */
const MICROSOFT = "com.microsoft";

/** Options of {@linkcode GraphBuilder.node}. */
export interface OpOptions {
  attributes?: Record<string, OnnxAttribute>;
  /** Names of the outputs; `""` leaves an optional one out. @default [`${name}/output_0`] */
  outputs?: Value[];
}

/** Builds one graph. Nodes are added in the order in which they run. */
export class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: Map<string, OnnxInitializer>;
  readonly #inputs: OnnxValue[] = [];
  readonly #outputs: OnnxValue[] = [];

  /** An empty graph; `around` is the graph of which it is a branch. */
  constructor(around?: GraphBuilder) {
    this.#initializers = around ? around.#initializers : new Map();
  }

  /**
   * An empty graph for a branch of this one. It may use this graph's values, and its constants
   * become this graph's: ONNX Runtime then packs the weights of a branch when it makes the session,
   * and constants that lie in files are found in one place.
   */
  branch(): GraphBuilder {
    return new GraphBuilder(this);
  }

  /** Declares a graph input. */
  input(name: string, dtype: OnnxDType, dims: (number | string)[]): Value {
    this.#inputs.push({ name, dtype, dims });
    return name;
  }

  /** Declares an existing value as a graph output. */
  output(name: Value, dtype: OnnxDType, dims: (number | string)[]): void {
    this.#outputs.push({ name, dtype, dims });
  }

  /**
   * Adds a constant. A second one of the same name replaces the first, so one name must always mean
   * one constant.
   */
  constant(initializer: OnnxInitializer): Value {
    this.#initializers.set(initializer.name, initializer);
    return initializer.name;
  }

  /** Adds an `i64` constant that lies in the model file; without `dims` it is a vector. */
  ints(name: string, values: number[], dims: number[] = [values.length]): Value {
    const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.constant({ name, dtype: "i64", dims, data });
  }

  /** Adds an `f32` scalar that lies in the model file. */
  float(name: string, value: number): Value {
    const data = new Uint8Array(Float32Array.of(value).buffer);
    return this.constant({ name, dtype: "f32", dims: [], data });
  }

  /** Adds an ai.onnx operator; returns its first output. */
  node(op: string, name: string, inputs: Value[], options: OpOptions = {}): Value {
    return this.#add("", op, name, inputs, options);
  }

  /** Adds a com.microsoft operator; returns its first output. */
  contrib(op: string, name: string, inputs: Value[], options: OpOptions = {}): Value {
    return this.#add(MICROSOFT, op, name, inputs, options);
  }

  #add(domain: string, op: string, name: string, inputs: Value[], options: OpOptions): Value {
    const { attributes = {}, outputs = [`${name}/output_0`] } = options;
    this.#nodes.push({ op, domain, name, inputs, outputs, attributes });
    return outputs[0];
  }

  /**
   * Bytes of the constants that lie outside the model file; a range that is used twice counts once.
   */
  externalBytes(): number {
    const ranges = new Map<string, number>();
    for (const { data } of this.#initializers.values()) {
      if (!(data instanceof Uint8Array)) ranges.set(`${data.location}:${data.offset}`, data.length);
    }
    return [...ranges.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** The constants that lie outside the model file. */
  external(): ExternalTensor[] {
    return [...this.#initializers.values()].flatMap(({ name, dtype, dims, data }) =>
      data instanceof Uint8Array ? [] : [{ name, type: ONNX_DTYPES[dtype], dims, ...data }]
    );
  }

  /** Names of its inputs and outputs. */
  names(): { inputs: string[]; outputs: string[] } {
    const [inputs, outputs] = [this.#inputs, this.#outputs].map((all) => all.map((v) => v.name));
    return { inputs, outputs };
  }

  /** The nodes so far as a branch, see {@linkcode GraphBuilder.branch}. */
  finishBranch(name: string): OnnxGraph {
    return { name, nodes: this.#nodes, initializers: [], inputs: [], outputs: this.#outputs };
  }

  /** The graph so far. */
  finish(name: string): OnnxGraph {
    return {
      name,
      nodes: this.#nodes,
      initializers: [...this.#initializers.values()],
      inputs: this.#inputs,
      outputs: this.#outputs,
    };
  }
}
