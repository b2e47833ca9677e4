/**
 * Calls of the node's API, with the API key where one is needed.
 *
 * @module
 */

const KEY = "orrery.key";

/** Tells the shell that the node wants an API key; `detail` says why. */
export const keyEvents = new EventTarget();

/** What the API refused or failed to do. */
export class ApiError extends Error {
  /** @param {{status: number, code?: string, message: string, param?: string | null}} init */
  constructor({ status, code = "failed", message, param }) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.param = param ?? undefined;
  }
}

/** The key that the user gave; undefined: none. */
export const apiKey = () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? undefined;

/**
 * Keeps the key for this tab, or with `remember` for this browser.
 * @param {string} key @param {boolean} remember
 */
export function keepKey(key, remember) {
  forgetKey();
  (remember ? localStorage : sessionStorage).setItem(KEY, key);
}

/** Forgets the key. */
export function forgetKey() {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
}

/** Statuses at which another key may help. */
const NEEDS_KEY = ["missing_api_key", "invalid_api_key"];

/**
 * Sends a request; throws ApiError for any answer but 2xx, and the signal's reason.
 * @param {string} path
 * @param {{method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [init]
 * @returns {Promise<Response>}
 */
export async function send(path, { method, body, headers = {}, signal } = {}) {
  const key = apiKey();
  let response;
  try {
    response = await fetch(path, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(key && { authorization: `Bearer ${key}` }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      cache: "no-store",
      signal,
    });
  } catch (error) {
    signal?.throwIfAborted();
    const message = "the node does not answer: it may have stopped, or the network is down";
    throw new ApiError({ status: 0, code: "unreachable", message, cause: error });
  }
  if (response.ok) return response;
  throw needsKey(await errorOf(response));
}

/** The error; where a key may help, the shell is told so. @param {ApiError} error */
export function needsKey(error) {
  if (NEEDS_KEY.includes(error.code)) {
    keyEvents.dispatchEvent(new CustomEvent("needed", { detail: error }));
  }
  return error;
}

/** @param {Response} response */
async function errorOf(response) {
  const { status } = response;
  try {
    const { error } = await response.json();
    if (typeof error === "string") return new ApiError({ status, message: error });
    return new ApiError({ status, ...error });
  } catch {
    return new ApiError({ status, message: `the node answered with status ${status}` });
  }
}

/**
 * The JSON of an answer, within `deadlineMs`.
 * @param {string} path
 * @param {{method?: string, body?: unknown, signal?: AbortSignal, deadlineMs?: number}} [init]
 */
export async function json(path, { deadlineMs = 20_000, signal, ...init } = {}) {
  const late = AbortSignal.timeout(deadlineMs);
  const both = signal ? AbortSignal.any([signal, late]) : late;
  try {
    return await (await send(path, { ...init, signal: both })).json();
  } catch (error) {
    if (!late.aborted || signal?.aborted) throw error;
    const message = `the node did not answer within ${deadlineMs / 1000} s`;
    throw new ApiError({ status: 0, code: "too_late", message });
  }
}

/**
 * The lines of a streamed answer.
 * @param {Response} response
 * @returns {AsyncGenerator<string, void>}
 */
export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      yield* parts;
    }
    if (rest !== "") yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}
