/**
 * The store of another member, read over the mailbox.
 *
 * @module
 */
import {
  type ActorSystem,
  type BlobBytes,
  blobBytesSchema,
  hasCode,
  type Holdings,
  holdingsSchema,
  OrreryError,
  weightsActor,
} from "../../actors/mod.ts";
import { holdingsByBytes } from "./first_version.ts";
import type { ModelMember } from "./model_request.ts";

/** Milliseconds in which a member must send a piece of 512 KiB: 0.14 Mbit/s is enough. */
const READ_DEADLINE_MS = 30_000;
/** Milliseconds in which a member must say what it has. */
const HAVE_DEADLINE_MS = 15_000;
/** Milliseconds in which a member must send a manifest. */
const MANIFEST_DEADLINE_MS = 30_000;

/** What a node of version 1 does not say. */
const IDLE = { running: false, readers: 1 };

/** The store of member `node`. */
export function memberWeights(system: ActorSystem, node: string): ModelMember {
  const actor = system.get(weightsActor, node);
  return {
    node,
    manifest: (model, signal) =>
      actor.manifest({ model }, { deadlineMs: MANIFEST_DEADLINE_MS, signal }),
    have: async (blobs, signal): Promise<Holdings> => {
      const within = { deadlineMs: HAVE_DEADLINE_MS, signal };
      try {
        const asked = blobs.map((b) => b.sha256);
        return checked(holdingsSchema, await actor.have({ blobs: asked }, within));
      } catch (error) {
        if (!hasCode(error, "unknown_message")) throw error; // else it speaks version 1
        const there = await holdingsByBytes(
          blobs,
          async (sha256, offset) =>
            bytesOf(await actor.blob({ sha256, offset, length: 1 }, within)).length > 0,
        );
        return { ...IDLE, blobs: there };
      }
    },
    read: async (range, signal): Promise<BlobBytes> => {
      const within = { deadlineMs: READ_DEADLINE_MS, signal };
      const answer: unknown = await actor.blob({ ...range, told: true }, within);
      return answer instanceof Uint8Array
        ? { ...IDLE, data: answer }
        : checked(blobBytesSchema, answer);
    },
  };

  function bytesOf(answer: unknown): Uint8Array {
    return answer instanceof Uint8Array ? answer : checked(blobBytesSchema, answer).data;
  }

  /** What a member answered; throws `wrong_bytes` where it is of another form. */
  function checked<T>(
    schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
    value: unknown,
  ): T {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new OrreryError({
      group: "cluster",
      code: "wrong_bytes",
      message: `node ${node} answered a question about weights in an unknown form`,
      metadata: { node },
    });
  }
}
