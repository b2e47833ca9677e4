/**
 * What families share: a family states its differences from Llama, {@linkcode decoder} does the
 * rest.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { Architecture, TensorPlan } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { ROPE_SCALINGS } from "../rope.ts";
import { contextOf, ropeOf, rotatedDims } from "./rope.ts";
import { decoderTensors } from "./tensors.ts";

/** Optional fields of a geometry: where a model differs from Llama. */
export type Traits = Pick<
  Geometry,
  "attention" | "local" | "mlp" | "norms" | "embedding_scale" | "logit_softcap"
>;

/** A family's differences from Llama. */
export interface Family {
  /** Hugging Face classes. */
  classes: readonly string[];
  /** See {@linkcode Architecture.defaults}. */
  defaults?: Readonly<Record<string, unknown>>;
  /** Activation of the gate that the family has, as config.json names it. @default "silu" */
  activation?: "silu" | "gelu_pytorch_tanh";
  /** Scalings of RoPE. @default all that we know */
  ropeTypes?: readonly string[];
  /** Layers without rotation. @default none */
  skipsRotation?(config: ModelConfig, layer: number): boolean;
  /** @default none */
  traits?(config: ModelConfig): Traits;
  /** Beside what {@linkcode decoder} refuses. @default nothing */
  unsupported?(config: ModelConfig): string[];
  /** @default `decoderTensors` */
  tensors?(geometry: Geometry): TensorPlan;
}

const LAYER_TYPES = ["full_attention", "sliding_attention"];

/** The architecture of a family. */
export function decoder(family: Family): Architecture {
  const { activation = "silu", ropeTypes = ROPE_SCALINGS } = family;
  return {
    classes: family.classes,
    defaults: family.defaults ?? {},

    unsupported(config: ModelConfig): string[] {
      const found: string[] = [];
      const field = activation === "silu" ? "hidden_act" : "hidden_activation";
      if (config[field] !== activation) {
        found.push(`${field} ${config[field]} (supported: ${activation})`);
      }
      const { type } = ropeOf(config);
      if (!ropeTypes.includes(type)) {
        found.push(`rope_scaling type ${type} (supported: ${ropeTypes.join(", ")})`);
      }
      for (const type of new Set(config.layer_types ?? [])) {
        if (!LAYER_TYPES.includes(type)) {
          found.push(`layer_types ${type} (supported: ${LAYER_TYPES.join(", ")})`);
        }
      }
      if (config.layer_types && config.layer_types.length !== config.num_hidden_layers) {
        found.push(
          `layer_types of ${config.layer_types.length} of its ${config.num_hidden_layers} layers`,
        );
      }
      if (config.use_bidirectional_attention) {
        found.push("use_bidirectional_attention true (supported: false)");
      }
      return [...found, ...family.unsupported?.(config) ?? []];
    },

    geometry(config: ModelConfig, architecture: string): Geometry {
      const { theta, scaling } = ropeOf(config);
      const heads = config.num_attention_heads;
      const head_dim = config.head_dim ?? Math.floor(config.hidden_size / heads);
      const dims = rotatedDims(config, head_dim);
      const skipped = family.skipsRotation
        ? layersWhere(config, (layer) => family.skipsRotation!(config, layer))
        : [];
      return {
        architecture,
        layers: config.num_hidden_layers,
        hidden: config.hidden_size,
        intermediate: config.intermediate_size,
        heads,
        kv_heads: config.num_key_value_heads ?? heads,
        head_dim,
        vocab: config.vocab_size,
        context: contextOf(config),
        norm_eps: config.rms_norm_eps,
        rope: {
          theta,
          scaling,
          ...(dims === undefined ? {} : { dims }),
          ...(skipped.length > 0 ? { skipped_layers: skipped } : {}),
        },
        tied_embeddings: config.tie_word_embeddings,
        ...defined(family.traits?.(config) ?? {}),
      };
    },

    tensors: family.tensors ?? decoderTensors,
  };
}

/** Layers, 0-based, for which something holds. */
export function layersWhere(config: ModelConfig, holds: (layer: number) => boolean): number[] {
  return Array.from({ length: config.num_hidden_layers }, (_, layer) => layer).filter(holds);
}

/** Layers with a sliding window: as `layer_types` says, else as the family does. */
export function slidingLayers(
  config: ModelConfig,
  otherwise: (layer: number) => boolean,
): number[] {
  const types = config.layer_types;
  return layersWhere(
    config,
    (layer) => types ? types[layer] === "sliding_attention" : otherwise(layer),
  );
}

/** The windowed layers; none when the window is absent or never closes. */
export function windowOf(config: ModelConfig, layers: number[]): Geometry["local"] {
  const { sliding_window: window } = config;
  if (!window || window >= config.max_position_embeddings || layers.length === 0) return undefined;
  return { window, layers };
}

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
