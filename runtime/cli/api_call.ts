/**
 * Requests of commands to the API of a running node.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../../actors/mod.ts";
import { keyHeaders } from "../access/mod.ts";

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
  code: "cannot_connect" | "refused" | "broken_answer",
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
    const hint = "start a node with `deno task start`, or name a running one with --url";
    throw failed("cannot_connect", `cannot connect to ${url}: ${hint}`, error);
  }
  if (response.ok) return response;
  const parsed = errorSchema.safeParse(parseJson(await response.text()));
  const reason = parsed.success
    ? parsed.data.error.message
    : "no Orrery node seems to listen there";
  throw failed("refused", `${url} answered ${response.status}: ${reason}`);
}

/** The parsed text; undefined: it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
