/**
 * `GET /v1/models` and `GET /v1/models/{id}`.
 *
 * @module
 */
import type { Api } from "../env.ts";
import { findModel } from "../find_model.ts";
import type { Generator, ModelCard } from "../generator.ts";

/** Adds the routes. */
export function modelRoutes(app: Api, generator: Generator): void {
  app.get(
    "/v1/models",
    (c) => c.json({ object: "list", data: generator.models().map(modelEntry) }),
  );
  app.get(
    "/v1/models/:id{.+}",
    (c) => c.json(modelEntry(findModel(generator.models(), c.req.param("id")))),
  );
}

/** A model as OpenAI's model lists have it. */
function modelEntry({ name, created, context, vocab, precision }: ModelCard) {
  return {
    id: name,
    object: "model",
    created,
    owned_by: "orrery",
    // Clients of other servers look for the context under this name.
    max_model_len: context,
    orrery: { context, vocab, precision },
  };
}
