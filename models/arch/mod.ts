/**
 * The architectures that are known, and the choice among them.
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

export type { Architecture, TensorPlan, TensorRole, TensorSpec } from "./architecture.ts";
export type { ModelConfig } from "./config.ts";

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

/** Hugging Face classes that can be loaded. */
export const ARCHITECTURES: readonly string[] = KNOWN.flatMap((known) => known.classes);

/** A model as its config.json describes it. */
export interface Described {
  config: ModelConfig;
  geometry: Geometry;
  architecture: Architecture;
}

/**
 * Reads config.json into a geometry, before any work is done. Throws `config_malformed`,
 * `architecture_unknown` or `feature_unsupported`, the last two with what is supported; `file` is
 * the path of config.json, for messages.
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
      {
        file,
        architecture: name,
        unsupported,
      },
    );
  }
  const geometry = architecture.geometry(config, name);
  checkGeometry(geometry, file);
  return { config, geometry, architecture };
}

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
export { layerTensors } from "./tensors.ts";
