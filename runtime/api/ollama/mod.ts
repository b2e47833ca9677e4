/**
 * Ollama's API: chat, generation, and what it says of models.
 *
 * @module
 */
import type { BodyLimits } from "../body.ts";
import type { Dialect } from "../dialect.ts";
import type { Api, ApiContext } from "../env.ts";
import { wrongMethod } from "../failures.ts";
import type { Generator } from "../generator.ts";
import type { PullService } from "../pull_service.ts";
import { ollamaChat } from "./chat.ts";
import { ollamaDeleteRoute } from "./delete.ts";
import { ollamaEmbedRoutes } from "./embed.ts";
import { ollamaGenerate } from "./generate.ts";
import { ollamaModelRoutes } from "./models.ts";
import { ollamaPullRoute } from "./pull.ts";

/** Adds Ollama's routes; `answer` makes the handler of a dialect. */
export function ollamaRoutes(
  app: Api,
  { generator, limits, version, pull, remove, origins, answer }: {
    generator: Generator;
    limits: BodyLimits;
    version: string;
    /** Adds models; undefined: only what is served can be asked for. */
    pull?: PullService;
    /** Removes models; undefined: it may not. */
    remove?: (model: string) => Promise<void>;
    /** Origins whose web pages may ask for models. */
    origins: readonly string[];
    answer: (path: string, dialect: Dialect) => (c: ApiContext) => Promise<Response>;
  },
): void {
  app.post("/api/chat", answer("/api/chat", ollamaChat));
  app.post("/api/generate", answer("/api/generate", ollamaGenerate));
  ollamaEmbedRoutes(app, generator, limits);
  ollamaModelRoutes(app, { generator, limits, version });
  ollamaPullRoute(app, { generator, limits, pull, origins });
  ollamaDeleteRoute(app, { limits, remove, origins });
  for (const path of ["/api/chat", "/api/generate", "/api/show", "/api/pull"]) {
    app.all(path, wrongMethod("POST"));
  }
  for (const path of ["/api/tags", "/api/ps", "/api/version"]) {
    app.all(path, wrongMethod("GET, HEAD"));
  }
}
