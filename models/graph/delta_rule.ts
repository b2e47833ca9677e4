/**
 * The gated delta rule (Qwen3-Next, Qwen 3.5): a state decays by a step that each row brings for
 * each head, and of what then stands where a row writes, a share is replaced. Where rows write and
 * read are unit vectors.
 *
 * @module
 */
import { silu } from "./activation.ts";
import { addend, linear, type StageScope } from "./blocks.ts";
import type { Value } from "./builder.ts";
import { speeds, stepsOf } from "./mamba.ts";
import type { NodesAt } from "./nodes_at.ts";
import type { RecurrenceRule, RecurrenceWeights } from "./recurrence_rule.ts";

/** Added to the squared length of a vector before it is divided by its length. */
const EPSILON = 1e-6;

/** The rule with the weights of a layer. */
export function deltaRule(
  stage: StageScope,
  at: NodesAt,
  { of }: RecurrenceWeights,
): RecurrenceRule {
  const { graph, geometry } = stage;
  const { heads, head_dim, groups, state } = geometry.recurrence!;
  const width = heads * head_dim;
  const project = (x: Value, key: string) => linear(stage, `${at.path}/${key}_proj`, x, of(key));
  const vector = (key: string) => addend(stage, `${at.path}/${key}`, of(key));
  /** The vectors of each group with this length; a norm divides by length / sqrt(state). */
  const ofLength = (name: string, x: Value, length: number) => {
    const each = at.reshaped(`${name}/groups`, x, [0, groups, state]);
    const gain = at.equal(state, length / Math.sqrt(state));
    const unit = at.rootMeanSquareNorm(name, each, gain, EPSILON / state);
    return at.reshaped(`${name}/all`, unit, [0, groups * state]);
  };
  return {
    others: 2,
    inputs(x) {
      const parts = ["in", "write", "step"].map((key) => project(x, key));
      return {
        gate: project(x, "gate"),
        brought: at.node("Concat", "brought", parts, { axis: 2 }),
      };
    },
    change(mixed, [write, step]) {
      const [query, key, value] = at.split("mixed", mixed, 1, [
        ["reads", groups * state],
        ["writes", groups * state],
        ["written", width],
      ]);
      const steps = stepsOf(at, step, vector("step_bias"));
      return {
        query: ofLength("query", query, 1 / Math.sqrt(state)),
        key: ofLength("key", key, 1),
        value,
        decay: at.node("Mul", "decays", [steps, speeds(at, vector("decay"))]),
        beta: at.node("Sigmoid", "beta", [write]),
      };
    },
    output: (read) => read,
    gated(rows, gate) {
      const each = at.reshaped("norm/heads", rows, [0, 0, heads, head_dim]);
      const normed = at.rootMeanSquareNorm("norm", each, vector("norm"), geometry.norm_eps);
      return at.node("Mul", "gated", [
        at.reshaped("norm/all", normed, [0, 0, width]),
        silu(graph, `${at.path}/gate`, gate),
      ]);
    },
  };
}
