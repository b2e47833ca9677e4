/**
 * Weights: the actor by which other nodes read a node's model store.
 *
 * @module
 */
import { z } from "zod";
import { type Address, address, anyNode, defineActor } from "../system/mod.ts";
import { SYSTEM } from "./deployment.ts";

/** Most bytes of a blob in one message. */
export const CHUNK_BYTES = 4 * 1024 * 1024;

/** Resource `store` of a weights actor: reads the node's model store. */
export interface WeightStore {
  /**
   * The manifest of the model with this name, as JSON text. Throws `model_not_found`, and
   * `not_served` (group `cluster`) for a model that the cluster does not serve.
   */
  manifest(model: string): Promise<string>;
  /**
   * `length` bytes of a blob from `offset` on, fewer at its end. A blob is a weights file, or a
   * text file that the manifest lists. Throws `blob_missing`, and `not_served` (group `cluster`)
   * for a blob of no model that the cluster serves.
   */
  blob(sha256: string, offset: number, length: number): Promise<Uint8Array>;
}

/** Address of a node's weights actor. */
export const weightsAddress = (node: string): Address => address(SYSTEM, "weights", node);

// Names a folder: dots alone would lead out of the store.
const model = z.string().regex(/^(?!\.+$)[A-Za-z0-9._~-]{1,128}$/);

/** The weights actor; see the module's text. Its key is the node's id. */
export const weightsActor = defineActor({
  kind: "weights",
  deployment: SYSTEM,
  config: z.object({}),
  messages: {
    /** See {@linkcode WeightStore.manifest}. */
    manifest: z.object({ model }),
    /** See {@linkcode WeightStore.blob}. */
    blob: z.object({
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      offset: z.number().int().nonnegative(),
      length: z.number().int().positive().max(CHUNK_BYTES),
    }),
  },
  callers: anyNode, // the store gives what the cluster serves, and nothing else
  create(ctx) {
    const store = ctx.resource<WeightStore>("store");
    return {
      manifest: ({ model }) => store.manifest(model),
      blob: ({ sha256, offset, length }) => store.blob(sha256, offset, length),
    };
  },
});
