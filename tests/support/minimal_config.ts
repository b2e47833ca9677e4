/**
 * The smallest config.json that a model can have: what tests of the architectures start from.
 *
 * @module
 */
import type { Geometry } from "../../models/mod.ts";
import { describe } from "../../models/arch/mod.ts";

/** A Llama of 2 layers that leaves everything optional out. */
export const MINIMAL_CONFIG = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  vocab_size: 300,
};

/** The geometry of the smallest config.json with these fields instead of or beside its own. */
export function geometryWith(fields: Record<string, unknown>): Geometry {
  return describe({ ...MINIMAL_CONFIG, ...fields }, "config.json").geometry;
}

/** As {@linkcode geometryWith}, for a class and 32 heads, so that any number of KV heads fits. */
export function geometryOfClass(name: string, fields: Record<string, unknown> = {}): Geometry {
  return geometryWith({ num_attention_heads: 32, architectures: [name], ...fields });
}
