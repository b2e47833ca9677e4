/**
 * The trace of a request: begun by the client, where it sends a `traceparent`, else here.
 *
 * @module
 */
import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import {
  type OpenSpan,
  type SpanInit,
  type TraceContext,
  traceparentOf,
} from "../../actors/mod.ts";
import type { ApiTask } from "./dialect.ts";
import type { ApiContext, ApiEnv } from "./env.ts";

/** Begins the spans of requests. */
export interface RequestTracer {
  /** Begins a span; without a parent it is the first of a trace. Undefined: nobody records it. */
  span(
    name: string,
    init: Omit<SpanInit, "parent"> & { parent?: TraceContext; server?: boolean },
  ): OpenSpan | undefined;
}

/** Begins the span of every request; a stream's is ended by {@linkcode endTrace}. */
export function traceRule(tracer: RequestTracer | undefined): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const given = c.req.header("traceparent");
    const parent = given !== undefined && traceparentOf(given) ? { traceparent: given } : undefined;
    const { method } = c.req;
    const route = routeOf(c);
    const span = tracer?.span(`${method} ${route ?? ""}`.trim(), {
      ...{ parent, server: true },
      attributes: {
        "http.request.method": method,
        ...(route !== undefined && { "http.route": route }),
        "orrery.request": c.get("requestId"),
      },
    });
    const context = span?.context ?? parent;
    if (span) c.set("span", span);
    if (context) c.set("traceId", traceparentOf(context.traceparent)?.traceId);
    await next();
    if (!c.get("streams")) endTrace(c);
  };
}

/** Ends the span of a request. `error`: what ended its stream early. */
export function endTrace(c: ApiContext, error?: unknown): void {
  const span = c.get("span");
  if (!span) return;
  const { status } = c.res;
  const failed = error !== undefined || status >= 500;
  span.end({
    attributes: { "http.response.status_code": status },
    ...(failed && { error: error instanceof Error ? error.message : `status ${status}` }),
  });
}

/** What a request's records of the log have in common. */
export function logFacts(c: ApiContext): { request: string; trace_id?: string } {
  const trace_id = c.get("traceId");
  return { request: c.get("requestId"), ...(trace_id !== undefined && { trace_id }) };
}

/** The task, whose generations are parts of this trace; undefined: of none. */
export function tracedTask(task: ApiTask, trace: TraceContext | undefined): ApiTask {
  if (!trace) return task;
  const choices = task.choices.map((choice) => ({
    ...choice,
    request: { ...choice.request, trace },
  }));
  return { ...task, choices };
}

/** Pattern of the route that a request goes to; undefined: there is none. */
export function routeOf(c: ApiContext): string | undefined {
  // Middleware stands at "/*"; it lies before the routes, and behind none.
  const route = matchedRoutes(c).findLast(({ path }) => path !== "/*");
  return route?.path.replaceAll(/\{[^}]*\}/g, ""); // `:id{.+}` is `:id`
}
