/**
 * How fast a node is likely to run a model that it has not measured, by one that it has. Good enough to
 * choose between nodes until they have measured themselves. Pure.
 *
 * @module
 */
import type { Manifest } from "../../models/mod.ts";
import type { TimeTable } from "../../planner/mod.ts";
import type { NodeProfile } from "../profile/mod.ts";
import { modelShape } from "./plan_input.ts";

/**
 * The profile of `known`, measured with model `from`, as one of model `to`: the time of a frame is
 * taken to be in proportion to the bytes of weights that it reads.
 */
export function likelyProfile(known: NodeProfile, from: Manifest, to: Manifest): NodeProfile {
  const [before, after] = [modelShape(from), modelShape(to)];
  const layer = mean(after.layerBytes) / mean(before.layerBytes);
  const head = after.headBytes / before.headBytes;
  const { profile } = known;
  return {
    ...known,
    profile: {
      ...profile,
      model: to.name,
      layer: times(profile.layer, layer),
      embed: times(profile.embed, after.hidden / before.hidden),
      head: times(profile.head, head),
      layer_bytes: profile.layer_bytes * layer,
    },
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;

const times = (table: TimeTable, factor: number): TimeTable => ({
  ...table,
  seconds: table.seconds.map((row) => row.map((seconds) => seconds * factor)),
});
