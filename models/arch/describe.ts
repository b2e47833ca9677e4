/**
 * Reads config.json: chooses the architecture and reduces the model to a geometry.
 *
 * @module
 */
import { modelError, reasonOf } from "../errors.ts";
import type { Geometry } from "../manifest.ts";
import { rotaryOf, rotation } from "../rope.ts";
import type { Architecture } from "./architecture.ts";
import { malformed, type ModelConfig, parseConfig } from "./config.ts";
import { bamba } from "./bamba.ts";
import { cohere, cohere2 } from "./cohere.ts";
import { ernie, ernieMoe } from "./ernie.ts";
import { deepseekV2, deepseekV3, glm4MoeLite, youtu } from "./deepseek.ts";
import { exaone4 } from "./exaone4.ts";
import { falconH1 } from "./falcon_h1.ts";
import { gemma1, gemma2, gemma3 } from "./gemma.ts";
import { glm, glm4, glm4Moe } from "./glm.ts";
import { gptOss } from "./gpt_oss.ts";
import { granite, graniteHybrid, graniteMoe, graniteMoeShared } from "./granite.ts";
import { hunyuan, hunyuanMoe } from "./hunyuan.ts";
import { internlm3 } from "./internlm.ts";
import { lfm2, lfm2Moe } from "./lfm2.ts";
import { llama } from "./llama.ts";
import { minicpm, minicpm3 } from "./minicpm.ts";
import { ministral, ministral3, mistral } from "./mistral.ts";
import { mamba2 } from "./mamba2.ts";
import { mixtral } from "./mixtral.ts";
import { withClass } from "./model_types.ts";
import { nemotron } from "./nemotron.ts";
import { nemotronH } from "./nemotron_h.ts";
import { olmo2, olmo3, olmoe } from "./olmo.ts";
import { phi, phi3 } from "./phi.ts";
import { qwen2, qwen2Moe, qwen3, qwen3Moe } from "./qwen.ts";
import { type Packing, packingOf } from "./packing.ts";
import { MOST_CONTEXT, ropeOf } from "./rope.ts";
import { qwen35, qwen35Moe, qwen3Next } from "./qwen_next.ts";
import { seedOss } from "./seed_oss.ts";
import { smollm3 } from "./smollm3.ts";
import { stablelm } from "./stablelm.ts";
import { starcoder2 } from "./starcoder2.ts";
import { textPart, WRAPPERS } from "./text_part.ts";

/** Every supported family; `describe` looks here. */
const KNOWN: readonly Architecture[] = [
  llama,
  mistral,
  ministral,
  ministral3,
  smollm3,
  qwen2,
  qwen3,
  gemma1,
  gemma2,
  gemma3,
  phi,
  phi3,
  granite,
  olmo2,
  olmo3,
  ernie,
  hunyuan,
  exaone4,
  glm,
  glm4,
  stablelm,
  cohere,
  cohere2,
  starcoder2,
  nemotron,
  seedOss,
  mixtral,
  qwen3Moe,
  olmoe,
  graniteMoe,
  gptOss,
  minicpm,
  minicpm3,
  deepseekV2,
  deepseekV3,
  glm4MoeLite,
  youtu,
  internlm3,
  lfm2,
  lfm2Moe,
  qwen2Moe,
  ernieMoe,
  glm4Moe,
  hunyuanMoe,
  graniteMoeShared,
  graniteHybrid,
  falconH1,
  bamba,
  qwen35,
  qwen3Next,
  qwen35Moe,
  nemotronH,
  mamba2,
];

/** Hugging Face classes that are supported. */
export const ARCHITECTURES: readonly string[] = KNOWN.flatMap((known) => known.classes);

/** All classes that are accepted: also those of which the text part alone is served. */
const ACCEPTED: readonly string[] = [...ARCHITECTURES, ...WRAPPERS];

/** A model as its config.json describes it. */
export interface Described {
  /** The validated config.json, its absent fields filled with the family's defaults. */
  config: ModelConfig;
  geometry: Geometry;
  /** How its weights are packed; undefined: they are not. */
  packing?: Packing;
  /** It is the text model of a multimodal checkpoint; see `text_part.ts`. */
  textPart: boolean;
  /** The family, which lists the tensors of such a geometry. */
  architecture: Architecture;
}

/** Options of {@linkcode describe}. */
export interface DescribeOptions {
  /**
   * Longest context, in rows. One beyond the original length means with `longrope` that all rows are
   * rotated by the factors for longer texts, and with `dynamic` that all are rotated as those of a
   * text of so many rows. @default the longest for which nothing changes
   */
  context?: number;
}

/**
 * Reads config.json into a geometry, so that an unsupported model is refused before any work;
 * `file` is the path of config.json, for messages. Throws OrreryError `model/config_malformed`,
 * `model/architecture_unknown` or `model/feature_unsupported`; the last two name what is supported,
 * and so does `model/context_unsupported` for a context that the model does not reach.
 */
export function describe(
  json: unknown,
  file: string,
  options: DescribeOptions = {},
): Described {
  const whole = withClass(json);
  const text = textPart(whole);
  const described = describeText(text ?? whole, file);
  const { context } = options;
  const { config, geometry } = described;
  return {
    ...described,
    geometry: context === undefined ? geometry : withContext(geometry, config, { context, file }),
    textPart: text !== undefined,
  };
}

function describeText(json: unknown, file: string): Omit<Described, "textPart"> {
  const named = (json as { architectures?: unknown } | null)?.architectures;
  if (Array.isArray(named) && typeof named[0] === "string" && !ARCHITECTURES.includes(named[0])) {
    throw modelError(
      "architecture_unknown",
      `${file}: architecture ${named[0]} is not supported; supported are ${ACCEPTED.join(", ")}`,
      { file, architecture: named[0], supported: [...ACCEPTED] },
    );
  }
  const family = KNOWN.find(({ classes }) => Array.isArray(named) && classes.includes(named[0]));
  const derived = family?.derived?.(json as Record<string, unknown>);
  const config = parseConfig(json, file, { ...family?.defaults, ...derived });
  const architecture = family!; // `parseConfig` refuses a config.json that names no class
  const name = config.architectures[0];
  checkRotation(config, file);
  const unsupported = architecture.unsupported(config);
  const quantization = config.quantization_config ?? config.quantization;
  const packing = quantization ? packingOf(quantization, architecture.packings) : undefined;
  if (typeof packing === "string") unsupported.push(packing);
  if (unsupported.length > 0) {
    throw modelError(
      "feature_unsupported",
      `${file}: ${name} with ${unsupported.join("; ")} is not supported`,
      { file, architecture: name, unsupported },
    );
  }
  const geometry = architecture.geometry(config, name);
  checkGeometry(geometry, file);
  return {
    config,
    geometry,
    architecture,
    ...(typeof packing === "object" && { packing }),
  };
}

/** The geometry with this context. Throws `context_unsupported` (group `model`). */
function withContext(
  geometry: Geometry,
  config: ModelConfig,
  { context, file }: { context: number; file: string },
): Geometry {
  const most = Math.min(longestContext(geometry, config), MOST_CONTEXT);
  if (!Number.isInteger(context) || context < 1 || context > most) {
    throw modelError(
      "context_unsupported",
      `${file}: a context of ${context} rows is not supported; this model has 1 to ${most}`,
      { file, context, most },
    );
  }
  if (context <= geometry.context) return { ...geometry, context };
  const { rope } = geometry;
  const long = {
    ...geometry,
    context,
    rope: dynamicFactor(geometry) === undefined
      ? { ...rope, long: true }
      : { ...rope, theta: dynamicTheta(geometry, context), scaling: null },
  };
  checkGeometry(long, file);
  return long;
}

/** Rows of the longest context that may be asked for. */
function longestContext(geometry: Geometry, config: ModelConfig): number {
  const factor = dynamicFactor(geometry);
  if (factor !== undefined) return Math.floor(geometry.context * factor);
  const stretches = ropeOf(config).type === "longrope" &&
    !config.rope_parameters?.["llama_4_scaling_beta"];
  return stretches ? config.max_position_embeddings : geometry.context;
}

/** The factor of a `dynamic` scaling; undefined: rotation is not scaled in that way. */
function dynamicFactor({ rope: { scaling } }: Geometry): number | undefined {
  if ((scaling?.rope_type ?? scaling?.type) !== "dynamic") return undefined;
  const factor = scaling?.factor;
  return typeof factor === "number" && factor > 1 ? factor : undefined;
}

/**
 * Base of the frequencies with which transformers rotates a text of `rows` rows, where it is longer
 * than the original context and rotation is scaled `dynamic`.
 */
function dynamicTheta(geometry: Geometry, rows: number): number {
  const { context, head_dim, rope: { theta, dims = head_dim } } = geometry;
  const factor = dynamicFactor(geometry)!;
  return theta * (factor * rows / context - (factor - 1)) ** (dims / (dims - 2));
}

/**
 * Throws `config_malformed` where rotation is described twice and differently, or by a base that is
 * no positive number.
 */
function checkRotation({ rope_scaling, rope_parameters }: ModelConfig, file: string): void {
  if (rope_scaling && rope_parameters) {
    const plain = ({ rope_theta: _theta, type, rope_type, ...rest }: Record<string, unknown>) =>
      Object.entries({ ...rest, rope_type: rope_type ?? type }).sort();
    if (JSON.stringify(plain(rope_scaling)) !== JSON.stringify(plain(rope_parameters))) {
      throw malformed(
        file,
        "rope_scaling",
        "says something else than rope_parameters; remove the one that is wrong",
      );
    }
  }
  const described = rope_parameters ?? rope_scaling ?? {};
  for (const rope of [described, ...Object.values(described)]) {
    const theta = (rope as { rope_theta?: unknown } | null)?.rope_theta;
    if (theta !== undefined && theta !== null && !(typeof theta === "number" && theta > 0)) {
      throw malformed(file, "rope_theta", `${JSON.stringify(theta)} is no base of frequencies`);
    }
  }
}

/** Throws `config_malformed` for counts and scalings that contradict each other. */
function checkGeometry(geometry: Geometry, file: string): void {
  const { heads, kv_heads, head_dim, rope } = geometry;
  if (heads % kv_heads !== 0) {
    throw malformed(
      file,
      "num_key_value_heads",
      `${heads} heads cannot share ${kv_heads} key-value heads evenly`,
    );
  }
  if (rope.skipped_layers?.length === geometry.layers) return; // nothing is rotated
  const dims = rope.dims ?? head_dim;
  if (dims < 2 || dims % 2 !== 0) {
    const field = geometry.attention?.latent
      ? "qk_rope_head_dim"
      : rope.dims === undefined
      ? "head_dim"
      : "partial_rotary_factor";
    throw malformed(
      file,
      field,
      `RoPE cannot rotate ${dims} dimensions of a head, only an even number`,
    );
  }
  try {
    rotation(rotaryOf(geometry, "global"));
  } catch (error) {
    throw malformed(file, "rope_scaling", reasonOf(error));
  }
}
