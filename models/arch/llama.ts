/**
 * Llama: RMSNorm, rotary grouped-query attention, SiLU-gated MLP, no biases. Mistral without a sliding window is the same.
 *
 * @module
 */
import { type Geometry, LLAMA_TENSORS } from "../manifest.ts";
import type { Architecture, TensorPlan, TensorSpec } from "./architecture.ts";
import { type ModelConfig, ropeOf } from "./config.ts";

const ROPE_TYPES = ["default", "linear", "dynamic", "yarn", "llama3"];

/** LlamaForCausalLM, MistralForCausalLM. */
export const llama: Architecture = {
  classes: ["LlamaForCausalLM", "MistralForCausalLM"],

  unsupported(config: ModelConfig): string[] {
    const found: string[] = [];
    const { type } = ropeOf(config);
    if (config.hidden_act !== "silu") found.push(`hidden_act ${config.hidden_act} (supported: silu)`);
    if (config.attention_bias) found.push("attention_bias true (supported: false)");
    if (config.mlp_bias) found.push("mlp_bias true (supported: false)");
    if (config.sliding_window && config.sliding_window < config.max_position_embeddings) {
      found.push(`sliding_window ${config.sliding_window} (supported: none)`);
    }
    if (!ROPE_TYPES.includes(type)) {
      found.push(`rope_scaling type ${type} (supported: ${ROPE_TYPES.join(", ")})`);
    }
    return found;
  },

  geometry(config: ModelConfig, architecture: string): Geometry {
    const { theta, scaling } = ropeOf(config);
    const heads = config.num_attention_heads;
    return {
      architecture,
      layers: config.num_hidden_layers,
      hidden: config.hidden_size,
      intermediate: config.intermediate_size,
      heads,
      kv_heads: config.num_key_value_heads ?? heads,
      head_dim: config.head_dim ?? Math.floor(config.hidden_size / heads),
      vocab: config.vocab_size,
      context: config.max_position_embeddings,
      norm_eps: config.rms_norm_eps,
      rope: { theta, scaling },
      tied_embeddings: config.tie_word_embeddings,
    };
  },

  tensors(geometry: Geometry): TensorPlan {
    const { hidden, intermediate, heads, kv_heads, head_dim, vocab, layers } = geometry;
    const shapes: Record<keyof typeof LLAMA_TENSORS.layer, number[]> = {
      "attn_norm": [hidden],
      "attn.q": [heads * head_dim, hidden],
      "attn.k": [kv_heads * head_dim, hidden],
      "attn.v": [kv_heads * head_dim, hidden],
      "attn.o": [hidden, heads * head_dim],
      "mlp_norm": [hidden],
      "mlp.gate": [intermediate, hidden],
      "mlp.up": [intermediate, hidden],
      "mlp.down": [hidden, intermediate],
    };
    const layer = (index: number): TensorSpec[] =>
      Object.entries(shapes).map(([key, shape]) => ({
        key,
        name: `model.layers.${index}.${LLAMA_TENSORS.layer[key as keyof typeof shapes]}`,
        shape,
        role: shape.length === 1 ? "norm" : "projection",
      }));
    const { embed } = LLAMA_TENSORS.embedding;
    const lmHead = geometry.tied_embeddings ? embed : LLAMA_TENSORS.head.lm_head;
    return {
      embedding: [{ key: "embed", name: embed, shape: [vocab, hidden], role: "vocabulary" }],
      layers: Array.from({ length: layers }, (_, index) => layer(index)),
      head: [
        { key: "norm", name: LLAMA_TENSORS.head.norm, shape: [hidden], role: "norm" },
        { key: "lm_head", name: lmHead, shape: [vocab, hidden], role: "vocabulary" },
      ],
    };
  },
};
