/**
 * Requests of commands to the API of a running node.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../../actors/mod.ts";
import { keyHeaders } from "../access/mod.ts";
import { PROGRAM } from "./program_name.ts";

/** The body of an answer that tells an error. */
export const errorSchema = z.object({
  error: z.object({ message: z.string(), code: z.string().nullish() }),
});

/** A request to the API. */
export interface ApiCall {
  /** Base URL of the API, without a final slash. */
  url: string;
  /** Path of the route, with its slash. */
  path: string;
  /** @default "GET" */
  method?: string;
  /** API key. @default none is sent */
  key?: string;
  /** Sent as JSON. @default none */
  body?: unknown;
  /** Aborting it ends the request. */
  signal: AbortSignal;
}

/** An error of group `cli`. */
export function failed(
  code: "cannot_connect" | "refused" | "broken_answer" | "no_answer",
  message: string,
  cause?: unknown,
): OrreryError {
  return new OrreryError({ group: "cli", code, message, cause });
}

/**
 * The answer to a request, its body unread. Throws group `cli`: `cannot_connect`, `refused` (with
 * the node's own message); or the signal's reason.
 */
export async function callApi(
  { url, path, method = "GET", key, body, signal }: ApiCall,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...keyHeaders(key),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    const hint = `start a node with \`${PROGRAM} start\`, or name a running one with --url`;
    throw failed("cannot_connect", `cannot connect to ${url}: ${hint}`, error);
  }
  if (response.ok) return response;
  const parsed = errorSchema.safeParse(parseJson(await response.text()));
  const reason = parsed.success
    ? parsed.data.error.message
    : "no Orrery node seems to listen there";
  throw failed("refused", `${url} answered ${response.status}: ${reason}`);
}

/** What an answer must be, and when it must be there. */
export interface ExpectedAnswer<T> {
  schema: z.ZodType<T>;
  /** What the schema stands for, in words. */
  what: string;
  /** Milliseconds in which the whole answer must have come. */
  withinMs: number;
  /** What the user can do where it has not. */
  late: string;
}

/**
 * The answer to a request, which is JSON. Throws group `cli`: what {@linkcode callApi} throws,
 * `no_answer` where it has not come in time, and `broken_answer` where it is something else.
 */
export async function readApi<T>(
  call: Omit<ApiCall, "signal">,
  { schema, what, withinMs, late }: ExpectedAnswer<T>,
): Promise<T> {
  const { url, method = "GET", path } = call;
  const signal = AbortSignal.timeout(withinMs);
  let body: unknown;
  try {
    body = parseJson(await (await callApi({ ...call, signal })).text());
  } catch (error) {
    if (!signal.aborted) throw error;
    const route = `${method} ${path.split("?")[0]}`;
    const message = `${url} has not answered ${route} within ${withinMs / 1e3} s: ${late}`;
    throw failed("no_answer", message, error);
  }
  const { data, success } = schema.safeParse(body);
  if (success) return data;
  throw failed("broken_answer", `${url} answered ${path} with something else than ${what}`);
}

/** The parsed text; undefined: it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
