import { OrreryError } from "../../actors/mod.ts";
import type { BlobPeer } from "./blob_peer.ts";
import type { WantedBlob } from "./wanted_blob.ts";

/** The error for a blob that no member has: which, of which model, and who was asked. */
export function nobodyHas(
  model: string,
  blob: WantedBlob,
  peers: readonly BlobPeer[],
): OrreryError {
  const { sha256, request: { role } } = blob;
  const said = (peer: BlobPeer): string => {
    const wrong = blob.excluded.get(peer.node);
    if (wrong !== undefined) return `sent wrong bytes (${wrong})`;
    if (!peer.asked) return "has not answered yet";
    if (peer.why !== undefined) return `does not answer (${peer.why})`;
    const bytes = peer.whole.get(sha256);
    if (bytes !== undefined) return `has ${bytes} bytes of it in place of ${blob.bytes}`;
    const some = peer.partial.get(sha256);
    return some === undefined ? "has it not" : `has the first ${some} bytes of it`;
  };
  const asked = peers.map((peer) => `${peer.node} ${said(peer)}`);
  return new OrreryError({
    group: "cluster",
    code: "weights_missing",
    message: `no other node has ${role} of model ${model} (blob ${sha256.slice(0, 12)}): ${
      asked.length > 0 ? asked.join("; ") : "there is no other node"
    }; start a node that has the model, or add it here (deno task models add)`,
    metadata: { model, role, sha256, asked: peers.map((p) => p.node) },
  });
}
