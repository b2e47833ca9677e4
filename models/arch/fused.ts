/**
 * Checkpoints that hold several projections of a layer in one tensor.
 *
 * @module
 */
import type { TensorPlan, TensorSpec } from "./architecture.ts";

/** Name of a fused tensor in a layer -> keys of the tensors in it, in the order of their rows. */
export type FusedNames = Readonly<Record<string, readonly string[]>>;

/**
 * The plan in which the tensors that are fused in the checkpoint are rows of the fused ones;
 * `prefixOf` gives what the names in a layer begin with.
 */
export function fusedTensors(
  plan: TensorPlan,
  fused: FusedNames,
  prefixOf: (layer: number) => string = (layer) => `model.layers.${layer}.`,
): TensorPlan {
  const layers = plan.layers.map((specs, layer) =>
    specs.map((spec) => inFused(spec, specs, { prefix: prefixOf(layer), fused }))
  );
  return { ...plan, layers };
}

/** A tensor as rows of the fused tensor that holds it, or unchanged if none does. */
function inFused(
  spec: TensorSpec,
  specs: TensorSpec[],
  { prefix, fused }: { prefix: string; fused: FusedNames },
): TensorSpec {
  for (const [name, keys] of Object.entries(fused)) {
    const at = keys.indexOf(spec.key);
    if (at < 0) continue;
    const rows = keys.map((key) => specs.find((other) => other.key === key)!.shape[0]);
    const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
    return {
      ...spec,
      name: `${prefix}${name}`,
      within: {
        shape: [sum(rows), ...spec.shape.slice(1)],
        firstRow: sum(rows.slice(0, at)),
      },
    };
  }
  return spec;
}
