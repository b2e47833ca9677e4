/**
 * OpenAI's responses: conversations that the node keeps, in items instead of messages.
 *
 * @module
 */
export { ResponseFiles } from "./files.ts";
export { responsesDialect } from "./dialect.ts";
export { responsesSchema } from "./fields.ts";
export { responseRoutes } from "./routes.ts";
export { ResponseStore, type ResponseStoreLimits, type StoredResponse } from "./store.ts";
