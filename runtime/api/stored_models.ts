/**
 * `GET /api/models` and `POST /api/models/{name}/verify`: what the node's store has, and whether it
 * is whole.
 *
 * @module
 */
import { type Api, stopper } from "./env.ts";
import { wrongMethod } from "./failures.ts";
import { ownPagesOnly } from "./nodes.ts";
import type { AddingModel } from "./pull_service.ts";

/** A model of the store. */
export type ListedModel =
  & {
    name: string;
    /** Whether the cluster serves it, so that it cannot be removed. */
    served: boolean;
  }
  & (
    | {
      state: "ok";
      /** Class of the checkpoint's architecture. */
      architecture: string;
      layers: number;
      /** Rows. */
      context: number;
      /** How the weights are stored. */
      precision: string;
      /** Number of weights; an embedding that the head shares counts once. */
      parameters: number;
      /** Stored bytes of all weights. */
      bytes: number;
    }
    /** Its manifest cannot be read; `reason` says why. */
    | { state: "broken"; reason: string }
  );

/** What the routes do. */
export interface StoredModels {
  /**
   * All models in the order of their names, the free bytes of the store's disk, and the model that
   * is being added; null: none is.
   */
  list(): Promise<{ models: ListedModel[]; free_bytes: number; adding: AddingModel | null }>;
  /**
   * Hashes all files of a model again; resolves to those that are missing or changed. Throws
   * `model_not_found` (group `model`), `verify_running`, the signal's reason.
   */
  verify(
    name: string,
    signal: AbortSignal,
  ): Promise<{ sha256: string; role: string; problem: "missing" | "changed" }[]>;
}

/** Adds the routes. */
export function storedModelRoutes(
  app: Api,
  models: StoredModels,
  origins: readonly string[],
): void {
  const own = ownPagesOnly(origins, "see or verify the models of this node");
  app.get("/api/models", own, async (c) => c.json(await models.list()));
  app.post("/api/models/:name/verify", own, async (c) => {
    const stop = new AbortController();
    const abort = stopper(c, stop);
    try {
      const name = c.req.param("name");
      return c.json({ name, problems: await models.verify(name, stop.signal) });
    } finally {
      abort.release();
    }
  });
  app.all("/api/models", wrongMethod("GET, HEAD, POST"));
  app.all("/api/models/:name/verify", wrongMethod("POST"));
}
