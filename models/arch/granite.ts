/**
 * Granite 3: Llama with factors of embedding, scores, residual updates and logits.
 *
 * @module
 */
import { decoder } from "./decoder.ts";

/** 1 means no factor: the graph then has no node for it. */
const factor = (value: number | null | undefined): number | undefined =>
  value === 1 ? undefined : value ?? undefined;

/** GraniteForCausalLM. */
export const granite = decoder({
  classes: ["GraniteForCausalLM"],
  defaults: { attention_multiplier: 1 },
  traits: (config) => ({
    attention: {
      scale: config.attention_multiplier!,
      ...(config.attention_bias ? { bias: "qkvo" } : {}),
    },
    mlp: config.mlp_bias ? { bias: true } : undefined,
    embedding_scale: factor(config.embedding_multiplier),
    residual_scale: factor(config.residual_multiplier),
    logit_scale: config.logits_scaling ? factor(1 / config.logits_scaling) : undefined,
  }),
});
