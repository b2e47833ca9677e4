/**
 * The store of another member, read over the mailbox.
 *
 * @module
 */
import {
  type ActorSystem,
  type BlobBytes,
  blobBytesSchema,
  type Holdings,
  holdingsSchema,
  OrreryError,
  weightsActor,
} from "../../actors/mod.ts";
import type { ModelMember } from "./model_request.ts";

/** Milliseconds in which a member must send a piece of 512 KiB: 0.14 Mbit/s is enough. */
const READ_DEADLINE_MS = 30_000;
/** Milliseconds in which a member must say what it has. */
const HAVE_DEADLINE_MS = 15_000;
/** Milliseconds in which a member must send a manifest. */
const MANIFEST_DEADLINE_MS = 30_000;

/** The store of member `node`. */
export function memberWeights(system: ActorSystem, node: string): ModelMember {
  const actor = system.get(weightsActor, node);
  return {
    node,
    manifest: (model, signal) =>
      actor.manifest({ model }, { deadlineMs: MANIFEST_DEADLINE_MS, signal }),
    have: async (blobs, signal): Promise<Holdings> =>
      checked(
        holdingsSchema,
        await actor.have({ blobs }, { deadlineMs: HAVE_DEADLINE_MS, signal }),
      ),
    read: async (range, signal): Promise<BlobBytes> => {
      const within = { deadlineMs: READ_DEADLINE_MS, signal };
      return checked(blobBytesSchema, await actor.blob({ ...range, told: true }, within));
    },
  };

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
