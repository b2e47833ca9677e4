/**
 * Server-sent events as text.
 *
 * @module
 */

/** Content type of a stream of server-sent events. */
export const SSE_TYPE = "text/event-stream; charset=utf-8";

/** A comment, which clients skip. */
export const SSE_COMMENT = ": keep-alive\n\n";

/** One event; a value that is no string is sent as JSON. `name`: its type, for dialects that have. */
export function sseEvent(value: unknown, name?: string): string {
  const data = typeof value === "string" ? value : JSON.stringify(value);
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${data}\n\n`;
}
