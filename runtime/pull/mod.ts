/**
 * Adds models of a hub to the store of a node that serves, beside its requests: what `deno task
 * models add` does, for `POST /api/pull`.
 *
 * @module
 */
export { ModelPuller, type ModelPullerOptions } from "./model_puller.ts";
