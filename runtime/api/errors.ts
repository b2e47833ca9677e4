/**
 * Errors as OpenAI's clients expect them: `{error: {message, type, param, code}}` and the right
 * HTTP status.
 *
 * @module
 */
import { OrreryError, toOrreryError } from "../../actors/mod.ts";

/** HTTP status of each code of group `api`. */
const statuses: Record<string, number> = {
  invalid_json: 400,
  invalid_value: 400,
  unsupported_parameter: 400,
  invalid_prompt: 400,
  context_exceeded: 400,
  not_found: 404,
  model_not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  body_too_large: 413,
  unsupported_media_type: 415,
  busy: 429,
  client_closed: 499,
  not_ready: 503,
  draining: 503,
};

/** Codes that clients know under OpenAI's name. */
const openaiCodes: Record<string, string> = { context_exceeded: "context_length_exceeded" };

/** An error of group `api`; `param` is the path of the request field at fault. */
export function apiError(code: string, message: string, param?: string): OrreryError {
  return new OrreryError({
    group: "api",
    code,
    message,
    metadata: param === undefined ? {} : { param },
  });
}

/** An OpenAI error body with its HTTP status and headers. */
export interface HttpError {
  status: number;
  headers: Record<string, string>;
  body: { error: { message: string; type: string; param: string | null; code: string } };
}

function statusOf({ public: told, group, code }: OrreryError): number {
  if (!told) return 500;
  if (group === "refused") return 400;
  return group === "api" ? statuses[code] ?? 500 : 502;
}

/**
 * Any thrown value as an {@linkcode HttpError}: group `api` by its code's status, a failure behind
 * the API (group `actor`, `engine`, `mailbox`, ...) as 502, what an actor of the graph refused
 * (group `refused`) as 400 under its code, and what is not public as a bare 500.
 */
export function toHttpError(thrown: unknown): HttpError {
  const error = toOrreryError(thrown);
  const status = statusOf(error);
  const { code, message, metadata = {} } = error.toWire();
  const headers: Record<string, string> = {};
  const retry = metadata.retry_after_s ?? (status === 429 ? 1 : undefined);
  if (typeof retry === "number") headers["retry-after"] = String(Math.max(1, Math.ceil(retry)));
  const type = status >= 500
    ? "server_error"
    : status === 429
    ? "rate_limit_error"
    : "invalid_request_error";
  const param = typeof metadata.param === "string" ? metadata.param : null;
  return {
    status,
    headers,
    body: { error: { message, type, param, code: openaiCodes[code] ?? code } },
  };
}
