/**
 * The models of a deployment as a whole, and what a store lacks of them.
 *
 * @module
 */
import type { Deployment } from "../../actors/mod.ts";
import { groupsOf, type Manifest, type ModelStore } from "../../models/mod.ts";
import type { EnsureModelOptions } from "./model_request.ts";

/** What names a model to those who fetch it. */
export type ModelOfDeployment = Pick<
  EnsureModelOptions,
  "model" | "manifestSha256" | "source" | "members"
>;

/** The model of a deployment. */
export const targetOf = (
  { model, source, manifest_sha256, members }: Deployment,
): ModelOfDeployment => ({
  model,
  source,
  manifestSha256: manifest_sha256,
  members: members.map((m) => m.node),
});

/** The draft model of a deployment; undefined: it has none. */
export const draftOf = ({ draft, members }: Deployment): ModelOfDeployment | undefined =>
  draft && {
    model: draft.model,
    source: draft.source,
    manifestSha256: draft.manifest_sha256,
    members: members.map((m) => m.node),
  };

/** The model and the draft model of a deployment. */
export const wholeModels = (deployment: Deployment): ModelOfDeployment[] => {
  const draft = draftOf(deployment);
  return [targetOf(deployment), ...(draft ? [draft] : [])];
};

/** Bytes of the weights of a model that a store lacks. */
export async function lackingBytes(manifest: Manifest, store: ModelStore): Promise<number> {
  let sum = 0;
  for (const { sha256, bytes } of groupsOf(manifest)) {
    if (!await store.has(sha256)) sum += bytes;
  }
  return sum;
}
