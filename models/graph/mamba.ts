/**
 * The rule of Mamba 2: a state decays by a step that each row brings for each head, what a row
 * writes is multiplied by that step and added, and a share of it passes the state by.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import { silu } from "./activation.ts";
import { addend, linear, type StageScope } from "./blocks.ts";
import type { GraphBuilder, Value } from "./builder.ts";
import type { NodesAt } from "./nodes_at.ts";
import type { RecurrenceRule, RecurrenceWeights } from "./recurrence_rule.ts";

/** The rule with the weights of a layer. */
export function mamba(
  stage: StageScope,
  at: NodesAt,
  { of, optional }: RecurrenceWeights,
): RecurrenceRule {
  const { graph, geometry } = stage;
  const shape = geometry.recurrence!;
  const { heads, head_dim, groups, state } = shape;
  const width = heads * head_dim;
  const vector = (key: string) => addend(stage, `${at.path}/${key}`, of(key));
  const gain = optional("norm");
  const normed = (x: Value) => gain ? groupNorm(x, addend(stage, `${at.path}/norm`, gain)) : x;
  /** RMSNorm of each group of channels. */
  const groupNorm = (x: Value, factors: Value): Value => {
    const { norm_eps } = geometry;
    if (groups === 1) return at.rootMeanSquareNorm("norm", x, factors, norm_eps);
    const each = at.reshaped("norm/groups", x, [0, 0, groups, width / groups]);
    const one = at.equal(width / groups, 1);
    const equal = at.rootMeanSquareNorm("norm", each, one, norm_eps);
    return at.node("Mul", "norm", [at.reshaped("norm/all", equal, [0, 0, width]), factors]);
  };
  /** What is written, by heads; for `output`. */
  let written: Value;
  return {
    others: 1,
    inputs(x) {
      const product = linear(stage, `${at.path}/in_proj`, x, of("in"), optional("in_bias"));
      const projected = shape.factors
        ? at.node("Mul", "factors", [product, factorsOf(graph, shape)])
        : product;
      const [gate, brought] = at.split("projected", projected, 2, [
        ["gate", width],
        ["brought", width + 2 * groups * state + heads],
      ]);
      return { gate, brought };
    },
    change(mixed, [step]) {
      const [value, key, query] = at.split("mixed", mixed, 1, [
        ["written", width],
        ["writes", groups * state],
        ["reads", groups * state],
      ]);
      const steps = stepsOf(at, step, vector("step_bias"));
      written = at.reshaped("heads", value, [0, heads, head_dim]);
      const stepped = at.node("Mul", "stepped", [
        written,
        at.node("Unsqueeze", "stepped", [steps, graph.ints("/state/each", [2])]),
      ]);
      return {
        query,
        key,
        value: at.reshaped("value", stepped, [0, width]),
        decay: at.node("Mul", "decays", [steps, speeds(at, vector("decay"))]),
      };
    },
    output: (read, own) =>
      at.node("Add", "output", [
        at.reshaped("read", read, [0, heads, head_dim]),
        at.node("Mul", "skipped", [own(written), at.reshaped("skip", vector("skip"), [heads, 1])]),
      ]),
    gated(rows, gate) {
      const first = shape.norm === "first";
      const product = at.node("Mul", "gated", [
        first ? normed(rows) : rows,
        silu(graph, `${at.path}/gate`, gate),
      ]);
      return first ? product : normed(product);
    },
  };
}

/** Steps (R, heads) from what rows brought. */
export const stepsOf = (at: NodesAt, step: Value, bias: Value): Value =>
  at.node("Softplus", "step", [at.node("Add", "raised", [step, bias])]);

/** How fast states decay, (heads), from their logarithms: less than 0. */
export const speeds = (at: NodesAt, logarithms: Value): Value =>
  at.node("Neg", "decay", [at.node("Exp", "decay", [logarithms])]);

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
