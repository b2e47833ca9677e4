/**
 * The REST API: its routes and the middleware that every request passes through.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { requestId, type RequestIdVariables } from "hono/request-id";
import { getLogger } from "@logtape/logtape";
import { hasCode, toOrreryError } from "../../actors/mod.ts";
import { accessRules, type ApiAccess } from "./access.ts";
import { actorAnswerJson, type AskActor } from "./actors.ts";
import { type AnswerTotals, streamedAnswer, wholeAnswer } from "./answer.ts";
import { readJson } from "./body.ts";
import { chatDialect } from "./chat.ts";
import { completionsDialect } from "./completions.ts";
import type { ApiTask, Dialect } from "./dialect.ts";
import { doctorRoute } from "./doctor.ts";
import { apiError, toHttpError } from "./errors.ts";
import { findModel } from "./find_model.ts";
import type { Generator, ModelCard } from "./generator.ts";
import { nodeRoutes, type NodesAdmin } from "./nodes.ts";
import { planOf, type Serving } from "./plan.ts";
import { tracedFrames, traceSvg } from "./trace.ts";

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
  /** Lists, drains and removes nodes, for `/api/nodes`. @default the routes do not exist */
  nodes?: NodesAdmin;
  /** Examines the cluster, for `POST /api/doctor`. @default the route does not exist */
  doctor?: () => Promise<object>;
  /** Asks a custom actor, for `POST /api/actors/{name}`. @default the route does not exist */
  askActor?: AskActor;
  /** Milliseconds without an event after which a stream sends a comment. @default 15_000 */
  keepAliveMs?: number;
}

/** What the server passes with every request. */
export interface ApiBindings {
  /** Aborts when the server no longer waits for running requests; they end with `draining`. */
  draining?: AbortSignal;
  /** Address of the client; wrong keys are counted by it. */
  remote?: string;
}

interface ApiEnv {
  Bindings: ApiBindings;
  Variables: RequestIdVariables;
}

/** The API as a Hono app: `app.fetch` takes a web-standard Request and gives a Response. */
export type Api = Hono<ApiEnv>;

/**
 * The OpenAI-compatible API over a {@linkcode Generator}:
 *
 * - `POST /v1/chat/completions`, `POST /v1/completions`, whole or streamed
 * - `GET /v1/models`, `GET /v1/models/{id}`
 * - `GET /api/plan` (404 with a reason where nothing was planned)
 * - `GET /api/trace` (the last frames as JSON; `?last=N`: the newest N, at most 512),
 *   `GET /api/trace.svg` (the same frames as a drawing)
 * - `GET /api/nodes`, `POST /api/nodes/{name}/drain`, `DELETE /api/nodes/{name}`: the nodes of the
 *   cluster, on its first node (409 elsewhere)
 * - `POST /api/doctor`: every node and every link of the cluster, examined now
 * - `POST /api/actors/{name}` with `{"type": ..., ...}`: asks a custom actor that the graph exposes
 *   and returns its answer as JSON
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
    log.info("{method} {path} {status} in {ms} ms", {
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: Math.round(performance.now() - start),
      request: c.get("requestId"),
    });
  });
  for (const rule of accessRules(access)) app.use(rule);
  app.onError((error, c) => failure(c, error));
  app.notFound((c) =>
    failure(c, apiError("not_found", `no such route: ${c.req.method} ${c.req.path}`))
  );

  const answer = (dialect: Dialect) => async (c: Context<ApiEnv>) => {
    const body = await readJson(c.req.raw, { maxBytes: maxBodyBytes, timeoutMs: bodyTimeoutMs });
    const task = dialect.parse(body);
    const cards = generator.models();
    // While no model is served there is no card; `generate` then says why.
    const card = cards.length > 0 ? findModel(cards, task.choices[0].request.model) : undefined;
    if (card) checkLogitBias(task, card);
    const stop = new AbortController();
    const abort = stopper(c, stop);
    const init = { generator, dialect, task, model: card?.name ?? "default", signal: stop.signal };
    const onEnd = (facts: AnswerTotals, error?: unknown) => {
      abort.release();
      report(c.get("requestId"), facts, error);
    };
    try {
      if (!task.stream) {
        const { body, facts } = await wholeAnswer(init);
        onEnd(facts);
        return c.json(body);
      }
      const stream = await streamedAnswer(init, { keepAliveMs, onEnd, stop: () => stop.abort() });
      return c.body(stream, 200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
      });
    } catch (error) {
      abort.release();
      throw error;
    }
  };
  app.post("/v1/chat/completions", answer(chatDialect));
  app.post("/v1/completions", answer(completionsDialect));
  app.get(
    "/v1/models",
    (c) => c.json({ object: "list", data: generator.models().map(modelEntry) }),
  );
  app.get(
    "/v1/models/:id{.+}",
    (c) => c.json(modelEntry(findModel(generator.models(), c.req.param("id")))),
  );
  for (const path of ["/healthz", "/health"]) app.get(path, (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const readiness = await (generator.check?.() ?? generator.readiness());
    // What is said beside a deployment that serves: that the cluster cannot change, say.
    const { deployment, reason } = options.serving?.() ?? {};
    const note = readiness.ready && deployment && reason ? { note: reason } : {};
    return c.json({ ...readiness, ...note }, readiness.ready ? 200 : 503);
  });
  const { serving } = options;
  if (serving) app.get("/api/plan", (c) => c.json(planOf(serving())));
  if (generator.traces) {
    app.get(
      "/api/trace",
      async (c) => c.json((await lastFrames(generator, c.req.query("last"))).frames),
    );
    app.get("/api/trace.svg", async (c) => {
      const { frames, node } = await lastFrames(generator, c.req.query("last"));
      return c.body(traceSvg(frames, node), 200, {
        "content-type": "image/svg+xml; charset=utf-8",
      });
    });
  }
  if (options.nodes) nodeRoutes(app, options.nodes, access.origins ?? []);
  if (options.doctor) {
    doctorRoute(app, options.doctor, access.origins ?? []);
    app.all("/api/doctor", wrongMethod("POST"));
  }
  const { askActor } = options;
  if (askActor) {
    app.post("/api/actors/:name", async (c) => {
      const body = await readJson(c.req.raw, { maxBytes: maxBodyBytes, timeoutMs: bodyTimeoutMs });
      const stop = new AbortController();
      const abort = stopper(c, stop);
      try {
        const json = await actorAnswerJson(askActor, {
          name: c.req.param("name"),
          body,
          signal: stop.signal,
        });
        return c.body(json, 200, { "content-type": "application/json; charset=utf-8" });
      } finally {
        abort.release();
      }
    });
    app.all("/api/actors/:name", wrongMethod("POST"));
  }
  for (const path of ["/v1/chat/completions", "/v1/completions"]) {
    app.all(path, wrongMethod("POST"));
  }
  for (const path of ["/v1/models", "/v1/models/:id{.+}", "/healthz", "/health", "/readyz"]) {
    app.all(path, wrongMethod("GET, HEAD"));
  }
  return app;
}

/** Largest `last` of the trace routes, in frames; also what they give without it. */
const MOST_FRAMES = 512;

/** The newest `last` frames of this node; `last` is the query's text. Throws `invalid_value`. */
async function lastFrames(generator: Generator, last?: string) {
  const most = last === undefined ? MOST_FRAMES : /^\d{1,3}$/.test(last) ? Number(last) : 0;
  if (most < 1 || most > MOST_FRAMES) {
    const wanted = `expected a whole number from 1 to ${MOST_FRAMES}, got ${JSON.stringify(last)}`;
    throw apiError("invalid_value", `last: ${wanted}`, "last");
  }
  const { node, traces } = await generator.traces!();
  return { node, frames: tracedFrames(traces.slice(-most)) };
}

/** Answers 405: the path exists, and takes only the methods `allowed`. */
function wrongMethod(allowed: string) {
  return (c: Context<ApiEnv>) => {
    c.header("allow", allowed);
    return failure(
      c,
      apiError("method_not_allowed", `${c.req.path} takes ${allowed}, not ${c.req.method}`),
    );
  };
}

/** The response for a thrown value; failures of this node or of a stage are logged. */
function failure(c: Context, thrown: unknown): Response {
  const { status, headers, body } = toHttpError(thrown);
  // What the API itself answers with 503 says that a node starts or ends: no failure.
  if (status >= 500 && !(status === 503 && toOrreryError(thrown).group === "api")) {
    log.error("request {request} failed: {error}", { request: c.get("requestId"), error: thrown });
  }
  return c.json(body, status as 500, headers);
}

/** Logs how a task ended. */
function report(request: string, facts: AnswerTotals, error?: unknown): void {
  if (error === undefined) log.info("request {request} answered", { request, ...facts });
  else if (hasCode(error, "client_closed")) {
    log.info("request {request}: the client went away", { request, ...facts });
  } else log.warn("request {request} ended early: {error}", { request, error, ...facts });
}

/**
 * Aborts `stop` when the client goes away or the server no longer waits; `release` removes both
 * listeners.
 */
function stopper(c: Context<ApiEnv>, stop: AbortController): { release: () => void } {
  const client = c.req.raw.signal;
  const draining = c.env?.draining;
  const onClient = () => stop.abort(apiError("client_closed", "the client went away"));
  const onDraining = () =>
    stop.abort(apiError("draining", "the server is shutting down: try another node"));
  client.addEventListener("abort", onClient);
  draining?.addEventListener("abort", onDraining);
  if (client.aborted) onClient();
  if (draining?.aborted) onDraining();
  return {
    release() {
      client.removeEventListener("abort", onClient);
      draining?.removeEventListener("abort", onDraining);
    },
  };
}

/** Throws `invalid_value` for a biased token id that the model does not have. */
function checkLogitBias(task: ApiTask, { vocab }: ModelCard): void {
  const wrong = task.choices[0].request.sampling.logit_bias?.find(([id]) => id >= vocab);
  if (wrong) {
    const message = `logit_bias: token ${wrong[0]} is outside the model's vocabulary of ${vocab}`;
    throw apiError("invalid_value", message, `logit_bias.${wrong[0]}`);
  }
}

/** A model as OpenAI's model lists have it. */
function modelEntry({ name, created, context, vocab, precision }: ModelCard) {
  return {
    id: name,
    object: "model",
    created,
    owned_by: "orrery",
    orrery: { context, vocab, precision },
  };
}
