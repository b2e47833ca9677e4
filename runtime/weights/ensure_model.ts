/**
 * Makes sure that a node's store has what it needs of a model: the manifest, the text files, and
 * some of the weights.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  blobsOf,
  groupsOf,
  HEAD_PARTS,
  type Manifest,
  type StoredModel,
} from "../../models/mod.ts";
import { fetchBlobs } from "./blob_fetch.ts";
import { fetchManifest, ownManifest } from "./find_manifest.ts";
import type { EnsureModelOptions, EnsureModelWorld } from "./model_request.ts";
import type { BlobRequest } from "./blob_request.ts";

const log = getLogger(["orrery", "cluster"]);

/**
 * Fetches from the members what this node's store lacks of the manifest, the text files and the
 * blobs of `layers` and `parts`. Blobs whose fetch broke off earlier are resumed, and each one is
 * checked against its hash. Throws group `cluster`: `other_model`, `manifests_differ`,
 * `manifest_missing`, `weights_missing`; and what the store throws.
 */
export async function ensureModel(
  options: EnsureModelOptions,
  world: EnsureModelWorld,
): Promise<StoredModel> {
  const { store, node } = world;
  const { model, members, source } = options;
  const others = [...new Set([source, ...members])].filter((n) => n !== node)
    .map((n) => world.member(n));
  const own = await ownManifest(options, world);
  const manifest = own ?? await fetchManifest(options, others);
  const roles = new Map(blobsOf(manifest).map(({ sha256, role }) => [sha256, role]));
  const sizes = new Map(groupsOf(manifest).map(({ sha256, bytes }) => [sha256, bytes]));
  const lacking = async (all: Iterable<string>) => {
    const blobs: BlobRequest[] = [];
    for (const sha256 of new Set(all)) {
      if (await store.has(sha256)) continue;
      blobs.push({ sha256, role: roles.get(sha256)!, bytes: sizes.get(sha256) });
    }
    return blobs;
  };
  const fetch = async (blobs: BlobRequest[]) => {
    if (blobs.length === 0) return;
    log.info("fetching {roles} of {model} from {nodes}", {
      roles: blobs.map((b) => b.role).join(", "),
      model,
      nodes: others.map((o) => o.node).join(", "),
    });
    await fetchBlobs({
      ...world,
      model,
      blobs,
      sources: others,
      target: store.blobs,
      signal: options.signal,
      onWrong: ({ node, blob, why }) =>
        log.error(
          "node {node} sent wrong bytes of {role} of {model} ({sha256}) and is not asked for it " +
            "again: {why}",
          { node, role: blob.role, sha256: blob.sha256, model, why },
        ),
    });
  };
  if (!own) await store.writeManifest(manifest); // from now on its blobs are in use
  await fetch(await lacking(Object.values(manifest.files)));
  const stored = await store.writeManifest(manifest);
  await fetch(await lacking(blobsFor(manifest, options)));
  return stored;
}

/**
 * SHA-256 sums of the blobs that these layers and parts of the LM head need. The final norm belongs
 * to the last layer.
 */
function blobsFor(
  manifest: Manifest,
  { layers, parts }: Pick<EnsureModelOptions, "layers" | "parts">,
): string[] {
  const { layers: all, embedding, head, head_parts = [], geometry } = manifest;
  if (layers === "all") return groupsOf(manifest).map((g) => g.sha256);
  const groups = layers.flatMap(({ first, last }) => [
    ...all.slice(first, last + 1),
    ...(first === 0 ? [embedding] : []),
    ...(last === geometry.layers - 1 ? [head] : []),
  ]);
  for (const { first, last } of parts) groups.push(...head_parts.slice(first, last + 1));
  return groups.map((g) => g.sha256);
}

/** All parts of an LM head. */
export const ALL_PARTS = [{ first: 0, last: HEAD_PARTS - 1 }];
