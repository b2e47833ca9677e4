/**
 * `GET /openapi.json` and `GET /docs`: the description of the API, for programs and for people.
 *
 * @module
 */
import type { Api } from "./env.ts";
import { wrongMethod } from "./failures.ts";
import { type OpenApiDocument, openApiDocument, operationsOf } from "./openapi/document.ts";
import { openApiPage } from "./openapi/page.ts";

/** Adds both routes to an app that has all its others; the description is made when it is asked for. */
export function openApiRoutes(app: Api, version: string): void {
  let made: OpenApiDocument | undefined;
  const document = () => made ??= openApiDocument(operationsOf(app), version);
  app.get("/openapi.json", (c) => c.json(document()));
  app.get("/docs", (c) => {
    c.header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'");
    return c.html(openApiPage(document()));
  });
  for (const path of ["/openapi.json", "/docs"]) app.all(path, wrongMethod("GET, HEAD"));
}
