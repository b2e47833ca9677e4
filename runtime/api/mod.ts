/**
 * The REST API: the protocols of OpenAI, Anthropic and Ollama over a {@linkcode Generator}, on an HTTP
 * socket.
 *
 * Start with `generator.ts`, the one kind of request that every dialect becomes. `app.ts` lists the
 * routes; `serve.ts` is the socket below them.
 *
 * - from a dialect to a task and back: `dialect.ts`, then `openai/mod.ts`, `anthropic/mod.ts`,
 *   `ollama/mod.ts`
 * - fields that dialects have in common: `sampling.ts`, `constraint.ts`, `tool_use.ts`
 * - running a task: `answer_route.ts`, `answer.ts`, `choices.ts`, `steps.ts`, `totals.ts`
 * - answers that outlive their connection: `journal/mod.ts`
 * - request bodies: `body.ts`, `body_budget.ts`, `json_weight.ts`, `parse_body.ts`, `multipart.ts`
 * - who may ask, and what is refused: `access.ts`, `errors.ts`, `failures.ts`
 * - models, files and batches: `stored_models.ts`, `model_uploads.ts`, `files.ts`, `batches.ts`
 * - for operators: `nodes.ts`, `deployments.ts`, `plan.ts`, `what_if.ts`, `trace.ts`, `logs.ts`,
 *   `doctor.ts`
 * - what `/openapi.json` says: `endpoints.ts`, `openapi/document.ts`
 *
 * @module
 */
export { JournalledAnswers } from "./journal/mod.ts";
export type { AskActor } from "./actors.ts";
export { type AnswerLine, type LineAnswer, lineAnswerer } from "./answer_line.ts";
export { type ApiOptions, createApi } from "./app.ts";
export * from "./batch_service.ts";
export { type DeploymentsAdmin, deploymentsAdmin } from "./deployments.ts";
export type { Api, ApiBindings } from "./env.ts";
export { apiError, unavailable } from "./errors.ts";
export { ResponseFiles, ResponseStore } from "./openai/responses/mod.ts";
export { findModel } from "./find_model.ts";
export * from "./generator.ts";
export type { LogsOf } from "./logs.ts";
export type { NodeRow, NodeRowLink, NodesAdmin, NodeState, Promoted } from "./nodes.ts";
export type { Serving } from "./plan.ts";
export type { ListedModel, StoredModels } from "./stored_models.ts";
export {
  type ModelUpload,
  readForm,
  STORED_FORMS,
  type StoredForm,
  type UploadAbout,
  type UploadService,
} from "./upload_service.ts";
export type { WhatIf } from "./what_if.ts";
export type { AddingModel, PullService, PullStep } from "./pull_service.ts";
export { type ApiServer, serveApi, type ServeLimits, type ServeOptions } from "./serve.ts";
