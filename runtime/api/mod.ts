/**
 * The REST API: OpenAI's protocol over a {@linkcode Generator}, on an HTTP socket.
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
