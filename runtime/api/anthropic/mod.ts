/**
 * Anthropic's API: `POST /v1/messages` and the counting of tokens.
 *
 * @module
 */
import { type BodyLimits, readJson } from "../body.ts";
import type { Dialect } from "../dialect.ts";
import type { Api, ApiContext } from "../env.ts";
import { apiError } from "../errors.ts";
import { wrongMethod } from "../failures.ts";
import type { Generator } from "../generator.ts";
import { parseBody } from "../parse_body.ts";
import { countTokensSchema, messagesDialect, promptOf } from "./messages.ts";

export { messagesDialect } from "./messages.ts";

/** Adds Anthropic's routes; `answer` makes the handler of a dialect. */
export function anthropicRoutes(
  app: Api,
  { generator, limits, answer }: {
    generator: Generator;
    limits: BodyLimits;
    answer: (path: string, dialect: Dialect) => (c: ApiContext) => Promise<Response>;
  },
): void {
  // Anthropic's client looks for the request's id under this name.
  app.use("/v1/messages/*", async (c, next) => {
    c.header("request-id", c.get("requestId"));
    await next();
  });
  app.post("/v1/messages", answer("/v1/messages", messagesDialect));
  app.post("/v1/messages/count_tokens", async (c) => {
    const request = parseBody(countTokensSchema, await readJson(c.req.raw, limits));
    const { prompt } = promptOf(request);
    if (!generator.countTokens) {
      throw apiError("unsupported_parameter", "this server cannot count tokens");
    }
    const model = request.model ?? "default";
    return c.json({
      input_tokens: await generator.countTokens({ model, prompt }, c.req.raw.signal),
    });
  });
  for (const path of ["/v1/messages", "/v1/messages/count_tokens"]) {
    app.all(path, wrongMethod("POST"));
  }
}
