/**
 * Outputs of a stage graph with which calibration learns what the projections read.
 *
 * The Gram matrix of the rows X (S, n) that a projection reads is X^T X (n, n): by it the error of
 * an output, summed over the rows, follows from the error of the weights. It is cut into windows on
 * its diagonal, so that its size grows with the inputs and not with their square.
 *
 * @module
 */
import type { GraphBuilder, Value } from "./builder.ts";
import type { GramOutput } from "./contract.ts";

/** Notes the Gram matrices of one graph. */
export class Grams {
  readonly #graph: GraphBuilder;
  /** Inputs of a window. */
  readonly #window: number;
  readonly #outputs = new Map<Value, GramOutput>();

  constructor(graph: GraphBuilder, window: number) {
    this.#graph = graph;
    this.#window = window;
  }

  /** What was noted, in the order of the graph. */
  get outputs(): GramOutput[] {
    return [...this.#outputs.values()];
  }

  /**
   * Adds the Gram matrix of what projection `key` of a layer reads, (.., inputs); projections that
   * read the same share one. Of a projection of experts, `expert` reads `x`. `path` names the nodes.
   */
  note(path: string, { key, layer, x, inputs, expert }: {
    key: string;
    layer: number;
    x: Value;
    inputs: number;
    expert?: number;
  }): void {
    const known = this.#outputs.get(x);
    if (known) {
      known.keys.push(key);
      return;
    }
    const graph = this.#graph;
    const rows = graph.node("Reshape", `${path}/gram/Reshape`, [
      x,
      graph.ints(`${path}/gram/rows`, [-1, inputs]),
    ]);
    const axis = graph.ints("/gram/axis", [1]);
    const windows: GramOutput["windows"] = [];
    for (let first = 0; first < inputs; first += this.#window) {
      const end = Math.min(first + this.#window, inputs);
      const name = `${path}/gram.${first}`;
      const some = graph.node("Slice", `${name}/Slice`, [
        rows,
        graph.ints(`/gram/at.${first}`, [first]),
        graph.ints(`/gram/at.${end}`, [end]),
        axis,
      ]);
      const turned = graph.node("Transpose", `${name}/Transpose`, [some]);
      const output = `gram.${layer}.${key}.${expert === undefined ? "" : `${expert}.`}${first}`;
      graph.node("MatMul", `${name}/MatMul`, [turned, some], { outputs: [output] });
      graph.output(output, "f32", [end - first, end - first]);
      windows.push({ name: output, first, size: end - first });
    }
    this.#outputs.set(x, {
      layer,
      keys: [key],
      ...(expert !== undefined && {
        expert: { number: expert, rows: this.#count(path, rows, `gram.${layer}.${key}.${expert}`) },
      }),
      inputs,
      windows,
    });
  }

  /** Adds an output f32 [1] with the number of rows of `x` (rows, n). */
  #count(path: string, x: Value, name: string): string {
    const graph = this.#graph;
    const count = graph.node("Shape", `${path}/gram/Shape`, [x], { attributes: { end: 1 } });
    const output = `${name}.rows`;
    graph.node("Cast", `${path}/gram/Cast`, [count], { attributes: { to: 1 }, outputs: [output] });
    graph.output(output, "f32", [1]);
    return output;
  }
}
