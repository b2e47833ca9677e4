/**
 * Builds one layer of a decoder from its geometry.
 *
 * @module
 */
import { layerTensors } from "../arch/mod.ts";
import type { Group } from "../manifest.ts";
import {
  attention,
  gated,
  headNorm,
  linear,
  norm,
  skipNorm,
  type StageScope,
  type View,
  type Weight,
  weightOf,
} from "./blocks.ts";
import type { Value } from "./builder.ts";

/**
 * What one layer hands to the next: the residual stream, and the output of the last block, which is
 * not yet added to it.
 */
export interface Stream {
  /** (1, S, H), or (W, H) once the wanted rows are picked. */
  residual: Value;
  /**
   * Output of the last block, of the same shape; undefined after the embedding, when there is none.
   */
  update?: Value;
}

/** A layer to be built. */
export interface Layer {
  /** Number of the layer in the whole model, 0-based. */
  number: number;
  group: Group;
  view: View;
  /**
   * Reduces rows to the wanted ones, (1, S, n) -> (W, n). Set for the model's last layer, of which
   * everything after attention is needed for wanted rows only.
   */
  pick?: (x: Value, path: string) => Value;
}

/**
 * Adds one layer to the graph. What stands in brackets exists in some families only.
 *
 *     residual ----(+)-----------------------------------------(+)----------------> residual
 *     update ------'|                                           ^|
 *                   attn_norm                                   |mlp_norm
 *                   |                                           ||
 *                   +-> q_proj -[+bias]-[norm]-[rotary]--+      |+-> gate_proj -> silu/gelu --+
 *                   +-> k_proj -[+bias]-[norm]-[rotary]--+      |+-> up_proj ----------------(*)
 *                   +-> v_proj -[+bias]------------------+      |                             |
 *                             GroupQueryAttention               |                         down_proj
 *                             | (KV arena, [window])            |                             |
 *                             o_proj -[+bias]-[attn_after_norm]-'             [mlp_after_norm]---> update
 */
export function addLayer(
  stage: StageScope,
  { number, group, view, pick }: Layer,
  stream: Stream,
): Stream {
  const { heads, kv_heads } = stage.geometry;
  const path = `/model/layers.${number}`;
  const specs = layerTensors(stage.geometry, number);
  const optional = (key: string): Weight | undefined => {
    const spec = specs.get(key);
    return spec && weightOf(group, key, spec.name, spec.shape);
  };
  const weight = (key: string) => optional(key)!;
  const project = (x: Value, key: string): Value =>
    linear(stage, `${path}/${key.replace(".", "/")}_proj`, x, weight(key), optional(`${key}_bias`));
  const headsOf = (x: Value, part: "q" | "k", count: number): Value => {
    const headGain = optional(`attn.${part}_norm`);
    return headGain ? headNorm(stage, `${path}/attn/${part}_norm`, x, count, headGain) : x;
  };
  const after = (x: Value, part: "attn" | "mlp"): Value => {
    const afterGain = optional(`${part}_after_norm`);
    return afterGain ? norm(stage, `${path}/${part}_after_norm`, x, afterGain) : x;
  };

  const inputGain = weight("attn_norm");
  let { normed, sum } = stream.update
    ? skipNorm(stage, `${path}/attn_norm`, stream.residual, stream.update, inputGain)
    : {
      normed: norm(stage, `${path}/attn_norm`, stream.residual, inputGain),
      sum: stream.residual,
    };
  const q = headsOf(project(normed, "attn.q"), "q", heads);
  const k = headsOf(project(normed, "attn.k"), "k", kv_heads);
  let attended = attention(stage, `${path}/attn`, number, view, [q, k, project(normed, "attn.v")]);
  if (pick) {
    attended = pick(attended, `${path}/attn/want`);
    sum = pick(sum, `${path}/residual/want`);
  }
  const attn = after(project(attended, "attn.o"), "attn");
  ({ normed, sum } = skipNorm(stage, `${path}/mlp_norm`, sum, attn, weight("mlp_norm")));
  const product = gated(
    stage,
    `${path}/mlp`,
    project(normed, "mlp.gate"),
    project(normed, "mlp.up"),
  );
  return { residual: sum, update: after(project(product, "mlp.down"), "mlp") };
}
