/**
 * What config.json says about rotary position embedding, either in `rope_theta` and `rope_scaling`
 * or in the newer `rope_parameters`, which may differ between types of layers.
 *
 * @module
 */
import { z } from "zod";
import type { ModelConfig } from "./config.ts";

/** Rotation as config.json describes it. */
export interface Rotation {
  /** Base of the frequencies. */
  theta: number;
  /**
   * Scaling, completed with the values that it takes from other fields of config.json; null: none.
   */
  scaling: Record<string, unknown> | null;
  /** Type of the scaling: `default` (none), `linear`, `llama3` ... */
  type: string;
}

/** Scalings whose original length may stand elsewhere in config.json. */
const TAKES_ORIGINAL_LENGTH = ["llama3", "yarn", "longrope"];
/** Scalings whose factor may be left out: context / original length. */
const TAKES_FACTOR = ["yarn", "longrope"];

/** Earlier name of a scaling -> its name today. */
const FORMER_NAMES: Record<string, string> = { su: "longrope" };

/** Base of the frequencies where config.json states none, as in transformers. */
const DEFAULT_THETA = 10000;

/**
 * Rotation of the layers of a type. Only `rope_parameters` may tell types apart; otherwise it is
 * the rotation of all layers.
 */
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

/** Number of dimensions of a head that are rotated; undefined: all of them. */
export function rotatedDims(config: ModelConfig, headDim: number): number | undefined {
  const stated = statedFor(config, "full_attention")?.["partial_rotary_factor"];
  const share = Number(stated ?? config.partial_rotary_factor ?? 1);
  return share === 1 ? undefined : Math.floor(headDim * share);
}

/** The fields that config.json states about rotation in layers of a type; null: none. */
function statedFor(config: ModelConfig, layerType: string): Record<string, unknown> | null {
  const all = config.rope_parameters ?? config.rope_scaling ?? null;
  const own = all?.[layerType];
  return typeof own === "object" && own !== null ? own as Record<string, unknown> : all;
}

/**
 * Most rows of a context: a table of angles has that many, 512 MiB for heads of 128 dimensions, and
 * a config.json may state any number.
 */
export const MOST_CONTEXT = 2 ** 20;

/**
 * Longest context, in rows, in which one table of angles holds for all rows. `dynamic` and
 * `longrope` change the angles of *all* rows once a text is longer than the original length, but
 * transformers leaves the keys that it has cached at the old angles. So the context ends at the
 * original length, up to which the results equal those of transformers. Whoever asks for a longer
 * one of `longrope` gets the angles of long texts for all rows, as llama.cpp does it.
 */
export function contextOf(config: ModelConfig): number {
  const { type } = ropeOf(config);
  // of `dynamic` the stated length is the original one
  const stated = type === "longrope" ? originalContext(config) : config.max_position_embeddings;
  return Math.min(stated, MOST_CONTEXT);
}

/** The length before the context was stretched, in rows, or the whole where config.json is silent. */
export function originalContext(config: ModelConfig): number {
  const { scaling } = ropeOf(config);
  const longest = config.max_position_embeddings;
  const original = z.number().int().positive().safeParse(
    scaling?.["original_max_position_embeddings"],
  );
  return original.success ? Math.min(original.data, longest) : longest;
}
