/**
 * Turns GGUF metadata into the config.json of the model's Hugging Face checkpoint, and says how
 * llama.cpp's converter changed the tensors.
 *
 * @module
 */
import { ggufError, type GgufHeader } from "./gguf.ts";

/** A projection of an expert. */
export type ExpertPart = "gate" | "up" | "down";

/** A family as llama.cpp stores it. */
export interface GgufFamily {
  /** Hugging Face class. */
  architecture: string;
  /**
   * Whether the rows of Q and K are reordered, so that two dimensions that RoPE rotates together
   * are neighbours.
   */
  permuted?: true;
  /** Number that the converter added to the gains of norms. @default 0 */
  gainOffset?: number;
  /** Names of tensors in a layer that differ from Llama's, GGUF -> Hugging Face. */
  names?: Readonly<Record<string, string>>;
  /**
   * Name within a layer of a projection of an expert, without `.weight`; undefined: the family has
   * no experts. In a file one tensor has those of all experts.
   */
  expert?(number: number, part: ExpertPart): string;
  /** Fields of config.json in addition to the common ones. */
  fields?(meta: Metadata): Record<string, unknown>;
}

/** Names in a Gemma layer that differ from Llama's, GGUF -> Hugging Face. */
const GEMMA_NAMES = {
  "post_attention_norm": "post_attention_layernorm",
  "ffn_norm": "pre_feedforward_layernorm",
  "post_ffw_norm": "post_feedforward_layernorm",
};

/**
 * Number of layers of the 27B Gemma models. Their scores are scaled by hidden size and heads, those
 * of smaller ones by head_dim.
 */
const GEMMA_27B_LAYERS = { gemma2: 46, gemma3: 62 };

/** Fields of a mixture of experts. */
const expertFields = (meta: Metadata) => ({
  num_local_experts: meta.required("expert_count"),
  num_experts_per_tok: meta.required("expert_used_count"),
});

const expertName = (number: number, part: ExpertPart) => `mlp.experts.${number}.${part}_proj`;

/** Mixtral: the architecture is Llama's, with experts. */
const MIXTRAL: GgufFamily = {
  architecture: "MixtralForCausalLM",
  permuted: true,
  names: { "ffn_gate_inp": "block_sparse_moe.gate" },
  expert: (number, part) =>
    `block_sparse_moe.experts.${number}.${{ gate: "w1", up: "w3", down: "w2" }[part]}`,
  fields: (meta) => ({ ...expertFields(meta), sliding_window: null }),
};

/** The families by llama.cpp's name of the architecture. */
const FAMILIES: Readonly<Record<string, GgufFamily>> = {
  llama: {
    architecture: "LlamaForCausalLM",
    permuted: true,
    fields: (meta) => ({
      attention_bias: meta.has("blk.0.attn_q.bias"),
      mlp_bias: meta.has("blk.0.ffn_up.bias"),
    }),
  },
  smollm3: { architecture: "SmolLM3ForCausalLM", permuted: true },
  qwen2: { architecture: "Qwen2ForCausalLM" },
  qwen3: { architecture: "Qwen3ForCausalLM" },
  qwen3moe: {
    architecture: "Qwen3MoeForCausalLM",
    names: { "ffn_gate_inp": "mlp.gate" },
    expert: expertName,
    fields: (meta) => ({
      ...expertFields(meta),
      moe_intermediate_size: meta.required("expert_feed_forward_length"),
      norm_topk_prob: true,
    }),
  },
  olmoe: {
    architecture: "OlmoeForCausalLM",
    names: { "ffn_gate_inp": "mlp.gate" },
    expert: expertName,
    fields: expertFields,
  },
  gemma2: {
    architecture: "Gemma2ForCausalLM",
    gainOffset: 1,
    names: GEMMA_NAMES,
    fields: (meta) => ({
      sliding_window: meta.number("attention.sliding_window") ?? 4096,
      query_pre_attn_scalar: scoreScalar(meta, GEMMA_27B_LAYERS.gemma2),
      attn_logit_softcapping: meta.number("attn_logit_softcapping") ?? 50,
      final_logit_softcapping: meta.number("final_logit_softcapping") ?? 30,
    }),
  },
  gemma3: {
    architecture: "Gemma3ForCausalLM",
    gainOffset: 1,
    names: GEMMA_NAMES,
    fields: (meta) => ({
      sliding_window: meta.required("attention.sliding_window"),
      query_pre_attn_scalar: scoreScalar(meta, GEMMA_27B_LAYERS.gemma3),
      sliding_window_pattern: meta.number("attention.sliding_window_pattern") ?? 6,
      rope_local_base_freq: meta.number("rope.freq_base_swa") ?? 10000,
      final_logit_softcapping: meta.number("final_logit_softcapping"),
    }),
  },
  phi3: {
    architecture: "Phi3ForCausalLM",
    names: { "attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj" },
    fields: (meta) => ({
      sliding_window: meta.number("attention.sliding_window") || null,
      original_max_position_embeddings: meta.number("rope.scaling.original_context_length"),
      partial_rotary_factor: meta.required("rope.dimension_count") / headDim(meta),
    }),
  },
};

/** Names of tensors in a layer, GGUF -> Hugging Face. */
const LAYER_NAMES: Readonly<Record<string, string>> = {
  "attn_norm": "input_layernorm",
  "attn_q": "self_attn.q_proj",
  "attn_k": "self_attn.k_proj",
  "attn_v": "self_attn.v_proj",
  "attn_output": "self_attn.o_proj",
  "attn_q_norm": "self_attn.q_norm",
  "attn_k_norm": "self_attn.k_norm",
  "ffn_norm": "post_attention_layernorm",
  "ffn_gate": "mlp.gate_proj",
  "ffn_up": "mlp.up_proj",
  "ffn_down": "mlp.down_proj",
};

/** Names of the other tensors, GGUF -> Hugging Face. */
const TOP_NAMES: Readonly<Record<string, string>> = {
  "token_embd": "model.embed_tokens",
  "output_norm": "model.norm",
  "output": "lm_head",
};

/**
 * Hugging Face name of a tensor; undefined for one that has none, such as the tables of rotation.
 */
export function huggingFaceName(name: string, family: GgufFamily): string | undefined {
  const [, layer, stem, kind] = /^(?:blk\.(\d+)\.)?([a-z0-9_]+)\.(weight|bias)$/.exec(name) ?? [];
  if (stem === undefined) return undefined;
  if (layer === undefined) return TOP_NAMES[stem] && `${TOP_NAMES[stem]}.${kind}`;
  const found = family.names?.[stem] ?? LAYER_NAMES[stem];
  return found && `model.layers.${layer}.${found}.${kind}`;
}

/** Reads and checks the metadata of one architecture. */
export class Metadata {
  readonly #header: GgufHeader;
  readonly #path: string;
  readonly architecture: string;

  constructor(header: GgufHeader, path: string) {
    this.#header = header;
    this.#path = path;
    const named = header.metadata.get("general.architecture");
    if (typeof named !== "string") {
      throw ggufError("gguf_malformed", path, "it has no general.architecture");
    }
    this.architecture = named;
  }

  /** Whether the file has a tensor of this name. */
  has(tensor: string): boolean {
    return this.#header.tensors.has(tensor);
  }

  /**
   * A number of this architecture, e.g. `block_count`; undefined: not stated. Of an array all
   * elements must be equal.
   */
  number(key: string): number | undefined {
    const full = `${this.architecture}.${key}`;
    const found = this.#header.metadata.get(full);
    if (found === undefined) return undefined;
    const values: unknown[] = Array.isArray(found) ? found : [found];
    if (typeof values[0] !== "number" || !Number.isFinite(values[0])) {
      throw this.#malformed(`${full} is not a number`);
    }
    if (values.some((value) => value !== values[0])) {
      throw ggufError("feature_unsupported", this.#path, `${full} differs from layer to layer`);
    }
    return values[0];
  }

  /** As {@linkcode Metadata.number}, for a number that must be stated. */
  required(key: string): number {
    const found = this.number(key);
    if (found === undefined) throw this.#malformed(`it has no ${this.architecture}.${key}`);
    return found;
  }

  /** A text of this architecture; undefined: not stated. */
  text(key: string): string | undefined {
    const found = this.#header.metadata.get(`${this.architecture}.${key}`);
    if (found !== undefined && typeof found !== "string") {
      throw this.#malformed(`${key} is not a text`);
    }
    return found;
  }

  #malformed(why: string): Error {
    return ggufError("gguf_malformed", this.#path, why);
  }
}

/**
 * The family of a file. Throws OrreryError `model/architecture_unknown`, which lists the
 * known families.
 */
export function familyOf(meta: Metadata, path: string): GgufFamily {
  const { architecture } = meta;
  if (architecture === "llama" && meta.number("expert_count")) return MIXTRAL;
  if (Object.hasOwn(FAMILIES, architecture)) return FAMILIES[architecture];
  const known = Object.keys(FAMILIES).join(", ");
  throw ggufError(
    "architecture_unknown",
    path,
    `architecture ${architecture} (supported: ${known})`,
  );
}

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
  if (meta.number("expert_count") && !family.expert) {
    throw refused(`a mixture of ${meta.number("expert_count")} experts`);
  }
  const dims = meta.number("rope.dimension_count"), head = headDim(meta);
  if ((meta.number("attention.value_length") ?? head) !== head) {
    throw refused("keys and values of different lengths");
  }
  if (dims !== undefined && dims !== head && meta.architecture !== "phi3") {
    throw refused(`rotation of ${dims} of the ${head} dimensions of a head`);
  }
  return {
    architectures: [family.architecture],
    model_type: meta.architecture,
    hidden_size: meta.required("embedding_length"),
    intermediate_size: meta.required("feed_forward_length"),
    num_hidden_layers: meta.required("block_count"),
    num_attention_heads: meta.required("attention.head_count"),
    num_key_value_heads: meta.number("attention.head_count_kv") ??
      meta.required("attention.head_count"),
    head_dim: head,
    vocab_size: vocab,
    max_position_embeddings: meta.required("context_length"),
    rms_norm_eps: single(meta.required("attention.layer_norm_rms_epsilon")),
    rope_theta: meta.number("rope.freq_base") ?? 10000,
    rope_scaling: scalingOf(meta, head, tables, path),
    tie_word_embeddings: !meta.has("output.weight"),
    ...family.fields?.(meta),
  };
}

function headDim(meta: Metadata): number {
  return meta.number("attention.key_length") ??
    Math.floor(meta.required("embedding_length") / meta.required("attention.head_count"));
}

/** Relative difference up to which stored divisors count as those of a scaling. */
const FACTOR_TOLERANCE = 1e-4;

/** The shortest decimal number for an f32: 1e-5, not 0.000009999999747. */
const single = (value: number): number => Number(value.toPrecision(7));

/** The field query_pre_attn_scalar of a Gemma model. */
function scoreScalar(meta: Metadata, layersOf27b: number): number {
  return meta.required("block_count") === layersOf27b
    ? meta.required("embedding_length") / meta.required("attention.head_count")
    : headDim(meta);
}

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
