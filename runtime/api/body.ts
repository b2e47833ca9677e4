/**
 * Reading a JSON request body within bounds of size and time.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import { BodyBudget } from "./body_budget.ts";
import { apiError } from "./errors.ts";
import { checkWeight } from "./json_weight.ts";

/** Characters whose parsing takes milliseconds. */
const LONG_CHARS = 256 * 1024;

/** Bounds of {@linkcode readJson}. */
export interface BodyLimits {
  /** Largest body in bytes. */
  maxBytes: number;
  /** Milliseconds in which the whole body must arrive. */
  timeoutMs: number;
}

/**
 * The request's JSON body.
 *
 * Errors (group `api`): `unsupported_media_type`, `body_too_large`, `busy` (other requests hold too
 * many bytes), `request_timeout`, `client_closed`, `too_many_values`, `invalid_json`.
 */
export async function readJson(request: Request, limits: BodyLimits): Promise<unknown> {
  const type = request.headers.get("content-type");
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type ?? "")) {
    const got = type === null ? "the request has none" : `the request says ${JSON.stringify(type)}`;
    throw apiError("unsupported_media_type", `content-type must be application/json, ${got}`);
  }
  const text = await readText(request, limits);
  await checkWeight(text);
  try {
    const value = JSON.parse(text);
    // What is checked and made of it has a turn of its own.
    if (text.length > LONG_CHARS) await new Promise((resolve) => setTimeout(resolve));
    return value;
  } catch (error) {
    throw apiError(
      "invalid_json",
      `the request body is not valid JSON: ${(error as Error).message}`,
    );
  }
}

async function readText(request: Request, { maxBytes, timeoutMs }: BodyLimits): Promise<string> {
  const tooLarge = () =>
    apiError(
      "body_too_large",
      `the request body is larger than this server's limit of ${maxBytes} bytes`,
    );
  if (Number(request.headers.get("content-length")) > maxBytes) throw tooLarge();
  if (request.body === null) return "";
  const reader = request.body.getReader();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    reader.cancel().catch(() => {});
  }, timeoutMs);
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      bytes += part.value.length;
      if (bytes > maxBytes) throw tooLarge();
      BodyBudget.grow(request, part.value.length);
      text += decoder.decode(part.value, { stream: true });
    }
  } catch (error) {
    if (error instanceof OrreryError || !(request.signal.aborted || brokenOff(error))) throw error;
    throw apiError(
      "client_closed",
      `the client went away after ${bytes} bytes of the request body`,
    );
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {});
  }
  if (late) {
    throw apiError("request_timeout", `the request body was not complete after ${timeoutMs} ms`);
  }
  return text + decoder.decode();
}

/** Tells whether the connection ended before the body was complete. */
function brokenOff(error: unknown): boolean {
  const { BadResource, ConnectionReset, ConnectionAborted, Http, UnexpectedEof } = Deno.errors;
  return [BadResource, ConnectionReset, ConnectionAborted, Http, UnexpectedEof].some((kind) =>
    error instanceof kind
  );
}

/**
 * The request's body, which fails with `request_timeout` when nothing of it arrives for `idleMs`
 * milliseconds, and with `client_closed` when the client goes away.
 */
export function untilLate(request: Request, idleMs: number): ReadableStream<Uint8Array> {
  const reader = request.body!.getReader();
  let bytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        const message =
          `nothing of the request body arrived for ${idleMs} ms, after ${bytes} bytes`;
        late.reject(apiError("request_timeout", message));
      }, idleMs);
      try {
        const { done, value } = await Promise.race([reader.read(), late.promise]);
        if (done) return controller.close();
        bytes += value.length;
        controller.enqueue(value);
      } catch (error) {
        reader.cancel().catch(() => {});
        if (!(request.signal.aborted || brokenOff(error))) throw error;
        const message = `the client went away after ${bytes} bytes of the request body`;
        throw apiError("client_closed", message);
      } finally {
        clearTimeout(timer);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
