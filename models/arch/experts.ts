/**
 * Mixtures of experts in checkpoints: what config.json says about them, and under which names the
 * weights of experts stand.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import type { TensorPlan, TensorSpec } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { layersWhere } from "./decoder.ts";

/** The field `experts` of a geometry; `normalised` as there. */
export function expertsOf(config: ModelConfig, normalised: boolean): Experts {
  return {
    count: countOf(config)!,
    active: activeOf(config)!,
    ...(normalised ? { normalised } : {}),
  };
}

/** The field `experts` of a geometry that has it. */
export type Experts = NonNullable<Geometry["experts"]>;

/** Experts of a layer, under the name that config.json has for them. */
const countOf = (config: ModelConfig): number | null | undefined =>
  config.n_routed_experts ?? config.moe_num_experts ?? config.num_local_experts ??
    config.num_experts;

/** Experts of a row; undefined: they differ between layers. */
function activeOf({ moe_k, moe_topk, num_experts_per_tok }: ModelConfig): number | undefined {
  const stated = moe_k ?? moe_topk ?? num_experts_per_tok ?? undefined;
  if (!Array.isArray(stated)) return stated;
  return stated.every((count) => count === stated[0]) ? stated[0] : undefined;
}

/** The field `dense` of `experts`: these layers, with the width that config.json states for them. */
export function denseOf(config: ModelConfig, layers: number[]): Pick<Experts, "dense"> {
  return layers.length === 0 ? {} : { dense: { layers, intermediate: config.intermediate_size } };
}

/**
 * Layers without experts of a Qwen: those of `mlp_only_layers`, and all but every
 * `decoder_sparse_step`-th.
 */
export const sparseStepDense = (config: ModelConfig): Pick<Experts, "dense"> =>
  denseOf(
    config,
    layersWhere(config, (layer) =>
      (config.mlp_only_layers ?? []).includes(layer) ||
      (layer + 1) % (config.decoder_sparse_step ?? 1) !== 0),
  );

/** The field `groups` of `experts`, see there; none where all experts are one group. */
export function groupsOf(
  { n_group: count, topk_group: active }: ModelConfig,
  by: "one" | "two",
): Pick<Experts, "groups"> {
  return count && count > 1 ? { groups: { count, active: active ?? count, by } } : {};
}

/**
 * Contradictory or unsupported settings of experts, in words. `by`: the family chooses within
 * groups, which count as {@linkcode groupsOf} says.
 */
export function unsupportedExperts(config: ModelConfig, by?: "one" | "two"): string[] {
  const [count, active] = [countOf(config), activeOf(config)];
  const found: string[] = [];
  if (!count || !active || active > count) {
    const stated = config.moe_k ?? config.moe_topk ?? config.num_experts_per_tok;
    found.push(`num_experts_per_tok ${stated} of ${count} experts`);
  }
  const { n_group: groups } = config;
  if (groups && groups !== 1 && !by) found.push(`n_group ${groups} (supported: 1)`);
  if (by && count && active) found.push(...unsupportedGroups(groupsOf(config, by), count, active));
  if (config.clip_qkv) found.push(`clip_qkv ${config.clip_qkv} (supported: null)`);
  return found;
}

/** Groups from which the experts of a row cannot be chosen, in words. */
function unsupportedGroups(
  { groups }: Pick<Experts, "groups">,
  count: number,
  active: number,
): string[] {
  if (!groups) return [];
  const each = count / groups.count;
  const least = groups.by === "one" ? 1 : 2;
  const fits = Number.isInteger(each) && each >= least && groups.active <= groups.count &&
    groups.active * each >= active;
  if (fits) return [];
  return [
    `n_group ${groups.count} and topk_group ${groups.active} for ${active} of ${count} experts ` +
    `(supported: equal groups of at least ${least}, which hold as many as are chosen)`,
  ];
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

/**
 * Where the rows of gate (`part` 0) or up (1) stand: for each expert the rows of both follow each
 * other in one tensor [experts, 2 * I, H].
 */
export const gateAboveUp =
  (tensor: string, part: 0 | 1): ExpertRows => (prefix, { experts, intermediate, hidden }) => {
    const name = `${prefix}${tensor}`;
    const shape = [experts!.count, 2 * intermediate, hidden];
    const stacked = Array.from({ length: experts!.count }, (_, expert) => ({
      name,
      within: { shape, firstRow: (2 * expert + part) * intermediate },
    }));
    return { name, stacked };
  };

/** Where the rows of down stand: one below the other in one tensor [experts, H, I]. */
export const downOfAll =
  (tensor: string): ExpertRows => (prefix, { experts, intermediate, hidden }) => ({
    name: `${prefix}${tensor}`,
    within: { shape: [experts!.count, hidden, intermediate], firstRow: 0 },
  });
