/**
 * Errors as Anthropic's clients expect them.
 *
 * @module
 */
import type { HttpError } from "../errors.ts";

/** Types of errors by HTTP status; others are an `api_error`. */
const types: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  405: "invalid_request_error",
  408: "invalid_request_error",
  409: "invalid_request_error",
  413: "request_too_large",
  415: "invalid_request_error",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
};

/** The JSON body of an error; beside Anthropic's fields it has the project's `code` and `param`. */
export function anthropicError({ status, body: { error } }: HttpError) {
  const { message, code, param } = error;
  return {
    type: "error",
    error: { type: types[status] ?? "api_error", message, code, ...(param && { param }) },
  };
}
