/**
 * The Llama block: Llama 1 to 3, TinyLlama, SmolLM, Mistral.
 *
 * @module
 */
import type { Group } from "../manifest.ts";
import { attention, gatedSilu, linear, norm, skipNorm, type Stage, weightOf } from "./blocks.ts";
import type { Value } from "./builder.ts";

/** State between layers: the residual stream and what the last block has yet to add to it. */
export interface Stream {
  /** (1, S, H), or (W, H) once the wanted rows are picked. */
  residual: Value;
  /** Same shape; absent at the start of a stage. */
  update?: Value;
}

/** Adds one layer to the graph. `pick`, if given, keeps only the rows that are wanted after attention, (1, S, n) -> (W, n). */
export type LayerBuilder = (
  stage: Stage,
  layer: number,
  group: Group,
  stream: Stream,
  pick?: (x: Value, path: string) => Value,
) => Stream;

/**
 *     residual ----(+)----------------------------(+)------------> residual
 *     update ------'|                              ^|
 *                   input_layernorm                |post_attention_layernorm
 *                   |                              ||
 *                   +--> q_proj --> rotary --+     |+--> gate_proj --> silu --+
 *                   +--> k_proj --> rotary --+     |+--> up_proj ------------(*)
 *                   +--> v_proj -------------+     |                          |
 *                        GroupQueryAttention       |                     down_proj ----> update
 *                        | (KV arena)              |
 *                        o_proj -------------------'
 */
export const llamaLayer: LayerBuilder = (stage, layer, group, stream, pick) => {
  const { hidden, intermediate, heads, kv_heads, head_dim } = stage.geometry;
  const path = `/model/layers.${layer}`;
  const weight = (tensor: string, name: string, shape: number[]) =>
    weightOf(group, tensor, `model.layers.${layer}.${name}.weight`, shape);

  const inputNorm = weight("attn_norm", "input_layernorm", [hidden]);
  let { normed, sum } = stream.update
    ? skipNorm(stage, `${path}/input_layernorm`, stream.residual, stream.update, inputNorm)
    : { normed: norm(stage, `${path}/input_layernorm`, stream.residual, inputNorm), sum: stream.residual };

  const project = (x: Value, part: string, tensor: string, rows: number, columns: number) => {
    const name = `${tensor.split(".")[1]}_proj`;
    const shape = [rows, columns];
    return linear(
      stage,
      `${path}/${part}/${name}`,
      x,
      weight(tensor, `${part === "attn" ? "self_attn" : part}.${name}`, shape),
    );
  };
  const q = project(normed, "attn", "attn.q", heads * head_dim, hidden);
  const k = project(normed, "attn", "attn.k", kv_heads * head_dim, hidden);
  const v = project(normed, "attn", "attn.v", kv_heads * head_dim, hidden);
  let attended = attention(stage, `${path}/attn`, layer, q, k, v);
  if (pick) {
    attended = pick(attended, `${path}/attn/want`);
    sum = pick(sum, `${path}/residual/want`);
  }
  const attn = project(attended, "attn", "attn.o", hidden, heads * head_dim);

  const mlpNorm = weight("mlp_norm", "post_attention_layernorm", [hidden]);
  ({ normed, sum } = skipNorm(stage, `${path}/post_attention_layernorm`, sum, attn, mlpNorm));
  const gate = project(normed, "mlp", "mlp.gate", intermediate, hidden);
  const up = project(normed, "mlp", "mlp.up", intermediate, hidden);
  const gated = gatedSilu(stage, `${path}/mlp`, gate, up);
  return { residual: sum, update: project(gated, "mlp", "mlp.down", hidden, intermediate) };
};
