import assert from "node:assert/strict";
import type { LogRecord } from "@logtape/logtape";
import { OrreryError } from "../../actors/mod.ts";
import { jsonLine, logLine } from "./log_line.ts";

const record = (properties: Record<string, unknown>, ...message: unknown[]): LogRecord => ({
  category: ["orrery", "api"],
  level: "info",
  timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  rawMessage: "",
  message,
  properties,
});

Deno.test("logLine() names the request and its trace, and keeps the other fields", () => {
  const line = logLine(
    record({ request: "r1", trace_id: "ab", ms: 4, path: "/" }, "answered ", "/", " in ", 4, " ms"),
    { node: "den:8421:0a1b" },
  );
  assert.deepEqual(line, {
    time: "2026-01-02T03:04:05.006Z",
    level: "info",
    part: "api",
    node: "den:8421:0a1b",
    message: "answered / in 4 ms",
    request: "r1",
    trace_id: "ab",
    fields: { ms: 4, path: "/" },
  });
});

Deno.test("jsonLine() is one line, whatever a record has", () => {
  const loop: Record<string, unknown> = { big: 1n };
  loop.self = loop;
  const error = new OrreryError({ group: "api", code: "busy", message: "two\nlines" });
  const text = jsonLine(record({ loop, error, none: undefined, long: "x".repeat(20_000) }, "a\nb"));
  assert.equal(text.indexOf("\n"), text.length - 1);
  const { message, fields } = JSON.parse(text);
  assert.equal(message, "a\nb");
  assert.equal(fields.error.code, "busy");
  assert.equal(fields.error.message, "two\nlines");
  assert.equal(fields.none, null);
  assert.ok(fields.long.length < 9_000);
  assert.equal(typeof fields.loop, "string");
});
