/**
 * What config.json says about rotary position embedding: `rope_theta` + `rope_scaling`, or the
 * newer `rope_parameters`, which may differ from one type of layer to the other.
 *
 * @module
 */
import { z } from "zod";
import type { ModelConfig } from "./config.ts";

/** Rotation as config.json describes it. */
export interface Rotation {
  /** Base of the frequencies. */
  theta: number;
  /** Scaling with the fields that it takes from the rest of config.json filled in; none is null. */
  scaling: Record<string, unknown> | null;
  /** `default`, `linear`, `llama3` ... */
  type: string;
}

const TAKES_ORIGINAL_LENGTH = ["llama3", "yarn", "longrope"];
const TAKES_FACTOR = ["yarn", "longrope"];

const FORMER_NAMES: Record<string, string> = { su: "longrope" };

const DEFAULT_THETA = 10000;

/** Rotation of all layers, or of those of one type where `rope_parameters` tells types apart. */
export function ropeOf(config: ModelConfig, layerType = "full_attention"): Rotation {
  const stated = statedFor(config, layerType);
  const theta = z.number().positive().safeParse(stated?.["rope_theta"] ?? config.rope_theta);
  const named = String(stated?.["rope_type"] ?? stated?.["type"] ?? "default");
  const type = FORMER_NAMES[named] ?? named;
  const scaling = stated === null || type === "default" ? null : { ...stated };
  if (scaling && type !== named) scaling["rope_type"] = type;
  if (scaling && TAKES_ORIGINAL_LENGTH.includes(type)) {
    const longest = config.max_position_embeddings;
    scaling["original_max_position_embeddings"] = config.original_max_position_embeddings ??
      scaling["original_max_position_embeddings"] ?? longest;
    if (TAKES_FACTOR.includes(type)) {
      scaling["factor"] ??= longest / Number(scaling["original_max_position_embeddings"]);
    }
  }
  return { theta: theta.success ? theta.data : DEFAULT_THETA, scaling, type };
}

/** Dimensions of a head that are rotated; undefined: all. */
export function rotatedDims(config: ModelConfig, headDim: number): number | undefined {
  const stated = statedFor(config, "full_attention")?.["partial_rotary_factor"];
  const share = Number(stated ?? config.partial_rotary_factor ?? 1);
  return share === 1 ? undefined : Math.floor(headDim * share);
}

function statedFor(config: ModelConfig, layerType: string): Record<string, unknown> | null {
  const all = config.rope_parameters ?? config.rope_scaling ?? null;
  const own = all?.[layerType];
  return typeof own === "object" && own !== null ? own as Record<string, unknown> : all;
}

/**
 * Longest context that all rows can share one table of angles in. `dynamic` and `longrope` change
 * the angles of *all* rows once the text is longer than the original length, where transformers
 * leaves the keys that it has cached at the old ones; so these end at the original length, up to
 * which they equal transformers.
 */
export function contextOf(config: ModelConfig): number {
  const { scaling, type } = ropeOf(config);
  const longest = config.max_position_embeddings;
  if (type !== "longrope") return longest; // the original length of `dynamic` is max_position_embeddings
  const original = z.number().int().positive().safeParse(
    scaling?.["original_max_position_embeddings"],
  );
  return original.success ? Math.min(original.data, longest) : longest;
}
