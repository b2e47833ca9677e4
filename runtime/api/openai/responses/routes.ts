/**
 * The routes of `/v1/responses`.
 *
 * @module
 */
import type { Dialect } from "../../dialect.ts";
import type { Api, ApiContext } from "../../env.ts";
import { apiError } from "../../errors.ts";
import { wrongMethod } from "../../failures.ts";
import { responsesDialect } from "./dialect.ts";
import { ResponseStore } from "./store.ts";

/** Adds the routes; `answer` makes the handler of a dialect. */
export function responseRoutes(
  app: Api,
  answer: (path: string, dialect: Dialect) => (c: ApiContext) => Promise<Response>,
  store = new ResponseStore(),
): void {
  const stored = async (id: string) => {
    const found = await store.get(id);
    if (found) return found;
    const shown = JSON.stringify(id.slice(0, 80));
    throw apiError("not_found", `no response ${shown} is kept here (any more)`, "id");
  };
  app.post("/v1/responses", answer("/v1/responses", responsesDialect(store)));
  app.get("/v1/responses/:id", async (c) => {
    if (c.req.query("stream") === "true") {
      const message = "stream: a stored response is not streamed by this server: leave it out";
      throw apiError("unsupported_parameter", message, "stream");
    }
    return c.json((await stored(c.req.param("id"))).response);
  });
  app.get("/v1/responses/:id/input_items", async (c) => {
    // The newest first, as OpenAI lists them unless told otherwise.
    const { input } = await stored(c.req.param("id"));
    const data = c.req.query("order") === "asc" ? input : input.toReversed();
    return c.json({
      object: "list",
      data,
      first_id: data[0].id,
      last_id: data.at(-1)!.id,
      has_more: false,
    });
  });
  app.delete("/v1/responses/:id", async (c) => {
    const { id } = (await stored(c.req.param("id"))).response;
    store.delete(id);
    return c.json({ id, object: "response", deleted: true });
  });
  app.all("/v1/responses", wrongMethod("POST"));
  app.all("/v1/responses/:id", wrongMethod("GET, HEAD, DELETE"));
  app.all("/v1/responses/:id/input_items", wrongMethod("GET, HEAD"));
}
