/**
 * Turns GGUF metadata into the config.json of the model's Hugging Face checkpoint.
 *
 * @module
 */
import { ggufError } from "./gguf.ts";
import { familyOf } from "./gguf_families.ts";
import type { GgufFamily } from "./gguf_family.ts";
import { type Metadata, single } from "./gguf_metadata.ts";

/** Vectors in a file that a config.json holds as lists of numbers. */
export type RotationTables = Readonly<
  Record<"rope_freqs" | "rope_factors_long" | "rope_factors_short", number[] | undefined>
>;

/**
 * The contents of config.json without the ids of tokens; `vocab` is the number of rows of the
 * embedding.
 */
export function configOf(
  meta: Metadata,
  vocab: number,
  tables: RotationTables,
  path: string,
): Record<string, unknown> {
  const family = familyOf(meta, path);
  const refused = (what: string) => ggufError("feature_unsupported", path, what);
  if (meta.number("expert_count") && !family.experts) {
    throw refused(`a mixture of ${meta.number("expert_count")} experts`);
  }
  const dims = meta.number("rope.dimension_count"), head = meta.headDim;
  if (!family.latent && (meta.number("attention.value_length") ?? head) !== head) {
    throw refused("keys and values of different lengths");
  }
  if (dims !== undefined && dims !== head && !family.partial && !family.latent) {
    throw refused(`rotation of ${dims} of the ${head} dimensions of a head`);
  }
  return {
    architectures: [family.architecture],
    model_type: meta.architecture,
    hidden_size: meta.required("embedding_length"),
    intermediate_size: mlpWidth(meta, family),
    num_hidden_layers: meta.layers,
    num_attention_heads: meta.required("attention.head_count"),
    num_key_value_heads: keyValueHeads(meta, family),
    head_dim: head,
    vocab_size: vocab,
    max_position_embeddings: meta.required("context_length"),
    ...(family.layerNorm
      ? { [family.layerNorm]: single(meta.required("attention.layer_norm_epsilon")) }
      : { rms_norm_eps: meta.epsilon }),
    ...(family.partial && { partial_rotary_factor: (dims ?? head) / head }),
    rope_theta: meta.number("rope.freq_base") ?? 10000,
    rope_scaling: scalingOf(meta, head, tables, path),
    tie_word_embeddings: !meta.has("output.weight"),
    ...family.fields?.(meta),
  };
}

/** Width of the MLP in the layers with one, or of an expert; 1 where no layer has any. */
function mlpWidth(meta: Metadata, { mixed, experts }: GgufFamily): number {
  if (mixed) return Math.max(1, ...meta.numbers("feed_forward_length"));
  return meta.number("feed_forward_length") ??
    meta.required(experts ? "expert_feed_forward_length" : "feed_forward_length");
}

/** Heads of keys and values in the layers with attention; undefined: no layer has any. */
function keyValueHeads(meta: Metadata, { mixed }: GgufFamily): number | undefined {
  if (!mixed) {
    return meta.number("attention.head_count_kv") ?? meta.required("attention.head_count");
  }
  return Math.max(...meta.numbers("attention.head_count_kv")) || undefined;
}

/** Relative difference up to which stored divisors count as those of a scaling. */
const FACTOR_TOLERANCE = 1e-4;

/** The field rope_scaling, from the tables of factors or from the metadata. */
function scalingOf(
  meta: Metadata,
  head: number,
  tables: RotationTables,
  path: string,
): Record<string, unknown> | null {
  const factor = meta.number("rope.scaling.factor");
  const original = meta.number("rope.scaling.original_context_length");
  const { rope_freqs: factors, rope_factors_long: long, rope_factors_short: short } = tables;
  if (factors) return llama3Scaling(factors, head, meta.number("rope.freq_base") ?? 10000, path);
  if (long && short) {
    return {
      rope_type: "longrope",
      long_factor: long,
      short_factor: short,
      original_max_position_embeddings: original,
    };
  }
  const type = meta.text("rope.scaling.type") ?? "none";
  switch (type) {
    case "none":
      return null;
    case "linear":
      return { rope_type: "linear", factor };
    case "yarn":
      return Object.fromEntries(
        Object.entries({
          rope_type: "yarn",
          factor,
          original_max_position_embeddings: original,
          attention_factor: meta.number("rope.scaling.yarn_attn_factor"),
          beta_fast: meta.number("rope.scaling.yarn_beta_fast"),
          beta_slow: meta.number("rope.scaling.yarn_beta_slow"),
          // The class's own: llama.cpp always rounds the bounds.
          truncate: meta.architecture === "gpt-oss" ? false : undefined,
        }).filter(([, value]) => value !== undefined),
      );
    default:
      throw ggufError(
        "feature_unsupported",
        path,
        `rope.scaling.type ${type} without its tables of factors`,
      );
  }
}

/**
 * Finds the parameters of Llama 3's scaling from the divisors of the frequencies, which are all
 * that the file has. The factors 1 and 4, which all Llama 3 models have, are taken for granted; as
 * original lengths 8192 and then the powers of two from 32 to 524288 are tried, in rows.
 */
function llama3Scaling(
  factors: number[],
  head: number,
  theta: number,
  path: string,
): Record<string, unknown> {
  const factor = single(Math.max(...factors));
  const [low, high] = [1, 4];
  if (factors.length === head / 2) {
    for (const original of [8192, ...Array.from({ length: 15 }, (_, i) => 2 ** (i + 5))]) {
      const fits = factors.every((given, i) => {
        const turns = original * theta ** (-2 * i / head) / (2 * Math.PI);
        const share = Math.min(1, Math.max(0, (turns - low) / (high - low)));
        return Math.abs(given * ((1 - share) / factor + share) - 1) < FACTOR_TOLERANCE;
      });
      if (fits) {
        return {
          rope_type: "llama3",
          factor,
          low_freq_factor: low,
          high_freq_factor: high,
          original_max_position_embeddings: original,
        };
      }
    }
  }
  throw ggufError(
    "feature_unsupported",
    path,
    "these factors are not Llama 3's scaling of RoPE",
    "rope_freqs.weight",
  );
}
