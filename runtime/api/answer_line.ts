/**
 * Answers requests that did not come over HTTP, such as the lines of a batch, by the routes that
 * answer those which did.
 *
 * @module
 */
import { type ApiOptions, createApi } from "./app.ts";
import type { BatchEndpoint } from "./batch_service.ts";
import type { Generator } from "./generator.ts";

/** Priority of requests that nobody waits for: below that of every service tier. */
const BEHIND_ALL = -2;

/** The answer to one line of a batch. */
export interface LineAnswer {
  /** HTTP status. */
  status: number;
  /** Id under which the node's log has it. */
  requestId: string;
  /** The JSON body. */
  body: unknown;
  /** Seconds after which it may be tried again; undefined: the node does not say. */
  retryAfterS?: number;
}

/**
 * Answers the body of a request to a route. It throws the signal's reason, and nothing else: what is
 * refused or fails has its status.
 */
export type AnswerLine = (
  endpoint: BatchEndpoint,
  body: Record<string, unknown>,
  signal: AbortSignal,
) => Promise<LineAnswer>;

/**
 * Answers lines with this generator, behind all requests that somebody waits for. Lines that ask for
 * a stream are refused, as a batch's answers come whole. `responses` keeps their responses where
 * other requests find them.
 */
export function lineAnswerer(
  generator: Generator,
  { responses }: Pick<ApiOptions, "responses"> = {},
): AnswerLine {
  const app = createApi(behindAll(generator), { responses });
  return async (endpoint, body, signal) => {
    signal.throwIfAborted();
    if (body.stream) return { status: 400, requestId: crypto.randomUUID(), body: NO_STREAM };
    const response = await app.request(
      new Request(`http://node${endpoint}`, {
        ...{ method: "POST", headers: { "content-type": "application/json" }, signal },
        body: JSON.stringify(body),
      }),
    );
    const answer: unknown = await response.json();
    signal.throwIfAborted();
    const retry = Number(response.headers.get("retry-after") ?? NaN);
    return {
      ...{ status: response.status, body: answer },
      requestId: response.headers.get("x-request-id") ?? "",
      ...(retry > 0 && { retryAfterS: retry }),
    };
  };
}

const NO_STREAM = {
  error: {
    message: "stream: the answers of a batch come whole; leave it out",
    type: "invalid_request_error",
    param: "stream",
    code: "invalid_value",
  },
};

/** The generator, with the lowest priority for what it generates. */
function behindAll(generator: Generator): Generator {
  return new Proxy(generator, {
    get(target, name) {
      if (name === "generate") {
        return ((request, signal) =>
          target.generate({ ...request, priority: BEHIND_ALL }, signal)) as Generator["generate"];
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
