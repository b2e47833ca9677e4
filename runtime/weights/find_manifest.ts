/**
 * The manifest of a model: this node's own, or from members that have it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { hasCode, OrreryError, toOrreryError } from "../../actors/mod.ts";
import { type Manifest, manifestSchema } from "../../models/mod.ts";
import type { EnsureModelOptions, EnsureModelWorld, ModelMember } from "./model_request.ts";

/** SHA-256 of a manifest as members send it, in hexadecimal: deployments name models by it. */
export function manifestSha256(manifest: Manifest): string {
  return hashOf(JSON.stringify(manifest));
}

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * The manifest in this node's own store, if it is the deployment's. Another model of the same name
 * is not.
 */
export async function ownManifest(
  { model, manifestSha256: expected, source }: EnsureModelOptions,
  { store, node }: EnsureModelWorld,
): Promise<Manifest | undefined> {
  if (source === node) return (await store.get(model)).manifest;
  if (expected === undefined) return undefined;
  try {
    const { manifest } = await store.get(model);
    return manifestSha256(manifest) === expected ? manifest : undefined;
  } catch (error) {
    if (hasCode(error, "model_not_found") || hasCode(error, "manifest_malformed")) return undefined;
    throw error;
  }
}

/** The manifest as the members have it. */
export async function fetchManifest(
  { model, manifestSha256: expected, source, signal }: EnsureModelOptions,
  members: readonly ModelMember[],
): Promise<Manifest> {
  const refusals: string[] = [];
  /** Who sent which manifest, by its hash. */
  const sent = new Map<string, { text: string; nodes: string[] }>();
  const ask = async (member: ModelMember) => {
    const text = await member.manifest(model, signal);
    const hash = hashOf(text);
    if (expected !== undefined && hash !== expected) {
      throw new Error(`its manifest has the hash ${hash}, the deployment's is ${expected}`);
    }
    sent.set(hash, { text, nodes: [...sent.get(hash)?.nodes ?? [], member.node] });
  };
  const first = members.filter((m) => m.node === source);
  for (const group of [first, members.filter((m) => m.node !== source)]) {
    await Promise.all(group.map((member) =>
      ask(member).catch((error) => {
        signal.throwIfAborted();
        refusals.push(`${member.node}: ${toOrreryError(error).message}`);
      })
    ));
    if (sent.size > 0) break;
  }
  if (sent.size > 1) {
    const who = [...sent].sort(([, a], [, b]) => a.nodes[0] < b.nodes[0] ? -1 : 1).map((
      [hash, { nodes }],
    ) => `${hash.slice(0, 12)} at ${nodes.join(", ")}`);
    throw new OrreryError({
      group: "cluster",
      code: "manifests_differ",
      message:
        `nodes have different models named ${model}: ${
          who.join("; ")
        }; remove the wrong one there ` +
        "(deno task models remove)",
      metadata: {
        model,
        manifests: Object.fromEntries([...sent].map(([hash, { nodes }]) => [hash, nodes])),
      },
    });
  }
  const [found] = sent.values();
  if (!found) {
    throw new OrreryError({
      group: "cluster",
      code: "manifest_missing",
      message: `no node gave the manifest of model ${model} (${
        refusals.join("; ") || "there is no other node"
      }); start a node that has the model, or add it here (deno task models add)`,
      metadata: { model, asked: members.map((m) => m.node) },
    });
  }
  const manifest = manifestSchema.parse(JSON.parse(found.text));
  if (manifest.name !== model) {
    // It would be stored in the place of another model.
    throw new OrreryError({
      group: "cluster",
      code: "other_model",
      message: `node ${
        found.nodes[0]
      } answered the manifest of ${manifest.name} when asked for ${model}`,
      metadata: { node: found.nodes[0], model, answered: manifest.name },
    });
  }
  return manifest;
}
