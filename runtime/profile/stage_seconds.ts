/**
 * How long a frame takes at a stage, by a profile.
 *
 * @module
 */
import type { Manifest } from "../../models/mod.ts";
import { tableSeconds } from "../../planner/mod.ts";
import type { ObservedFrame } from "./drift.ts";
import type { Profile } from "./profile.ts";

/**
 * Seconds of computing that the profile predicts for a frame at the stage of layers `first` to
 * `last` (0-based, inclusive), without the fixed seconds of a frame. `wanted`: rows that pass the LM
 * head there.
 */
export function stageSeconds(
  { layer, embed, head }: Profile,
  { geometry }: Pick<Manifest, "geometry">,
  { first, last }: { first: number; last: number },
  { rows, past, wanted }: Omit<ObservedFrame, "seconds">,
): number {
  return (last - first + 1) * tableSeconds(layer, rows, past) +
    (first === 0 ? tableSeconds(embed, rows, 0) : 0) +
    (last === geometry.layers - 1 && wanted > 0 ? tableSeconds(head, wanted, 0) : 0);
}
