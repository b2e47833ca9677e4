/**
 * Adds models to the store of a node that serves, beside its requests: those of a hub, as `deno task
 * models add` does, for `POST /api/pull`, and those whose files a client sends, for `POST
 * /api/models`.
 *
 * @module
 */
export { Adder } from "./adder.ts";
export { ModelPuller, type ModelPullerOptions } from "./model_puller.ts";
export { ModelUploads, type ModelUploadsOptions, USUAL_UPLOAD_BYTES } from "./model_uploads.ts";
