/**
 * OpenAI's API: how its endpoints read requests, and how they word answers.
 *
 * @module
 */
import type { BodyLimits } from "../body.ts";
import type { Dialect } from "../dialect.ts";
import type { Api, ApiContext } from "../env.ts";
import { wrongMethod } from "../failures.ts";
import type { Generator } from "../generator.ts";
import { chatDialect } from "./chat.ts";
import { completionsDialect } from "./completions.ts";
import { embeddingsRoute } from "./embeddings.ts";
import { modelRoutes } from "./models.ts";
import { responseRoutes, type ResponseStore } from "./responses/mod.ts";

export { chatDialect } from "./chat.ts";
export { completionsDialect } from "./completions.ts";

/** Adds OpenAI's routes; `answer` makes the handler of a dialect. */
export function openaiRoutes(
  app: Api,
  generator: Generator,
  { limits, responses, answer }: {
    limits: BodyLimits;
    /** Keeps responses. @default this app's memory */
    responses?: ResponseStore;
    answer: (path: string, dialect: Dialect) => (c: ApiContext) => Promise<Response>;
  },
): void {
  app.post("/v1/chat/completions", answer("/v1/chat/completions", chatDialect));
  app.post("/v1/completions", answer("/v1/completions", completionsDialect));
  responseRoutes(app, answer, responses);
  embeddingsRoute(app, generator, limits);
  modelRoutes(app, generator);
  for (const path of ["/v1/chat/completions", "/v1/completions"]) {
    app.all(path, wrongMethod("POST"));
  }
  for (const path of ["/v1/models", "/v1/models/:id{.+}"]) app.all(path, wrongMethod("GET, HEAD"));
}
