/**
 * Profiles: how fast this machine runs a model, how fast its links are, and whether what was
 * measured still holds.
 *
 * @module
 */
export { loadProfiles, ProfileCache } from "./cache.ts";
export { type DriftOptions, type DriftVerdict, DriftWatch, type ObservedFrame } from "./drift.ts";
export { type Echo, probeLink } from "./links.ts";
export { type Machine, measureCpuShare, sameShare, thisMachine } from "./machine.ts";
export {
  deviceOf,
  geometryHash,
  type NodeProfile,
  nodeProfileSchema,
  type Profile,
  PROFILE_VERSION,
  type ProfileKey,
  profileSchema,
} from "./profile.ts";
export { profileKey, profileModel, type ProfileOptions, type ProfileProgress } from "./profiler.ts";
export { NodeProfiler, type NodeProfilerOptions } from "./node_profiler.ts";
export { watchEngine } from "./watch_engine.ts";
export { atPrecision } from "./weights.ts";
