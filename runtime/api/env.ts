/**
 * What the API's handlers know of each request beside the request itself.
 *
 * @module
 */
import type { Context, Hono } from "hono";
import type { RequestIdVariables } from "hono/request-id";
import type { OpenSpan } from "../../actors/mod.ts";
import type { KeyLimits } from "../access/mod.ts";
import { apiError } from "./errors.ts";

/** What the server passes with every request. */
export interface ApiBindings {
  /** Aborts when the server no longer waits for running requests; they end with `draining`. */
  draining?: AbortSignal;
  /** Address of the client; wrong keys are counted by it. */
  remote?: string;
}

/** The environment of the API's handlers. */
export interface ApiEnv {
  Bindings: ApiBindings;
  Variables: RequestIdVariables & {
    /** Id of the API key that asks; undefined: none is needed. */
    keyId?: string;
    /** How much that key may use; undefined: as much as the node gives. */
    keyLimits?: KeyLimits;
    /** Name of the model that answers; undefined: none does. */
    model?: string;
    /** The request's span; undefined: its trace is not recorded here. */
    span?: OpenSpan;
    /** Id of its trace, the client's or one that began here. */
    traceId?: string;
    /** The answer is a stream, whose end ends the span. */
    streams?: boolean;
  };
}

/** A request as handlers get it. */
export type ApiContext = Context<ApiEnv>;

/** The API as a Hono app: `app.fetch` takes a web-standard Request and gives a Response. */
export type Api = Hono<ApiEnv>;

/**
 * Aborts `stop` when the client goes away or the server no longer waits; `release` removes both
 * listeners.
 */
export function stopper(c: ApiContext, stop: AbortController): { release: () => void } {
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
