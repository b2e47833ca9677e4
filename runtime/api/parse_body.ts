/**
 * Request bodies checked against schemas.
 *
 * @module
 */
import { z } from "zod";
import { apiError } from "./errors.ts";

const UNSUPPORTED = "is not supported by this server";

/** The message for a field that an API has and this server cannot honour. */
export const unsupported = { error: `${UNSUPPORTED}: leave it out` };

/**
 * The body as the schema parses it. Throws the first problem as group `api`, code `invalid_value`
 * or `unsupported_parameter`; metadata `param` is the field's path, such as `messages[0].role`.
 */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body, { reportInput: true });
  if (result.success) return result.data;
  const { path, message, input } = deepest(result.error.issues[0]);
  const param = path.reduce<string>(
    (text, key) =>
      typeof key === "number" ? `${text}[${key}]` : text ? `${text}.${String(key)}` : String(key),
    "",
  );
  const fault = message.replace(/^Invalid input: /, "");
  const shown = input === null || typeof input === "object" || fault.includes("received")
    ? ""
    : `, got ${JSON.stringify(input)?.slice(0, 80)}`;
  const unsupported = message.startsWith(UNSUPPORTED);
  throw apiError(
    unsupported ? "unsupported_parameter" : "invalid_value",
    `${param || "the request body"}: ${fault}${shown}`,
    param || undefined,
  );
}

/**
 * The problem to report for an issue. A union without a message of its own says only that nothing
 * fits; the alternative that parsed furthest then says best what is wrong.
 */
function deepest(
  issue: z.core.$ZodIssue,
): { path: PropertyKey[]; message: string; input?: unknown } {
  // What is wrong with a key of a record stands in an issue of its own.
  if (issue.code === "invalid_key" && issue.issues[0]) {
    return { ...issue, message: issue.issues[0].message };
  }
  if (issue.code !== "invalid_union" || issue.message !== "Invalid input") return issue;
  const inner = issue.errors.flatMap(([first]) => first ? [deepest(first)] : []);
  const expected = inner.flatMap(({ message }) =>
    message.match(/expected (\w+), received/)?.[1] ?? []
  );
  const best = inner.find(({ message, path }) =>
    path.length > 0 || !/expected \w+, received/.test(message)
  );
  if (best) return { ...best, path: [...issue.path, ...best.path] };
  return { path: issue.path, message: `expected ${expected.join(" or ")}`, input: issue.input };
}
