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
  app.get("/v1/models", (c) => {
    const data = generator.models().map(modelEntry);
    // Anthropic's client pages through lists.
    const paging = c.req.header("anthropic-version") === undefined ? {} : {
      has_more: false,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
    };
    return c.json({ object: "list", data, ...paging });
  });
  app.get(
    "/v1/models/:id{.+}",
    (c) => c.json(modelEntry(findModel(generator.models(), c.req.param("id")))),
  );
}

/** A model as OpenAI's model lists have it. */
function modelEntry({ name, created, context, vocab, precision, tools }: ModelCard) {
  return {
    id: name,
    object: "model",
    created,
    owned_by: "orrery",
    // Anthropic's names of the same.
    ...{ type: "model", display_name: name, created_at: new Date(created * 1000).toISOString() },
    // Clients of other servers look for the context under this name.
    max_model_len: context,
    orrery: { context, vocab, precision, ...(tools && { tools }) },
  };
}
