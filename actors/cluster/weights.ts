/**
 * Weights: a node's model store, as other nodes read it.
 *
 * @module
 */
import { z } from "zod";
import { type Address, address, defineActor } from "../system/mod.ts";
import { SYSTEM } from "./deployment.ts";

/** Largest piece of a blob in one message, bytes. */
export const CHUNK_BYTES = 4 * 1024 * 1024;

/** Resource `store` of a weights actor. */
export interface WeightStore {
  /** The manifest as JSON text. Throws `model_not_found`. */
  manifest(model: string): Promise<string>;
  /**
   * Bytes of a blob (weights, or a text file that the manifest lists): fewer than asked at its end.
   * Throws `blob_unknown`.
   */
  blob(sha256: string, offset: number, length: number): Promise<Uint8Array>;
}

/** Address of a node's weights actor. */
export const weightsAddress = (node: string): Address => address(SYSTEM, "weights", node);

const model = z.string().regex(/^[A-Za-z0-9._~-]{1,128}$/);

/** See the module's text. */
export const weightsActor = defineActor({
  kind: "weights",
  deployment: SYSTEM,
  config: z.object({}),
  messages: {
    manifest: z.object({ model }),
    blob: z.object({
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      offset: z.number().int().nonnegative(),
      length: z.number().int().positive().max(CHUNK_BYTES),
    }),
  },
  create(ctx) {
    const store = ctx.resource<WeightStore>("store");
    return {
      manifest: ({ model }) => store.manifest(model),
      blob: ({ sha256, offset, length }) => store.blob(sha256, offset, length),
    };
  },
});
