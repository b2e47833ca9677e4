/**
 * JSON in requests of the mailbox's port, and in their answers.
 *
 * @module
 */
import type { Http2Stream } from "../http2/mod.ts";
import type { z } from "zod";
import { trustError } from "./errors.ts";

/** Milliseconds in which the body of a request must have come. */
const BODY_MS = 5_000;

/**
 * The body of a request. Throws `bad_request` (group `trust`) where it is too long, comes too slowly,
 * or does not fit the schema.
 */
export async function readJson<T>(
  stream: Http2Stream,
  schema: z.ZodType<T>,
  maxBytes: number,
): Promise<T> {
  return parse(await readBody(stream, maxBytes), schema);
}

/** Answers with JSON. */
export function sendJson(stream: Http2Stream, status: number, body: unknown): void {
  if (stream.destroyed || stream.headersSent) return;
  stream.respond({ ":status": String(status), "content-type": "application/json" });
  stream.end(JSON.stringify(body), () => setImmediate(() => stream.close()));
  stream.resume(); // what still comes of the request is thrown away
}

/** The body of a request. Throws `bad_request` where it is too long or comes too slowly. */
function readBody(stream: Http2Stream, maxBytes: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const refuse = (why: string) => reject(trustError("bad_request", why));
  const timer = setTimeout(() => refuse(`the body did not come within ${BODY_MS} ms`), BODY_MS);
  stream.on("data", (chunk: Uint8Array) => {
    bytes += chunk.byteLength;
    if (bytes <= maxBytes) chunks.push(chunk);
    else refuse(`the body is longer than ${maxBytes} bytes`);
  });
  stream.on("end", () => resolve(new TextDecoder().decode(Buffer.concat(chunks))));
  stream.on("close", () => refuse("the request was broken off"));
  return promise.finally(() => clearTimeout(timer));
}

function parse<T>(text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw trustError("bad_request", "the body is no JSON");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw trustError("bad_request", `${issue.path.join(".") || "body"}: ${issue.message}`);
}
