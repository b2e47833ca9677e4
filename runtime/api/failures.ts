/**
 * Responses to requests that fail, in the form that the clients of each route expect.
 *
 * @module
 */
import type { Context } from "hono";
import { getLogger } from "@logtape/logtape";
import { toOrreryError } from "../../actors/mod.ts";
import { anthropicError } from "./anthropic/errors.ts";
import type { ApiContext } from "./env.ts";
import { apiError, type HttpError, toHttpError } from "./errors.ts";
import { logFacts } from "./request_trace.ts";
import { ollamaError } from "./ollama/errors.ts";

const log = getLogger(["orrery", "api"]);

/** Words an error's JSON body as one API's clients expect it. */
export type ErrorForm = (error: HttpError) => unknown;

/** Forms of errors other than OpenAI's, by the paths whose clients expect them. */
const forms: { paths: RegExp; form: ErrorForm }[] = [
  { paths: /^\/v1\/messages(\/|$)/, form: anthropicError },
  {
    paths:
      /^\/api\/(chat|generate|tags|ps|show|version|embed|embeddings|pull|push|create|copy|delete)$/,
    form: ollamaError,
  },
];

/** The response for a thrown value; failures of this node or of a stage are logged. */
export function failure(c: Context, thrown: unknown): Response {
  const error = toHttpError(thrown);
  const { status, headers } = error;
  // What the API itself answers with 503 says that a node starts or ends: no failure.
  if (status >= 500 && !(status === 503 && toOrreryError(thrown).group === "api")) {
    log.error("request {request} failed: {error}", { ...logFacts(c), error: thrown });
  }
  const form = forms.find(({ paths }) => paths.test(c.req.path))?.form;
  return c.json(form ? form(error) : error.body, status as 500, headers);
}

/** Answers 405: the path exists, and takes only the methods `allowed`. */
export function wrongMethod(allowed: string) {
  return (c: ApiContext) => {
    c.header("allow", allowed);
    return failure(
      c,
      apiError("method_not_allowed", `${c.req.path} takes ${allowed}, not ${c.req.method}`),
    );
  };
}
