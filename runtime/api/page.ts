/**
 * Lists that are given out a page at a time, and the queries that ask for one.
 *
 * @module
 */
import type { z } from "zod";
import { apiError } from "./errors.ts";
import { parseBody } from "./parse_body.ts";

/** The query as the schema parses it. Throws group `api`: `invalid_value`. */
export function parseQuery<T>(schema: z.ZodType<T>, query: Record<string, string>): T {
  return parseBody(schema, query);
}

/**
 * The page of at most `limit` entries behind the one whose id is `after`. Throws `invalid_value`
 * where there is none with that id.
 */
export function pageOf<T extends { id: string }>(
  all: readonly T[],
  { limit, after }: { limit: number; after?: string },
) {
  const at = after === undefined ? -1 : all.findIndex(({ id }) => id === after);
  if (after !== undefined && at < 0) {
    const message = `after: there is no entry ${JSON.stringify(after.slice(0, 64))} in this list`;
    throw apiError("invalid_value", message, "after");
  }
  const data = all.slice(at + 1, at + 1 + limit);
  return {
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: at + 1 + limit < all.length,
  };
}
