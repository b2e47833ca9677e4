/**
 * Profiles of the embedded model and its draft model that nodes find in their data folder, as after
 * `deno task profile`: a node that finds one does not measure, which takes several seconds of
 * processor time for each model.
 *
 * The times are made up, so that plans do not depend on the other work of the machine that runs the
 * tests. They are those of a slow machine: frames then never take so much longer than the profile
 * says that a node measures again.
 *
 * @module
 */
import { type Manifest, ModelStore } from "../../models/mod.ts";
import { usualThreads } from "../../runtime/engine/mod.ts";
import {
  type Profile,
  PROFILE_VERSION,
  ProfileCache,
  profileKey,
} from "../../runtime/profile/mod.ts";
import { resolveDraft, resolveModel } from "../../runtime/serve/mod.ts";

/**
 * Shares of a core: a node looks for a profile of about the share that it gets, and beside other
 * tests that may be any.
 */
const SHARES = [0.9, 0.58, 0.37, 0.24, 0.15, 0.1];

type Times = Pick<
  Profile,
  "layer" | "embed" | "head" | "frame_s" | "overhead_bytes" | "layer_bytes"
>;

const MIB = 2 ** 20;

/** The times of the model, or of a model that takes a `share` of its time. */
const timesOf = (share: number): Times => {
  const seconds = (table: number[][]) => table.map((row) => row.map((time) => share * time));
  return {
    layer: {
      rows: [1, 4, 16, 64, 256],
      past: [0, 1024],
      seconds: seconds([
        [0.002, 0.003],
        [0.0022, 0.0036],
        [0.0035, 0.006],
        [0.008, 0.015],
        [0.03, 0.05],
      ]),
    },
    embed: { rows: [1, 64], past: [0], seconds: seconds([[0.0001], [0.0005]]) },
    head: { rows: [1, 16], past: [0], seconds: seconds([[0.003], [0.005]]) },
    frame_s: share * 0.001,
    overhead_bytes: 40 * MIB,
    layer_bytes: share * 4 * MIB,
  };
};

/** Share of the model's time that its draft model takes, whose layers are narrower. */
const DRAFT_SHARE = 0.3;

/** For which nodes and models {@linkcode writeProfiles} writes. */
export interface KnownProfiles {
  /** As the nodes' `--threads`. @default as without that option */
  threads?: number;
  /**
   * Name of a model of the first folder's store, instead of the embedded models.
   * @default the embedded model and its draft model, which the first folder gets if it lacks them
   */
  model?: string;
}

/** Writes profiles into each of these data folders. */
export async function writeProfiles(
  folders: readonly string[],
  { threads, model: name }: KnownProfiles = {},
): Promise<void> {
  const store = await ModelStore.open(folders[0]);
  const { manifest } = await resolveModel(store, { model: name });
  const models: [Manifest, Times][] = [[manifest, timesOf(1)]];
  if (name === undefined) {
    const { draft } = await resolveDraft(store, { target: {} });
    models.push([draft!.manifest, timesOf(DRAFT_SHARE)]);
  }
  for (const [model, times] of models) {
    const bytes = model.layers.reduce((sum, layer) => sum + layer.bytes, 0);
    const profile = {
      version: PROFILE_VERSION,
      key: profileKey(model, { threads: threads ?? usualThreads(bytes) }),
      model: model.name,
      measured_at: new Date().toISOString(),
      quick: true,
      synthetic: false,
      took_s: 1,
      stale: null,
      ...times,
    } as const;
    for (const folder of folders) {
      const cache = new ProfileCache(folder);
      for (const cpu_share of SHARES) await cache.put({ ...profile, cpu_share });
    }
  }
}
