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

/** Most blobs that one message asks about. */
export const MOST_BLOBS = 1024;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** How busy a node is that gives weights away: whoever fetches from it takes less where it is. */
const busyness = {
  /** Whether a request runs at this node or through its stages. */
  running: z.boolean(),
  /** Nodes that fetch from this one now, the asking one included. */
  readers: z.number().int().positive(),
};

/** What a node has of some blobs. */
export const holdingsSchema = z.object({
  ...busyness,
  /** The blobs of which the node has something. */
  blobs: z.array(z.object({
    sha256,
    /** Bytes that are there: all of them, or so far. */
    bytes: z.number().int().nonnegative(),
    /** true: the blob is complete and was checked against its hash. Only such are given away. */
    whole: z.boolean(),
  })).max(MOST_BLOBS),
});

/** See {@linkcode holdingsSchema}. */
export type Holdings = z.infer<typeof holdingsSchema>;

/** Some bytes of a blob, and how busy the node is that gives them. */
export const blobBytesSchema = z.object({
  ...busyness,
  data: z.custom<Uint8Array>((d) => d instanceof Uint8Array && d.length <= CHUNK_BYTES, {
    error: "no bytes, or too many",
  }),
});

/** See {@linkcode blobBytesSchema}. */
export type BlobBytes = z.infer<typeof blobBytesSchema>;

/** Resource `store` of a weights actor: reads the node's model store. */
export interface WeightStore {
  /**
   * The manifest of the model with this name, as JSON text. Throws `model_not_found`, and
   * `not_served` (group `cluster`) for a model that the cluster does not serve.
   */
  manifest(model: string): Promise<string>;
  /**
   * Which of these blobs are here, whole or in part. Those of no model that the cluster serves are
   * left out. `peer`: the node that asks.
   */
  have(blobs: readonly string[], peer: string): Promise<Holdings>;
  /**
   * `length` bytes of a blob from `offset` on, fewer at its end. A blob is a weights file, or a
   * text file that the manifest lists. `peer`, the node that asks, may get fewer bytes at any place
   * while requests run here; undefined: it takes fewer for the end. Throws `blob_missing`, and
   * `not_served` (group `cluster`) for a blob of no model that the cluster serves.
   */
  blob(range: { sha256: string; offset: number; length: number }, peer?: string): Promise<
    BlobBytes
  >;
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
    /** See {@linkcode WeightStore.have}. */
    have: z.object({ blobs: z.array(sha256).max(MOST_BLOBS) }),
    /** See {@linkcode WeightStore.blob}. */
    blob: z.object({
      sha256,
      offset: z.number().int().nonnegative(),
      length: z.number().int().positive().max(CHUNK_BYTES),
      /**
       * true: the answer is a {@linkcode BlobBytes}, which may be short. false, as nodes of the
       * version before ask: it is the bytes alone, short at the end of the blob only.
       */
      told: z.boolean().default(false),
    }),
  },
  callers: anyNode, // the store gives what the cluster serves, and nothing else
  create(ctx) {
    const store = ctx.resource<WeightStore>("store");
    return {
      manifest: ({ model }) => store.manifest(model),
      have: ({ blobs }, { peer = "" }) => store.have(blobs, peer),
      blob: async ({ told, ...range }, { peer = "" }) =>
        told ? await store.blob(range, peer) : (await store.blob(range)).data,
    };
  },
});
