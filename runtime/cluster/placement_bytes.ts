/**
 * The memory that a placement takes, by which deployments share nodes.
 *
 * @module
 */
import { type DeploymentPlacement, HEAD_PARTS } from "../../actors/mod.ts";
import { allRows, kvBytes } from "../../planner/mod.ts";
import type { Manifest } from "../../models/mod.ts";
import { modelShape } from "./plan_input.ts";

/** KV rows that are reckoned with where nothing was planned. */
const USUAL_ROWS = 2048;

/** Bytes of weights and KV cache that a placement takes at each node, by id. */
export function placementBytes(
  { stages, head, solo, draft, shape }: DeploymentPlacement,
  target: Manifest,
  draftModel?: Manifest,
): Map<string, number> {
  const taken = new Map<string, number>();
  const add = (node: string, bytes: number) => taken.set(node, (taken.get(node) ?? 0) + bytes);
  const model = modelShape(target);
  const { layerBytes, embedBytes, headBytes, layers } = model;
  const rows = shape?.kv_rows ?? Math.min(USUAL_ROWS, target.geometry.context);
  const kept = { rows, windowed: shape?.window_rows ?? rows };
  const of = (first: number, last: number): number => {
    const weights = layerBytes.slice(first, last + 1).reduce((a, b) => a + b, 0);
    return weights + kvBytes(model, { first, last }, kept);
  };
  for (const { node, first, last } of stages) {
    add(node, of(first, last) + (first === 0 ? embedBytes : 0));
    if (last === layers - 1 && !head) add(node, headBytes);
  }
  for (const { node, first_part, last_part } of head ?? []) {
    add(node, headBytes * (last_part - first_part + 1) / HEAD_PARTS);
  }
  if (solo) add(solo.node, of(0, layers - 1) + embedBytes + headBytes);
  if (draft && draftModel) {
    const shape = modelShape(draftModel);
    const weights = shape.layerBytes.reduce((a, b) => a + b, 0) + shape.embedBytes;
    const whole = { first: 0, last: shape.layers - 1 };
    add(draft.node, weights + shape.headBytes + kvBytes(shape, whole, allRows(rows)));
  }
  return taken;
}
