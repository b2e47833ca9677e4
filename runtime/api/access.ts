/**
 * The middleware that decides whether a request may be asked at all: host name, web origin, key.
 *
 * @module
 */
import type { Context, MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { getLogger } from "@logtape/logtape";
import { type ApiKeys, FailedAttempts, type HostNames } from "../access/mod.ts";
import { apiError } from "./errors.ts";
import { asksForPage } from "./page_routes.ts";

const log = getLogger(["orrery", "api"]);

/** Who may ask the API. */
export interface ApiAccess {
  /** Keys, one of which every request needs but those to open routes. @default none is needed */
  keys?: ApiKeys;
  /** Names under which the API answers. @default any */
  hosts?: HostNames;
  /** Origins of web pages that may call the API. @default none: no CORS headers */
  origins?: readonly string[];
}

/** Routes that need no key: they tell whoever runs the node that it works, and nothing else. */
const OPEN_ROUTES: readonly string[] = ["/health", "/healthz", "/readyz"];

/** How a request is to be authorised, for the text of errors. */
const HOW = "send the header `authorization: Bearer KEY` or `x-api-key: KEY` " +
  "(`deno task keys create` makes a key)";

/** Names of query fields in which clients of other servers send keys. */
const KEY_FIELDS = ["key", "api_key", "api-key", "apikey", "access_token", "token"];

/** What the middleware needs of a request's environment. */
type AccessEnv = {
  Bindings: { remote?: string };
  Variables: { requestId: string; keyId?: string };
};

/** The middleware for these rules, in the order in which they apply. */
export function accessRules(
  { keys, hosts, origins = [] }: ApiAccess,
): MiddlewareHandler[] {
  const rules: MiddlewareHandler[] = [];
  if (hosts) rules.push(hostRule(hosts));
  if (origins.length > 0) {
    // Keys travel in a header that scripts set themselves, never as cookies: no credentials.
    rules.push(cors({
      origin: (origin) => origins.includes(origin) ? origin : null,
      allowMethods: ["GET", "HEAD", "POST", "DELETE"],
      exposeHeaders: [
        ...["x-request-id", "request-id", "retry-after", "x-ratelimit-limit-requests"],
        ...["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
        ...["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
      ],
      maxAge: 600,
    }));
  }
  if (keys) rules.push(keyRule(keys));
  return rules;
}

/** Refuses names that lead here by a stranger's DNS. */
function hostRule(hosts: HostNames): MiddlewareHandler {
  return async (c, next) => {
    const host = c.req.header("host");
    if (!hosts.allows(host)) {
      log.warn("refused a request from {remote} to the host name {host}", {
        remote: remote(c),
        host: host!.slice(0, 256),
      });
      throw apiError(
        "host_not_allowed",
        `this node does not answer to the host name ${
          JSON.stringify(host!.slice(0, 256))
        }: use its address or its own name, or start it with --allow-host NAME`,
      );
    }
    await next();
  };
}

/** Lets only requests with an accepted key pass, and those to open routes. */
function keyRule(keys: ApiKeys): MiddlewareHandler {
  const attempts = new FailedAttempts();
  return async (c, next) => {
    // Anthropic's clients send keys by themselves, without a scheme.
    const bare = c.req.header("x-api-key");
    const verdict = keys.check(
      c.req.header("authorization") ?? (bare === undefined ? undefined : `Bearer ${bare}`),
    );
    if (verdict.state === "accepted") {
      log.debug("request {request} has key {id} ({name})", {
        request: c.get("requestId"),
        id: verdict.id,
        name: verdict.name,
      });
      c.set("keyId", verdict.id);
      c.set("keyLimits", verdict.limits);
      return await next();
    }
    if (asksForPage(c)) return await next();
    if (OPEN_ROUTES.includes(c.req.path)) {
      await next();
      return withoutReason(c);
    }
    switch (verdict.state) {
      case "unreadable":
        log.error("no key is accepted: {why}", { why: verdict.why });
        throw apiError(
          "keys_unreadable",
          "this node cannot read its API keys now and lets nobody in; its log says why",
        );
      case "missing":
      case "malformed":
        c.header("www-authenticate", 'Bearer realm="orrery"');
        throw apiError("missing_api_key", missingText(c, verdict.state));
      case "wrong": {
        const { log: what, retryAfterS } = attempts.add(remote(c));
        const facts = { remote: remote(c), method: c.req.method, path: c.req.path };
        if (what === "attempt") {
          const which = verdict.id === undefined
            ? "an unknown key"
            : `a wrong secret for key ${verdict.id}`;
          log.warn("refused {method} {path} from {remote}: {which}", { ...facts, which });
        } else if (what === "limit") {
          log.warn("refused more from {remote}, which goes on: no further lines for {s} s", {
            ...facts,
            s: retryAfterS,
          });
        }
        if (retryAfterS !== undefined) throw tooManyAttempts(retryAfterS);
        c.header("www-authenticate", 'Bearer realm="orrery", error="invalid_token"');
        throw apiError(
          "invalid_api_key",
          "the API key is not accepted: it is unknown here, or was revoked",
        );
      }
    }
  };
}

const remote = (c: Context<AccessEnv>): string => c.env?.remote ?? "an unknown address";

/** Why a request has no key, as far as its form tells; the text never repeats what was sent. */
function missingText(c: Context, state: "missing" | "malformed"): string {
  if (state === "malformed") {
    return `the authorization header is not "Bearer" and a key, or x-api-key no key: ${HOW}`;
  }
  const inQuery = KEY_FIELDS.some((field) => c.req.query(field) !== undefined);
  return inQuery
    ? `this node takes no keys in the URL, where logs and histories keep them: ${HOW}`
    : `this node needs an API key: ${HOW}`;
}

function tooManyAttempts(retryAfterS: number) {
  const error = apiError(
    "too_many_attempts",
    `too many wrong API keys came from your address: wait ${retryAfterS} s`,
  );
  error.metadata.retry_after_s = retryAfterS;
  return error;
}

/**
 * An open route tells strangers its status alone: reasons name nodes and models.
 */
function withoutReason(c: Context): void {
  if (c.res.status === 200) return;
  const body = { ready: false, reason: "ask with an API key to see why" };
  c.res = c.json(body, c.res.status as 503);
}
