/**
 * The architectures that are known, and the choice among them.
 *
 * @module
 */
import { modelError } from "../errors.ts";
import type { Geometry } from "../manifest.ts";
import type { Architecture } from "./architecture.ts";
import { type ModelConfig, parseConfig } from "./config.ts";
import { llama } from "./llama.ts";

export type { Architecture, TensorPlan, TensorRole, TensorSpec } from "./architecture.ts";
export type { ModelConfig } from "./config.ts";

const KNOWN: readonly Architecture[] = [llama];

/** Hugging Face classes that can be loaded. */
export const ARCHITECTURES: readonly string[] = KNOWN.flatMap((known) => known.classes);

/** A model as its config.json describes it. */
export interface Described {
  config: ModelConfig;
  geometry: Geometry;
  architecture: Architecture;
}

/**
 * Reads config.json into a geometry, before any work is done. Throws `config_malformed`, `architecture_unknown` or
 * `feature_unsupported`, the last two with what is supported; `file` is the path of config.json, for messages.
 */
export function describe(json: unknown, file: string): Described {
  const named = (json as { architectures?: unknown } | null)?.architectures;
  if (Array.isArray(named) && typeof named[0] === "string" && !ARCHITECTURES.includes(named[0])) {
    throw modelError(
      "architecture_unknown",
      `${file}: architecture ${named[0]} is not supported; supported are ${ARCHITECTURES.join(", ")}`,
      { file, architecture: named[0], supported: [...ARCHITECTURES] },
    );
  }
  const config = parseConfig(json, file);
  const name = config.architectures[0];
  const architecture = KNOWN.find((known) => known.classes.includes(name))!;
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

function checkGeometry({ heads, kv_heads, head_dim }: Geometry, file: string): void {
  if (heads % kv_heads !== 0) {
    throw modelError(
      "config_malformed",
      `${file}: ${heads} heads cannot share ${kv_heads} key-value heads evenly`,
      {
        file,
        field: "num_key_value_heads",
      },
    );
  }
  if (head_dim < 2 || head_dim % 2 !== 0) {
    throw modelError(
      "config_malformed",
      `${file}: head_dim ${head_dim} is not an even number that RoPE can rotate`,
      {
        file,
        field: "head_dim",
      },
    );
  }
}
