/**
 * Ollama's `DELETE /api/delete`: removes a model that no node of this store uses.
 *
 * @module
 */
import { z } from "zod";
import { type BodyLimits, readJson } from "../body.ts";
import type { Api } from "../env.ts";
import { apiError } from "../errors.ts";
import { wrongMethod } from "../failures.ts";
import { ownPagesOnly } from "../nodes.ts";
import { parseBody } from "../parse_body.ts";

const name = z.string().min(1).max(256);

/** The body of `/api/delete`; the older `name` says the same as `model`. */
export const ollamaDeleteSchema = z.object({
  model: name.optional().describe("name of the model in the node's store"),
  name: name.optional().describe("as `model`"),
}).refine((body) => body.model !== undefined || body.name !== undefined, {
  error: "model: say which model is to be removed",
});

/** What the route works with. */
export interface DeleteRouteOptions {
  limits: BodyLimits;
  /** Removes a model of the node's store; undefined: it may not. */
  remove?: (model: string) => Promise<void>;
  /** Origins whose web pages may ask. */
  origins: readonly string[];
}

/** Adds the route. */
export function ollamaDeleteRoute(
  app: Api,
  { limits, remove, origins }: DeleteRouteOptions,
): void {
  app.delete("/api/delete", ownPagesOnly(origins, "remove models of this node"), async (c) => {
    const { model, name } = parseBody(ollamaDeleteSchema, await readJson(c.req.raw, limits));
    if (!remove) throw apiError("not_found", "this server removes no models");
    await remove((model ?? name)!);
    return c.body(null, 200);
  });
  app.all("/api/delete", wrongMethod("DELETE"));
}
