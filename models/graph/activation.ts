/**
 * The activation functions of MLPs.
 *
 * @module
 */
import type { StageScope } from "./blocks.ts";
import type { GraphBuilder, Value } from "./builder.ts";

/** `clamped`: the largest gate, and the largest magnitude of what it multiplies. */
const CLAMP = 7;
/** `clamped`: the gate is gate * sigmoid(this * gate). */
const CLAMPED_ALPHA = 1.702;

/** activation(gate) * up, (.., I) -> (.., I). */
export function gated(stage: StageScope, path: string, gate: Value, up: Value): Value {
  if (stage.geometry.mlp?.activation === "clamped") return clamped(stage, path, gate, up);
  return stage.graph.node("Mul", `${path}/Mul`, [activated(stage, path, gate), up]);
}

/** The activation function of the MLP, (.., I) -> (.., I). */
export function activated(stage: StageScope, path: string, x: Value): Value {
  const { graph, geometry } = stage;
  switch (geometry.mlp?.activation) {
    case "gelu_tanh":
      return graph.node("Gelu", `${path}/act_fn/Gelu`, [x], {
        attributes: { approximate: "tanh" },
      });
    case "relu2": {
      const positive = graph.node("Relu", `${path}/act_fn/Relu`, [x]);
      return graph.node("Mul", `${path}/act_fn/Mul`, [positive, positive]);
    }
    default:
      return sigmoidGate(stage, path, x, 1);
  }
}

/**
 * x * sigmoid(alpha * x): with alpha 1 it is SiLU, of which this is the fused operator that the CPU
 * provider has.
 */
const sigmoidGate = ({ graph }: StageScope, path: string, x: Value, alpha: number): Value =>
  graph.contrib("QuickGelu", `${path}/act_fn/QuickGelu`, [x], {
    attributes: { alpha: { float: alpha } },
  });

/** x * sigmoid(x), of any shape. */
export const silu = (graph: GraphBuilder, path: string, x: Value): Value =>
  graph.contrib("QuickGelu", `${path}/QuickGelu`, [x], { attributes: { alpha: { float: 1 } } });

/** The gate of gpt-oss: both inputs are clamped, and `up` is counted from -1. */
function clamped(stage: StageScope, path: string, gate: Value, up: Value): Value {
  const { graph } = stage;
  const [most, least] = [graph.float("/clamp/most", CLAMP), graph.float("/clamp/least", -CLAMP)];
  const small = graph.node("Min", `${path}/gate/Min`, [gate, most]);
  const bounded = graph.node("Clip", `${path}/up/Clip`, [up, least, most]);
  const raised = graph.node("Add", `${path}/up/Add`, [bounded, graph.float("/clamp/offset", 1)]);
  return graph.node("Mul", `${path}/Mul`, [
    sigmoidGate(stage, path, small, CLAMPED_ALPHA),
    raised,
  ]);
}
