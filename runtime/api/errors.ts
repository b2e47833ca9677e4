/**
 * Errors as OpenAI's clients expect them: `{error: {message, type, param, code}}` and the right
 * HTTP status.
 *
 * @module
 */
import { OrreryError, toOrreryError } from "../../actors/mod.ts";

/** HTTP status of each code of group `api`. */
const statuses: Record<string, number> = {
  bad_request: 400,
  invalid_json: 400,
  invalid_multipart: 400,
  invalid_value: 400,
  unsupported_parameter: 400,
  invalid_prompt: 400,
  context_exceeded: 400,
  kv_exceeded: 400,
  previous_response_not_found: 400,
  missing_api_key: 401,
  invalid_api_key: 401,
  host_not_allowed: 403,
  origin_not_allowed: 403,
  pull_forbidden: 403,
  not_found: 404,
  node_not_found: 404,
  model_not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  ask_first_node: 409,
  node_ambiguous: 409,
  node_away: 409,
  node_is_first: 409,
  not_promoted: 409,
  file_in_use: 409,
  batch_over: 409,
  model_exists: 409,
  plan_running: 429,
  pull_running: 409,
  verify_running: 409,
  body_too_large: 413,
  too_many_values: 413,
  storage_full: 413,
  unsupported_media_type: 415,
  headers_too_large: 431,
  busy: 429,
  key_limit: 429,
  too_many_attempts: 429,
  client_closed: 499,
  not_ready: 503,
  draining: 503,
  keys_unreadable: 503,
  batches_elsewhere: 503,
  incomplete: 502,
};

/**
 * HTTP status of errors of other groups that are no failures behind the API (502): OpenAI's clients
 * send a request again for 408, 409, 429 and 500 on, and give up for other 4xx. So what is wrong with
 * the request itself, and would be so again, is 400; what is over when another stage has taken over
 * is 503, which proxies take to another node.
 */
const others: Record<string, Record<string, number>> = {
  actor: {
    deadline_exceeded: 504,
    stages_silent: 504,
    ...unavailableNow("actor_failed", "arbiter_stopped", "closed", "generation_stopped"),
    ...unavailableNow("stage_stopped", "state_not_saved", "too_many_workers"),
  },
  cluster: {
    deployment_not_found: 404,
    default_deployment: 409,
    deployment_name_taken: 409,
    ...unavailableNow("node_lost", "not_enough_memory", "retired", "stage_moved"),
  },
  engine: {
    no_token_left: 400,
    too_many_rows: 400,
    ...unavailableNow("arena_memory", "grammar_busy", "grammar_failed", "no_arena"),
  },
  journal: {
    request_unknown: 404,
    answer_differs: 409,
    key_reused: 422,
    ...unavailableNow("keys_unavailable", "no_second_node", "request_undecided", "taken_over"),
  },
  mailbox: unavailableNow("closed", "peer_lost"),
  model: {
    ...unavailableNow("encoder_failed"),
    chat_template_failed: 400,
    model_in_use: 409,
    model_not_found: 404,
    encode_deadline: 400,
    grammar_deadline: 400,
    grammar_invalid: 400,
    grammar_tokenizer: 400,
    grammar_too_large: 400,
    schema_unsupported: 400,
    text_not_encodable: 400,
  },
};

function unavailableNow(...codes: string[]): Record<string, number> {
  return Object.fromEntries(codes.map((code) => [code, 503]));
}

/** Codes for which OpenAI's clients expect another name. */
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

/**
 * The error for a request that no model can answer now, because nothing is served yet or the node
 * is shutting down: group `api`, HTTP status 503 (metadata: `reason`).
 */
export function unavailable(code: "not_ready" | "draining", reason: string): OrreryError {
  return new OrreryError({
    group: "api",
    code,
    message: `no prompt can be answered now: ${reason}`,
    metadata: { reason },
  });
}

/** An OpenAI error body with its HTTP status and headers. */
export interface HttpError {
  /** HTTP status code. */
  status: number;
  /** Headers beside those of any JSON response. */
  headers: Record<string, string>;
  /** The JSON body. */
  body: { error: { message: string; type: string; param: string | null; code: string } };
}

function statusOf({ public: told, group, code }: OrreryError): number {
  if (!told) return 500;
  if (group === "refused") return 400;
  return group === "api" ? statuses[code] ?? 500 : others[group]?.[code] ?? 502;
}

/**
 * Any thrown value as an {@linkcode HttpError}. Group `api` has the status of its code; what a
 * custom actor refused (group `refused`) is 400 with the actor's code; any other public error
 * (group `actor`, `engine`, `mailbox`, ...) has the status of {@linkcode others}, else it is a
 * failure behind the API and 502; an error that is not public is 500 without its message.
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
