/**
 * Checkpoints of models that also read images: config.json holds the text model's configuration in
 * `text_config`, and its tensors have a prefix. Only the text model is converted.
 *
 * @module
 */
import { withClass } from "./model_types.ts";

/** What transformers fills into a `text_config`, by the class of the whole model. */
const TEXT_DEFAULTS: Readonly<Record<string, Record<string, unknown>>> = {
  Gemma3ForConditionalGeneration: {
    model_type: "gemma3_text",
    num_attention_heads: 8,
    vocab_size: 262208,
    tie_word_embeddings: true,
  },
  Qwen3_5ForConditionalGeneration: {
    model_type: "qwen3_5_text",
    hidden_size: 4096,
    intermediate_size: 12288,
    num_attention_heads: 16,
    num_hidden_layers: 32,
    vocab_size: 248320,
  },
  Qwen3_5MoeForConditionalGeneration: {
    model_type: "qwen3_5_moe_text",
    hidden_size: 2048,
    num_attention_heads: 16,
    num_hidden_layers: 40,
    vocab_size: 248320,
  },
  Mistral3ForConditionalGeneration: {
    model_type: "mistral",
    head_dim: 128,
    hidden_size: 5120,
    intermediate_size: 32768,
    max_position_embeddings: 131072,
    num_attention_heads: 32,
    num_hidden_layers: 40,
    rms_norm_eps: 1e-5,
    rope_theta: 1e9,
    sliding_window: null,
    vocab_size: 131072,
    tie_word_embeddings: true,
  },
};

/** Classes of models whose text part is supported. */
export const WRAPPERS: readonly string[] = Object.keys(TEXT_DEFAULTS);

/** Fields of the whole model that hold for its text model, if that does not state them. */
const SHARED = [
  "tie_word_embeddings",
  "bos_token_id",
  "eos_token_id",
  "quantization_config",
  "quantization",
];

/** Classes of which the whole model's `tie_word_embeddings` holds against that of its text model. */
const TIED_AS_WHOLE = ["Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration"];

/**
 * config.json of the text model within a multimodal one; undefined: this is the config.json of
 * something else.
 */
export function textPart(json: unknown): Record<string, unknown> | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const whole = json as Record<string, unknown>;
  const { architectures: classes, text_config: text } = whole;
  const name = Array.isArray(classes) ? String(classes[0]) : "";
  const defaults = TEXT_DEFAULTS[name];
  if (!defaults || typeof text !== "object" || text === null) return undefined;
  const shared = SHARED.filter((field) => whole[field] !== undefined)
    .map((field) => [field, whole[field]]);
  const stated = {
    ...defaults,
    ...Object.fromEntries(shared),
    ...text,
    ...(TIED_AS_WHOLE.includes(name) && typeof whole.tie_word_embeddings === "boolean" && {
      tie_word_embeddings: whole.tie_word_embeddings,
    }),
  };
  return withClass({ ...stated, architectures: undefined }) as Record<string, unknown>;
}

/**
 * Name that a text model alone gives this tensor of a multimodal checkpoint; undefined: it belongs
 * to another part. The text model is called `language_model`, within `model` or around it.
 */
export function textTensorName(name: string): string | undefined {
  if (name.startsWith("lm_head.")) return name;
  const inner = /^model\.language_model\.(.*)$/.exec(name);
  if (inner) return `model.${inner[1]}`;
  return /^language_model\.(.*)$/.exec(name)?.[1];
}
