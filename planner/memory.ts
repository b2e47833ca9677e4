/**
 * Memory of a placement's devices: stages, shares of the head, and what is left.
 *
 * @module
 */
import { shareBytes } from "./cost/mod.ts";
import type { KvRows } from "./kv_bytes.ts";
import type { LayerRange } from "./even_split.ts";
import type { PlacedSolution } from "./placed_solution.ts";
import { stageBytes } from "./placement/mod.ts";
import type { ModelShape } from "./types.ts";

/** Parts of the head that a device computes besides or without a stage. */
export function partsOn({ head }: PlacedSolution, device: number): number {
  return head?.find((share) => share.device === device)?.parts ?? 0;
}

/** Bytes of a stage's weights and KV cache; a share of the head on its device counts. */
export function memoryOf(
  solved: PlacedSolution,
  index: number,
  kvRows: KvRows,
): { weights: number; kv: number } {
  const { cost, stages, head } = solved;
  const { device, first, last } = stages[index];
  const { weights, kv } = cost.stageBytes({ first, last }, kvRows);
  if (!head) return { weights, kv };
  const { headBytes } = cost.model;
  const share = shareBytes(headBytes, partsOn(solved, device));
  return { weights: weights - wholeHeadBytes(cost.model, { first, last }) + share, kv };
}

/** Bytes that a stage's weights have less where it does not hold the whole head. */
export function wholeHeadBytes(
  { layers, headBytes, embedBytes, tied }: ModelShape,
  { first, last }: LayerRange,
): number {
  if (last < layers - 1) return 0;
  return tied && first === 0 ? Math.max(embedBytes, headBytes) - embedBytes : headBytes;
}

/** Bytes that a device has left besides the engine and its stage, if it has one. */
export function leftOn(solved: PlacedSolution, device: number): number {
  const { problem, stages } = solved;
  const stage = stages.find((s) => s.device === device);
  const used = stage ? stageBytes(problem, stage.first, stage.last) : 0;
  return problem.memoryBytes[device] - problem.overheadBytes[device] - used;
}
