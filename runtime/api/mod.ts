/**
 * The REST API: OpenAI's protocol in front of a {@linkcode Generator}.
 *
 * @module
 */
export type { AskActor } from "./actors.ts";
export { type Api, type ApiBindings, type ApiOptions, createApi } from "./app.ts";
export * from "./generator.ts";
export type { Serving } from "./plan.ts";
export { type ApiServer, serveApi, type ServeOptions } from "./serve.ts";
