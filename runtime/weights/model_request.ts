/**
 * What is needed of a model, and of whom it can be had.
 *
 * @module
 */
import type { ModelStore } from "../../models/mod.ts";
import type { FetchOptions } from "./blob_fetch.ts";
import type { BlobSource } from "./blob_peer.ts";

/** Reads the store of one member. */
export interface ModelMember extends BlobSource {
  /** See `WeightStore.manifest`. */
  manifest(model: string, signal: AbortSignal): Promise<string>;
}

/** What is needed of a model. */
export interface EnsureModelOptions {
  /** The model's name. */
  model: string;
  /**
   * SHA-256 of its manifest, see `manifestSha256`; undefined: the deployment does not
   * say, and all members that answer must agree.
   */
  manifestSha256?: string;
  /** Node that has the model if it lives. It is asked first for the manifest. */
  source: string;
  /** Ids of the other nodes that may have some of it. */
  members: readonly string[];
  /** Ranges of layers that are needed, both ends inclusive; `all`: the whole model, head too. */
  layers: { first: number; last: number }[] | "all";
  /** Ranges of parts of the LM head that are needed, both ends inclusive. */
  parts: { first: number; last: number }[];
  /** Aborting it ends the fetch; what has arrived is kept. */
  signal: AbortSignal;
}

/** How `ensureModel` fetches. */
export interface EnsureModelWorld extends
  Pick<
    FetchOptions,
    "clock" | "random" | "running" | "background" | "onProgress"
  > {
  /** Id of this node. */
  node: string;
  /** This node's store. */
  store: ModelStore;
  /** Reads the store of a member. */
  member(node: string): ModelMember;
}
