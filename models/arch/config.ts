/**
 * config.json: the fields that decoder-only families share, with the defaults of transformers.
 *
 * @module
 */
import { z } from "zod";
import { modelError } from "../errors.ts";

const count = z.number().int().positive().max(2 ** 31);
const tokenId = z.number().int().nonnegative();
const rope = z.record(z.string(), z.unknown());

/** Fields of config.json; unknown ones are kept. */
export const configSchema = z.looseObject({
  architectures: z.array(z.string()).min(1),
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count.max(4096),
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  vocab_size: count,
  max_position_embeddings: count.default(2048),
  rms_norm_eps: z.number().positive().max(1).default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: rope.nullish(),
  rope_parameters: rope.nullish(),
  hidden_act: z.string().default("silu"),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  sliding_window: z.number().int().nonnegative().nullish(),
  quantization_config: z.record(z.string(), z.unknown()).nullish(),
  bos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
});

/** A validated config.json. */
export type ModelConfig = z.infer<typeof configSchema>;

/** Validates config.json; `file` is its path, for messages. Throws `config_malformed`. */
export function parseConfig(json: unknown, file: string): ModelConfig {
  const parsed = configSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue.path.join(".") || "its top";
  throw modelError("config_malformed", `${file}: ${field}: ${issue.message}`, { file, field });
}

/** RoPE base and scaling, from `rope_theta` + `rope_scaling` or the newer `rope_parameters`; no scaling is null. */
export function ropeOf(
  config: ModelConfig,
): { theta: number; scaling: Record<string, unknown> | null; type: string } {
  const scaling = config.rope_parameters ?? config.rope_scaling ?? null;
  const theta = z.number().positive().safeParse(scaling?.["rope_theta"] ?? config.rope_theta);
  const type = String(scaling?.["rope_type"] ?? scaling?.["type"] ?? "default");
  return { theta: theta.success ? theta.data : 10000, scaling: type === "default" ? null : scaling, type };
}
