/**
 * Latent attention (DeepSeek's MLA) in checkpoints: what config.json says about it, and where its
 * weights stand.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { TensorPlan, TensorSpec } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { ropeOf } from "./rope.ts";

/** The field `attention` of a geometry. */
export function latentOf(config: ModelConfig): NonNullable<Geometry["attention"]> {
  const scale = scaleOf(config);
  return {
    ...(scale !== undefined && { scale }),
    ...(config.attention_bias && { bias: "qkvo" }),
    latent: {
      rank: config.kv_lora_rank!,
      value: config.v_head_dim ?? Math.floor(config.hidden_size / config.num_attention_heads),
      ...(config.q_lora_rank && { query_rank: config.q_lora_rank }),
    },
  };
}

/** The geometry with the sizes of latent attention. */
export function withLatent(geometry: Geometry, config: ModelConfig): Geometry {
  return {
    ...geometry,
    kv_heads: 1,
    head_dim: headDim(config),
    rope: { ...geometry.rope, dims: config.qk_rope_head_dim! },
  };
}

/** Elements of a query. */
const headDim = ({ qk_nope_head_dim: plain, qk_rope_head_dim: rotated }: ModelConfig): number =>
  plain! + rotated!;

/**
 * Factor of the scores; undefined: the usual one. Where rotation is scaled with `mscale_all_dim`, that of queries and keys is
 * moved here from their rotated part, which has the rest of it (`models/rope.ts`).
 */
function scaleOf(config: ModelConfig): number | undefined {
  const { scaling } = ropeOf(config);
  const [factor, weight] = [Number(scaling?.factor), Number(scaling?.mscale_all_dim ?? 0)];
  if (!(weight > 0 && factor > 1)) return undefined;
  return headDim(config) ** -0.5 * (0.1 * weight * Math.log(factor) + 1) ** 2;
}

/** Contradictory or unsupported settings of latent attention, in words. */
export function unsupportedLatent(config: ModelConfig): string[] {
  const found: string[] = [];
  for (
    const field of ["kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim"] as const
  ) {
    if (!config[field]) found.push(`${field} ${config[field]} (supported: a number)`);
  }
  const { num_attention_heads: heads, num_key_value_heads: shared } = config;
  if (shared && shared !== heads) {
    found.push(`num_key_value_heads ${shared} (supported: num_attention_heads, ${heads})`);
  }
  if (config.mlp_bias) found.push("mlp_bias true (supported: false)");
  return found;
}

/**
 * The plan in which the matrices of keys and values are rows of one tensor, [heads * (plain +
 * value), rank]: of each head those of its key and then those of its value. A key's matrix is wanted
 * turned.
 */
export function latentTensors(plan: TensorPlan, geometry: Geometry): TensorPlan {
  const { heads, head_dim, rope, attention } = geometry;
  const { rank, value } = attention!.latent!;
  const plain = head_dim - rope.dims!;
  const each = plain + value;
  const placed = (spec: TensorSpec): TensorSpec => {
    if (spec.key !== "attn.k_b" && spec.key !== "attn.v_b") return spec;
    const keys = spec.key === "attn.k_b";
    return {
      ...spec,
      stacked: Array.from({ length: heads }, (_, head) => ({
        name: spec.name,
        within: { shape: [heads * each, rank], firstRow: head * each + (keys ? 0 : plain) },
        ...(keys && { transposed: true }),
      })),
    };
  };
  return { ...plan, layers: plan.layers.map((specs) => specs.map(placed)) };
}
