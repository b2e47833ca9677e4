/**
 * The REST API: its routes and the middleware that every request passes through.
 *
 * @module
 */
import { Hono } from "hono";
import { requestId } from "hono/request-id";
import { getLogger } from "@logtape/logtape";
import { KeyUsage } from "../access/mod.ts";
import { anthropicRoutes } from "./anthropic/mod.ts";
import { accessRules, type ApiAccess } from "./access.ts";
import { actorAnswerJson, type AskActor } from "./actors.ts";
import { answerRoute, streamRoute } from "./answer_route.ts";
import type { BatchService } from "./batch_service.ts";
import { batchRoutes } from "./batches.ts";
import { readJson } from "./body.ts";
import { deploymentRoutes, type DeploymentsAdmin } from "./deployments.ts";
import type { Dialect } from "./dialect.ts";
import { doctorRoute } from "./doctor.ts";
import { type LogsOf, logsRoute } from "./logs.ts";
import { type Api, type ApiEnv, stopper } from "./env.ts";
import { apiError } from "./errors.ts";
import { failure, wrongMethod } from "./failures.ts";
import { fileRoutes } from "./files.ts";
import type { Generator } from "./generator.ts";
import type { JournalledAnswers } from "./journal/mod.ts";
import { nodeRoutes, type NodesAdmin } from "./nodes.ts";
import { ollamaRoutes } from "./ollama/mod.ts";
import { openaiRoutes } from "./openai/mod.ts";
import type { ResponseStore } from "./openai/responses/mod.ts";
import { openApiRoutes } from "./openapi_routes.ts";
import { planOf, type Serving } from "./plan.ts";
import type { PageFiles } from "../page/mod.ts";
import { pageRoutes } from "./page_routes.ts";
import type { PullService } from "./pull_service.ts";
import { modelUploadRoute } from "./model_uploads.ts";
import { storedModelRoutes, type StoredModels } from "./stored_models.ts";
import type { UploadService } from "./upload_service.ts";
import { logFacts, type RequestTracer, routeOf, traceRule } from "./request_trace.ts";
import { traceRoutes } from "./trace_routes.ts";
import { type WhatIf, whatIfRoute } from "./what_if.ts";

const log = getLogger(["orrery", "api"]);

/** Settings of {@linkcode createApi}. */
export interface ApiOptions {
  /** Who may ask. @default everybody, but no web pages of other origins */
  access?: ApiAccess;
  /** Largest request body in bytes. @default 4 MiB */
  maxBodyBytes?: number;
  /** Milliseconds in which a request body must arrive. @default 30_000 */
  bodyTimeoutMs?: number;
  /** Gives what the node serves, for `GET /api/plan`. @default the route does not exist */
  serving?: () => Serving;
  /** Plans with changes, for `POST /api/plan`. @default the route does not exist */
  whatIf?: WhatIf;
  /** Lists, drains and removes nodes, for `/api/nodes`. @default the routes do not exist */
  nodes?: NodesAdmin;
  /** Tells of the members and what they are at, for `GET /api/cluster`. @default no such route */
  cluster?: () => Promise<object>;
  /** Deploys models, for `/api/deployments`. @default the routes do not exist */
  deployments?: DeploymentsAdmin;
  /** Examines the cluster, for `POST /api/doctor`. @default the route does not exist */
  doctor?: () => Promise<object>;
  /** Tells the log of a node, for `GET /api/logs`. @default the route does not exist */
  logs?: LogsOf;
  /** Asks a custom actor, for `POST /api/actors/{name}`. @default the route does not exist */
  askActor?: AskActor;
  /** Tells how busy the node is, for `GET /api/load`. @default the route does not exist */
  load?: () => object;
  /** Tells the metrics, for `GET /metrics`. @default the route does not exist */
  metrics?: () => Promise<{ type: string; text: string }>;
  /** Told of every request that was answered; a stream, when its head was. @default nobody is */
  onAnswered?: (request: AnsweredApiRequest) => void;
  /** Lists and verifies models of the store, for `/api/models`. @default no such routes */
  storedModels?: StoredModels;
  /** Begins spans of requests. @default nobody does */
  tracer?: RequestTracer;
  /** Removes a model of the store, for `DELETE /api/delete`. @default it removes none */
  removeModel?: (model: string) => Promise<void>;
  /** Version of this program, for `GET /api/version`. @default "unknown" */
  version?: string;
  /** Keeps files and runs batches, for `/v1/files` and `/v1/batches`. @default no such routes */
  batches?: BatchService;
  /** Keeps responses of `/v1/responses`. @default this app's memory */
  responses?: ResponseStore;
  /** Adds models, for `POST /api/pull`. @default only what is served can be asked for */
  pull?: PullService;
  /** Takes models whose files clients send, for `POST /api/models`. @default no such route */
  uploads?: UploadService;
  /** The page for people, for `GET /`. @default `/` answers a line of text to everybody */
  page?: PageFiles;
  /** Keeps requests, for clients that come back. @default a request ends with its connection */
  journal?: JournalledAnswers;
  /** Milliseconds without an event after which a stream sends a comment. @default 15_000 */
  keepAliveMs?: number;
}

/** A request that was answered, for metrics. */
export interface AnsweredApiRequest {
  /** Pattern of its route, such as `/v1/models/:id`; undefined: there is none. */
  route?: string;
  method: string;
  status: number;
  /** Name of the model that answers; undefined: none does. */
  model?: string;
  /** Milliseconds until the answer, or the head of a stream, was ready. */
  ms: number;
}

/**
 * The API over a {@linkcode Generator}:
 *
 * - `POST /v1/chat/completions`, `POST /v1/completions`, whole or streamed
 * - `POST /v1/responses`, and `GET`, `DELETE` of `/v1/responses/{id}`; `POST /v1/embeddings`
 * - `POST /v1/messages`, `POST /v1/messages/count_tokens`, as Anthropic has them
 * - `POST /api/chat`, `POST /api/generate` and others, as Ollama has them
 * - `GET /v1/models`, `GET /v1/models/{id}`
 * - `/v1/files` and `/v1/batches`: files of requests, and jobs that answer them
 * - `GET /api/plan` (404 with a reason where nothing was planned)
 * - `POST /api/plan`: the plan that would be made if something were different
 * - `GET /api/load`: how busy the node is, and how long its event loop lags
 * - `GET /metrics`: figures for Prometheus
 * - `GET /api/trace` (the last frames as JSON; `?last=N`: the newest N, at most 512),
 *   `GET /api/trace.svg` (the same frames as a drawing)
 * - `GET /api/cluster`: the members, what they are at, and what serves, on any node
 * - `GET /api/nodes`, `POST /api/nodes/{name}/drain`, `DELETE /api/nodes/{name}`: the nodes of the
 *   cluster, on its first node (409 elsewhere)
 * - `GET /api/deployments`, and `GET`, `PUT`, `DELETE` of `/api/deployments/{name}`: what the cluster
 *   serves, under which names
 * - `GET /api/models`, `POST /api/models/{name}/verify`: what the node's store has
 * - `POST /api/models`: a form with the files of a model, which is added to the store
 * - `GET /api/logs`: the newest records of the log of any node, on any node
 * - `POST /api/doctor`: every node and every link of the cluster, examined now
 * - `POST /api/actors/{name}` with `{"type": ..., ...}`: asks a custom actor that the graph exposes
 *   and returns its answer as JSON
 * - `GET /` (to browsers the page, to programs a line of text) and `GET /page/...`: its files
 * - `GET /openapi.json`, `GET /docs`: all of this, for programs and for people
 * - `GET /healthz` and `GET /health` (200 while the process runs), `GET /readyz` (503 with a reason
 *   unless a prompt sent now would be answered)
 *
 * Differences from OpenAI: sampling fields that are left out come from the model's
 * generation_config; `n` is at most 8 and choice `i` uses `seed + i`; the API also takes `top_k`,
 * `min_p`, `repetition_penalty` and an `orrery` object. Both endpoints take `prediction` with any
 * `n`; of its tokens only those that were drafted can count as rejected.
 */
export function createApi(generator: Generator, options: ApiOptions = {}): Api {
  const { access = {}, maxBodyBytes = 4 << 20, bodyTimeoutMs = 30_000, keepAliveMs = 15_000 } =
    options;
  const app: Api = new Hono<ApiEnv>();
  app.use(requestId({ limitLength: 128 }));
  app.use(async (c, next) => {
    const start = performance.now();
    await next();
    const ms = performance.now() - start;
    const { method, path } = c.req;
    const { status } = c.res;
    log.info("{method} {path} {status} in {ms} ms", {
      ...{ method, path, status, ms: Math.round(ms), ...logFacts(c) },
    });
    options.onAnswered?.({ route: routeOf(c), method, status, model: c.get("model"), ms });
  });
  app.use(traceRule(options.tracer));
  for (const rule of accessRules(access)) app.use(rule);
  app.onError((error, c) => failure(c, error));
  app.notFound((c) =>
    failure(c, apiError("not_found", `no such route: ${c.req.method} ${c.req.path}`))
  );

  const body = { maxBytes: maxBodyBytes, timeoutMs: bodyTimeoutMs };
  const { journal } = options;
  const route = { generator, body, keepAliveMs, journal, usage: new KeyUsage() };
  const answer = (path: string, dialect: Dialect) => answerRoute(route, path, dialect);
  openaiRoutes(app, generator, { limits: body, responses: options.responses, answer });
  anthropicRoutes(app, { generator, limits: body, answer });
  ollamaRoutes(app, {
    ...{ generator, limits: body, answer, version: options.version ?? "unknown" },
    ...{ pull: options.pull, remove: options.removeModel, origins: access.origins ?? [] },
  });
  if (journal) {
    app.get("/v1/streams/:id", streamRoute(route, journal));
    app.all("/v1/streams/:id", wrongMethod("GET, HEAD"));
  }
  pageRoutes(app, options.page);
  for (const path of ["/healthz", "/health"]) app.get(path, (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const readiness = await (generator.check?.() ?? generator.readiness());
    // What is said beside a deployment that serves: that the cluster cannot change, say.
    const { deployment, reason } = options.serving?.() ?? {};
    const note = readiness.ready && deployment && reason ? { note: reason } : {};
    return c.json({ ...readiness, ...note }, readiness.ready ? 200 : 503);
  });
  const own = { origins: access.origins ?? [], idle: body };
  if (options.batches) {
    fileRoutes(app, options.batches, own);
    batchRoutes(app, options.batches, body);
  }
  const { serving } = options;
  if (serving) app.get("/api/plan", (c) => c.json(planOf(serving())));
  if (options.whatIf) whatIfRoute(app, options.whatIf, { limits: body, origins: access.origins });
  if (serving || options.whatIf) app.all("/api/plan", wrongMethod("GET, HEAD, POST"));
  const { load } = options;
  if (load) app.get("/api/load", (c) => c.json(load()));
  const { metrics } = options;
  if (metrics) {
    app.get("/metrics", async (c) => {
      const { type, text } = await metrics();
      return c.body(text, 200, { "content-type": type, "cache-control": "no-store" });
    });
    app.all("/metrics", wrongMethod("GET, HEAD"));
  }
  if (generator.traces) traceRoutes(app, generator.traces.bind(generator));
  if (options.uploads) modelUploadRoute(app, options.uploads, own);
  if (options.storedModels) {
    storedModelRoutes(app, options.storedModels, access.origins ?? []);
  }
  const { cluster } = options;
  if (cluster) {
    app.get("/api/cluster", async (c) => c.json(await cluster()));
    app.all("/api/cluster", wrongMethod("GET, HEAD"));
  }
  if (options.nodes) nodeRoutes(app, options.nodes, access.origins ?? []);
  if (options.deployments) {
    const rules = { limits: body, origins: access.origins ?? [] };
    deploymentRoutes(app, options.deployments, rules);
  }
  if (options.logs) {
    logsRoute(app, options.logs, access.origins ?? []);
    app.all("/api/logs", wrongMethod("GET, HEAD"));
  }
  if (options.doctor) {
    doctorRoute(app, options.doctor, access.origins ?? []);
    app.all("/api/doctor", wrongMethod("POST"));
  }
  const { askActor } = options;
  if (askActor) {
    app.post("/api/actors/:name", async (c) => {
      const message = await readJson(c.req.raw, body);
      const stop = new AbortController();
      const abort = stopper(c, stop);
      try {
        const json = await actorAnswerJson(askActor, {
          name: c.req.param("name"),
          body: message,
          signal: stop.signal,
          key: c.req.header("idempotency-key"),
        });
        return c.body(json, 200, { "content-type": "application/json; charset=utf-8" });
      } finally {
        abort.release();
      }
    });
    app.all("/api/actors/:name", wrongMethod("POST"));
  }
  if (load) app.all("/api/load", wrongMethod("GET, HEAD"));
  for (const path of ["/healthz", "/health", "/readyz"]) app.all(path, wrongMethod("GET, HEAD"));
  openApiRoutes(app, options.version ?? "unknown");
  return app;
}
