/**
 * The description of the API in OpenAPI 3.1, made from the routes that a node has and from the
 * schemas by which they check requests.
 *
 * @module
 */
import type { Hono } from "hono";
import { z } from "zod";
import { createDocument, type ZodOpenApiPathsObject } from "zod-openapi";
import { type Operation, OPERATIONS } from "./operations.ts";

/** A JSON object of the document. */
// deno-lint-ignore no-explicit-any -- as deep as OpenAPI
export type OpenApiDocument = Record<string, any>;

/** What every refusal looks like on OpenAI's routes. */
const errorSchema = z.object({
  error: z.object({
    message: z.string().describe("one sentence: what, where, which value, what to do"),
    type: z.enum(["invalid_request_error", "rate_limit_error", "server_error"]),
    param: z.string().nullable().describe("path of the field at fault"),
    code: z.string().describe("tells errors apart"),
  }),
}).meta({ id: "Error" });

/** The methods and paths of an app, as the document writes them. */
// deno-lint-ignore no-explicit-any -- whatever the app's environment is
export function operationsOf(app: Hono<any>): string[] {
  const found = app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) =>
    `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, "{$1}")}`
  );
  return [...new Set(found)];
}

/**
 * The document of an app with these operations. Those that {@linkcode OPERATIONS} does not have
 * are in it without details.
 */
export function openApiDocument(operations: readonly string[], version: string): OpenApiDocument {
  const paths: ZodOpenApiPathsObject = {};
  for (const name of operations) {
    const [method, path] = name.split(" ");
    (paths[path] ??= {})[method.toLowerCase() as "get"] = operationObject(name, path);
  }
  return createDocument({
    openapi: "3.1.1",
    info: {
      title: "Orrery",
      version,
      description: "Requests of OpenAI's, Anthropic's and Ollama's clients, and the routes of a " +
        "node. Fields that are not described here are ignored; `null` means left out.",
    },
    servers: [{ url: "/" }],
    security: [{}, { key: [] }],
    components: {
      securitySchemes: {
        key: {
          ...{ type: "http", scheme: "bearer" },
          description: "needed where the node has keys (deno task keys create)",
        },
      },
    },
    paths,
  });
}

/** What the document says of one route. */
function operationObject(name: string, path: string) {
  const { tag, summary, body, form, query, answers, status }: Operation = OPERATIONS[name] ??
    { tag: "Others", summary: name };
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: "path" as const, required: true, schema: { type: "string" as const } },
  }));
  const content = Object.fromEntries(
    (answers ?? ["application/json"]).map((type) => [type, {
      schema: { type: /json/.test(type) ? "object" as const : "string" as const },
    }]),
  );
  return {
    operationId: name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_").replace(/_$/, ""),
    ...{ tags: [tag], summary, parameters },
    ...(query && { requestParams: { query } }),
    ...(body && {
      requestBody: { required: true, content: { "application/json": { schema: body } } },
    }),
    ...(form && {
      requestBody: {
        required: true,
        content: {
          "multipart/form-data": {
            schema: z.object({ file: z.string().meta({ format: "binary" }) }).and(form),
          },
        },
      },
    }),
    responses: {
      [`${status ?? 200}`]: { description: summary, content },
      default: {
        description: "Refused, or failed",
        content: { "application/json": { schema: errorSchema } },
      },
    },
  };
}
