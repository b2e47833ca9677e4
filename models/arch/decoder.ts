/**
 * What all families share. A family states its differences from Llama, and {@linkcode decoder}
 * makes an architecture of them.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { Architecture } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { ROPE_SCALINGS } from "../rope.ts";
import { contextOf, ropeOf, rotatedDims } from "./rope.ts";
import { decoderTensors } from "./tensors.ts";

/** Optional fields of a geometry: where a model differs from Llama. */
export type Traits = Pick<
  Geometry,
  | "alone"
  | "attention"
  | "convolution"
  | "embedding_scale"
  | "experts"
  | "head_bias"
  | "local"
  | "logit_scale"
  | "logit_softcap"
  | "mlp"
  | "norms"
  | "parallel"
  | "recurrence"
  | "residual_scale"
>;

/** A family's differences from Llama. */
export interface DecoderFamily {
  /** Hugging Face classes. */
  classes: readonly string[];
  /** See {@linkcode Architecture.defaults}. */
  defaults?: Readonly<Record<string, unknown>>;
  /** See {@linkcode Architecture.derived}. @default none */
  derived?: Architecture["derived"];
  /** Activation of the MLP in this family, under its name in config.json. @default "silu" */
  activation?: "silu" | "gelu_pytorch_tanh" | "gelu_new" | "relu2";
  /** Field of config.json with the width of the MLP, or of one expert. @default "intermediate_size" */
  widthField?: "intermediate_size" | "moe_intermediate_size";
  /** Field of config.json that names the activation. @default "hidden_act" */
  activationField?: "hidden_act" | "hidden_activation" | "mlp_hidden_act";
  /** Field of config.json with the epsilon of norms. @default "rms_norm_eps" */
  epsilonField?:
    | "rms_norm_eps"
    | "layer_norm_eps"
    | "layer_norm_epsilon"
    | "norm_epsilon"
    | "norm_eps";
  /**
   * Whether `partial_rotary_factor` counts; transformers ignores it in the other families.
   * @default false
   */
  partialRotation?: boolean;
  /** Whether pairs that are rotated together are neighbours. @default false */
  interleaved?: boolean;
  /** Values of `layer_types` that are supported. @default full and sliding attention */
  layerTypes?: readonly string[];
  /** Supported scalings of RoPE. @default all that `rotation` supports */
  ropeTypes?: readonly string[];
  /** Whether a layer (0-based) does not rotate. @default none does */
  skipsRotation?(config: ModelConfig, layer: number): boolean;
  /** Optional fields of the geometry that this family sets. @default none */
  traits?(config: ModelConfig): Traits;
  /**
   * Unsupported settings, in words, in addition to those that {@linkcode decoder} finds. @default
   * none
   */
  unsupported?(config: ModelConfig): string[];
  /** See {@linkcode Architecture.packings}. */
  packings?: Architecture["packings"];
  /** Changes the geometry where rotation or context follow rules of their own. @default none */
  adjusted?(geometry: Geometry, config: ModelConfig): Geometry;
  /** See {@linkcode Architecture.tensors}. @default `decoderTensors` */
  tensors?: Architecture["tensors"];
}

/** Values of `layer_types` that most families have. */
const LAYER_TYPES = ["full_attention", "sliding_attention"];

/** Makes the architecture of a family. */
export function decoder(family: DecoderFamily): Architecture {
  const {
    activation = "silu",
    activationField = "hidden_act",
    epsilonField = "rms_norm_eps",
    layerTypes = LAYER_TYPES,
    ropeTypes = ROPE_SCALINGS,
  } = family;
  return {
    classes: family.classes,
    defaults: family.defaults ?? {},
    derived: family.derived,

    unsupported(config: ModelConfig): string[] {
      const found: string[] = [];
      const stated = config[activationField];
      if (stated !== activation) {
        found.push(`${activationField} ${stated} (supported: ${activation})`);
      }
      const width = family.widthField && config[family.widthField];
      if (Array.isArray(width)) {
        found.push(`${family.widthField} ${width} (supported: one number)`);
      }
      const { type } = ropeOf(config);
      if (!ropeTypes.includes(type)) {
        found.push(`rope_scaling type ${type} (supported: ${ropeTypes.join(", ")})`);
      }
      for (const type of new Set(config.layer_types ?? [])) {
        if (!layerTypes.includes(type)) {
          found.push(`layer_types ${type} (supported: ${layerTypes.join(", ")})`);
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
      const width = config[family.widthField ?? "intermediate_size"];
      const head_dim = config.head_dim ?? Math.floor(config.hidden_size / heads);
      const dims = family.partialRotation ? rotatedDims(config, head_dim) : undefined;
      const skipped = family.skipsRotation
        ? layersWhere(config, (layer) => family.skipsRotation!(config, layer))
        : [];
      const geometry: Geometry = {
        architecture,
        layers: config.num_hidden_layers,
        hidden: config.hidden_size,
        intermediate: typeof width === "number" ? width : config.intermediate_size,
        heads,
        kv_heads: config.num_key_value_heads ?? heads,
        head_dim,
        vocab: config.vocab_size,
        context: contextOf(config),
        norm_eps: config[epsilonField] ?? config.rms_norm_eps,
        rope: {
          theta,
          scaling,
          ...(dims === undefined ? {} : { dims }),
          ...(family.interleaved ? { interleaved: true } : {}),
          ...(skipped.length > 0 ? { skipped_layers: skipped } : {}),
        },
        tied_embeddings: config.tie_word_embeddings,
        ...defined(family.traits?.(config) ?? {}),
      };
      return family.adjusted?.(geometry, config) ?? geometry;
    },

    tensors: family.tensors ?? ((geometry) => decoderTensors(geometry)),
    packings: family.packings,
  };
}

/** Numbers (0-based) of the layers for which `holds` is true. */
export function layersWhere(config: ModelConfig, holds: (layer: number) => boolean): number[] {
  return Array.from({ length: config.num_hidden_layers }, (_, layer) => layer).filter(holds);
}

/**
 * Numbers (0-based) of the layers with a sliding window: those that `layer_types` names, or,
 * without that field, those for which `otherwise` is true.
 */
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

/**
 * The field `local` of a geometry: `layers` with the window of config.json. Undefined if there is
 * no window, or one that spans the whole context and so hides nothing.
 */
export function windowOf(config: ModelConfig, layers: number[]): Geometry["local"] {
  const { sliding_window: window } = config;
  if (!window || window >= config.max_position_embeddings || layers.length === 0) return undefined;
  return { window, layers };
}

/**
 * A copy without undefined fields, so that geometries compare equal to those read from a manifest.
 */
function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
