/**
 * What the description of the API says of each route, with the schemas by which the routes check
 * their requests.
 *
 * @module
 */
import type { z } from "zod";
import { batchesQuery, batchSchema } from "../batches.ts";
import { applyQuery, applySchema } from "../deployments.ts";
import { ENDPOINTS } from "../endpoints.ts";
import { filesQuery, uploadSchema } from "../files.ts";
import { logsQuery } from "../logs.ts";
import { modelUploadSchema } from "../model_uploads.ts";
import { promoteQuery } from "../nodes.ts";
import { ollamaDeleteSchema } from "../ollama/delete.ts";
import { traceQuery } from "../trace_routes.ts";
import { whatIfSchema } from "../what_if.ts";

/** What a route takes and gives. */
export interface Operation {
  /** Group of routes that it belongs to. */
  tag: string;
  /** What it does, in a few words. */
  summary: string;
  /** Its JSON body. @default it takes none */
  body?: z.ZodType;
  /** Fields of its form beside `file`. @default it takes no form */
  form?: z.ZodType;
  /** Its query. @default none */
  query?: z.ZodObject;
  /** Content types of its answers. @default application/json */
  answers?: readonly string[];
  /** Status of its answers. @default 200 */
  status?: number;
}

const OPENAI = "OpenAI";
const OLLAMA = "Ollama";
const FILES = "Files and batches";
const NODE = "The node";
const NODES = "The cluster";

/** Content types of what can be streamed, by path. */
const STREAMED: Readonly<Record<string, string>> = {
  "/v1/chat/completions": "text/event-stream",
  "/v1/completions": "text/event-stream",
  "/v1/responses": "text/event-stream",
  "/v1/messages": "text/event-stream",
  "/api/chat": "application/x-ndjson",
  "/api/generate": "application/x-ndjson",
  "/api/pull": "application/x-ndjson",
};

/** Every route that the API can have, by method and path as the document writes it. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  ...Object.fromEntries(ENDPOINTS.map(({ path, dialect, does, body }) => [`POST ${path}`, {
    tag: dialect,
    summary: `${does[0].toUpperCase()}${does.slice(1)}`,
    body,
    ...(STREAMED[path] && { answers: ["application/json", STREAMED[path]] }),
  }])),
  "GET /v1/responses/{id}": { tag: OPENAI, summary: "Gives a response that was kept" },
  "GET /v1/responses/{id}/input_items": {
    tag: OPENAI,
    summary: "Lists what a kept response answered",
  },
  "DELETE /v1/responses/{id}": { tag: OPENAI, summary: "Forgets a response" },
  "GET /v1/streams/{id}": {
    tag: OPENAI,
    summary: "Goes on with the stream of a request, after the event that `Last-Event-ID` names",
    answers: ["text/event-stream"],
  },
  "GET /v1/models": { tag: OPENAI, summary: "Lists what is served" },
  "GET /v1/models/{id}": { tag: OPENAI, summary: "Describes a model that is served" },

  "POST /v1/files": { tag: FILES, summary: "Keeps a file of requests", form: uploadSchema },
  "GET /v1/files": { tag: FILES, summary: "Lists files", query: filesQuery },
  "GET /v1/files/{id}": { tag: FILES, summary: "Says what a file is" },
  "GET /v1/files/{id}/content": {
    tag: FILES,
    summary: "Gives the content of a file",
    answers: ["application/octet-stream"],
  },
  "DELETE /v1/files/{id}": { tag: FILES, summary: "Removes a file" },
  "POST /v1/batches": {
    tag: FILES,
    summary: "Begins to answer the requests of a file",
    body: batchSchema,
  },
  "GET /v1/batches": { tag: FILES, summary: "Lists batches", query: batchesQuery },
  "GET /v1/batches/{id}": { tag: FILES, summary: "Says how far a batch is" },
  "POST /v1/batches/{id}/cancel": { tag: FILES, summary: "Ends a batch early" },

  "GET /api/tags": { tag: OLLAMA, summary: "Lists what is served" },
  "GET /api/ps": { tag: OLLAMA, summary: "Lists what is in memory: what is served" },
  "DELETE /api/delete": {
    tag: OLLAMA,
    summary: "Removes a model of the store that no node serves",
    body: ollamaDeleteSchema,
  },
  "GET /api/version": { tag: OLLAMA, summary: "The version of the program" },

  "GET /": {
    tag: NODE,
    summary: "Says that the node runs; to browsers, the page for people",
    answers: ["text/plain", "text/html"],
  },
  "GET /page/{path}": {
    tag: NODE,
    summary: "Files of the page for people",
    answers: ["text/html", "text/css", "text/javascript", "image/svg+xml"],
  },
  "GET /healthz": { tag: NODE, summary: "200 while the process runs" },
  "GET /health": { tag: NODE, summary: "200 while the process runs" },
  "GET /readyz": { tag: NODE, summary: "200 when a prompt sent now would be answered; else 503" },
  "GET /openapi.json": { tag: NODE, summary: "This description, OpenAPI 3.1" },
  "GET /docs": { tag: NODE, summary: "This description, to read", answers: ["text/html"] },
  "GET /api/load": { tag: NODE, summary: "How busy the node is, and how long its event loop lags" },
  "GET /metrics": {
    tag: NODE,
    summary: "Figures for Prometheus, in its text format",
    answers: ["text/plain"],
  },
  "GET /api/trace": {
    tag: NODE,
    summary: "The last frames of this node, stage by stage",
    query: traceQuery,
  },
  "GET /api/trace.svg": {
    tag: NODE,
    summary: "The last frames of this node, as a drawing",
    query: traceQuery,
    answers: ["image/svg+xml"],
  },
  "POST /api/actors/{name}": {
    tag: NODE,
    summary: "Asks a custom actor: a JSON object with a `type`, as the actor defines it",
  },

  "GET /api/plan": { tag: NODES, summary: "The plan that serves now; 404 with a reason" },
  "POST /api/plan": {
    tag: NODES,
    summary: "The plan that would be made if something were different; changes nothing",
    body: whatIfSchema,
  },
  "GET /api/models": { tag: NODE, summary: "Lists the models of the node's store" },
  "POST /api/models": {
    tag: NODE,
    summary: "Adds a model whose files the form has to the node's store: fields first, then a " +
      "`file` for each file of a checkpoint folder or GGUF model; tells how far it is",
    form: modelUploadSchema,
    answers: ["application/x-ndjson"],
  },
  "POST /api/models/{name}/verify": {
    tag: NODE,
    summary: "Hashes all files of a stored model again",
  },
  "GET /api/cluster": {
    tag: NODES,
    summary: "The members of the cluster, what they are at, and what serves",
  },
  "GET /api/logs": {
    tag: NODES,
    summary: "The newest records of the log of any node",
    query: logsQuery,
  },
  "GET /api/nodes": { tag: NODES, summary: "Lists the nodes of the cluster" },
  "POST /api/nodes/{name}/drain": {
    tag: NODES,
    summary: "Begins to drain a node",
    status: 202,
  },
  "POST /api/nodes/promote": {
    tag: NODES,
    summary: "Makes this node the first one, as the first node is gone for good",
    query: promoteQuery,
  },
  "GET /api/deployments": { tag: NODES, summary: "Lists the deployments of the cluster" },
  "GET /api/deployments/{name}": { tag: NODES, summary: "Gives a deployment" },
  "PUT /api/deployments/{name}": {
    tag: NODES,
    summary: "Deploys a graph file under a name, or rolls a change out",
    body: applySchema,
    query: applyQuery,
    status: 202,
  },
  "DELETE /api/deployments/{name}": { tag: NODES, summary: "Ends a deployment" },
  "DELETE /api/nodes/{name}": { tag: NODES, summary: "Removes a node for good" },
  "POST /api/doctor": { tag: NODES, summary: "Examines every node and link of the cluster now" },
};
