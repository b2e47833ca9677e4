/**
 * Mixtures of experts in checkpoints: what config.json says about them, and under which names the
 * weights of experts stand.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { TensorPlan, TensorSpec } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";

/** The field `experts` of a geometry; `normalised` as there. */
export function expertsOf(config: ModelConfig, normalised: boolean): Geometry["experts"] {
  return {
    count: config.num_local_experts ?? config.num_experts!,
    active: config.num_experts_per_tok!,
    ...(normalised ? { normalised } : {}),
  };
}

/** Contradictory or unsupported settings of experts, in words. */
export function unsupportedExperts(config: ModelConfig): string[] {
  const { num_local_experts, num_experts, num_experts_per_tok: active } = config;
  const count = num_local_experts ?? num_experts;
  const found: string[] = [];
  if (!count || !active || active > count) {
    found.push(`num_experts_per_tok ${active} of ${count} experts`);
  }
  if ((config.mlp_only_layers ?? []).length > 0) {
    found.push(`mlp_only_layers [${config.mlp_only_layers}] (supported: experts in every layer)`);
  }
  if ((config.decoder_sparse_step ?? 1) !== 1) {
    found.push(`decoder_sparse_step ${config.decoder_sparse_step} (supported: 1)`);
  }
  if (config.clip_qkv) found.push(`clip_qkv ${config.clip_qkv} (supported: null)`);
  return found;
}

/** Where the rows of a tensor of all experts stand, given the prefix of its layer. */
export type ExpertRows = (
  prefix: string,
  geometry: Geometry,
) => Pick<TensorSpec, "name" | "within" | "stacked">;

/** A plan whose tensors of experts stand elsewhere: key -> place. */
export function placedExperts(
  plan: TensorPlan,
  geometry: Geometry,
  places: Readonly<Record<string, ExpertRows>>,
): TensorPlan {
  const layers = plan.layers.map((specs, layer) =>
    specs.map((spec) => {
      const place = places[spec.key];
      return place ? { ...spec, ...place(`model.layers.${layer}.`, geometry) } : spec;
    })
  );
  return { ...plan, layers };
}

/** Experts with a tensor each, in the order of their numbers. */
export const ofEach = (name: (expert: number) => string): ExpertRows => (prefix, { experts }) => ({
  name: `${prefix}${name(0)}`,
  stacked: Array.from({ length: experts!.count }, (_, n) => ({ name: `${prefix}${name(n)}` })),
});

/** Places of tensors that most families use. */
export const EXPERT_PLACES: Readonly<Record<string, ExpertRows>> = Object.fromEntries(
  ["gate", "up", "down"].map((part) => [
    `mlp.experts.${part}`,
    ofEach((expert) => `mlp.experts.${expert}.${part}_proj.weight`),
  ]),
);
