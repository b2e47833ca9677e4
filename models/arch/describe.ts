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
import { gemma2, gemma3 } from "./gemma.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { phi3 } from "./phi.ts";
import { qwen2, qwen3 } from "./qwen.ts";
import { smollm3 } from "./smollm3.ts";

/** Every supported family; `describe` looks here. */
const KNOWN: readonly Architecture[] = [
  llama,
  mistral,
  smollm3,
  qwen2,
  qwen3,
  gemma2,
  gemma3,
  phi3,
];

/** Hugging Face classes that are supported. */
export const ARCHITECTURES: readonly string[] = KNOWN.flatMap((known) => known.classes);

/** A model as its config.json describes it. */
export interface Described {
  /** The validated config.json, its absent fields filled with the family's defaults. */
  config: ModelConfig;
  geometry: Geometry;
  /** The family, which lists the tensors of such a geometry. */
  architecture: Architecture;
}

/**
 * Reads config.json into a geometry, so that an unsupported model is refused before any work;
 * `file` is the path of config.json, for messages. Throws OrreryError `model/config_malformed`,
 * `model/architecture_unknown` or `model/feature_unsupported`; the last two name what is supported.
 */
export function describe(json: unknown, file: string): Described {
  const named = (json as { architectures?: unknown } | null)?.architectures;
  if (Array.isArray(named) && typeof named[0] === "string" && !ARCHITECTURES.includes(named[0])) {
    throw modelError(
      "architecture_unknown",
      `${file}: architecture ${named[0]} is not supported; supported are ${
        ARCHITECTURES.join(", ")
      }`,
      { file, architecture: named[0], supported: [...ARCHITECTURES] },
    );
  }
  const name = parseConfig(json, file).architectures[0];
  const architecture = KNOWN.find((known) => known.classes.includes(name))!;
  const config = parseConfig(json, file, architecture.defaults);
  const unsupported = architecture.unsupported(config);
  if (config.quantization_config) {
    const method = String(config.quantization_config["quant_method"] ?? "unknown");
    unsupported.push(`quantization_config ${method} (supported: unquantised F32, F16, BF16)`);
  }
  if (unsupported.length > 0) {
    throw modelError(
      "feature_unsupported",
      `${file}: ${name} with ${unsupported.join("; ")} is not supported`,
      { file, architecture: name, unsupported },
    );
  }
  const geometry = architecture.geometry(config, name);
  checkGeometry(geometry, file);
  return { config, geometry, architecture };
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
  const dims = rope.dims ?? head_dim;
  if (dims < 2 || dims % 2 !== 0) {
    const field = rope.dims === undefined ? "head_dim" : "partial_rotary_factor";
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
