/**
 * The route by which whoever runs a cluster reads the logs of its nodes. Logs name addresses and
 * models, so pages of other origins are refused as for `/api/nodes`.
 *
 * @module
 */
import type { Hono } from "hono";
import { z } from "zod";
import {
  LOG_LEVELS,
  type LogPage,
  type LogQuery,
  logQuerySchema,
  MOST_RECORDS,
} from "../../actors/mod.ts";
import { apiError } from "./errors.ts";
import { ownPagesOnly } from "./nodes.ts";

/** Gives the log of the node with this name; undefined: of the node that is asked. */
export type LogsOf = (
  node: string | undefined,
  query: LogQuery,
) => Promise<LogPage & { node: string }>;

const whole = z.string().regex(/^\d{1,15}$/).transform(Number);

/** The query of the route. */
export const logsQuery = z.object({
  node: z.string().min(1).max(256).optional().describe("name or id of a node; left out: this one"),
  after: whole.optional().describe("records after the one with this number; left out: the newest"),
  level: z.enum(LOG_LEVELS).optional().describe("records of this level or a more urgent one"),
  request: z.string().min(1).max(128).optional()
    .describe(
      "records of the request with this id alone, as its answer's header x-request-id says",
    ),
  limit: whole.pipe(z.number().min(1).max(MOST_RECORDS)).optional().describe("so many at most"),
});

/** What the parameters take, for who gave something else. */
const TAKES: Record<string, string> = {
  node: "a name or an id of at most 256 characters",
  after: "a whole number",
  level: LOG_LEVELS.join(", "),
  request: "a text of at most 128 characters",
  limit: `a whole number from 1 to ${MOST_RECORDS}`,
};

/** Adds `GET /api/logs` to an app. */
export function logsRoute(
  // deno-lint-ignore no-explicit-any -- whatever the app's environment is
  app: Hono<any>,
  logs: LogsOf,
  origins: readonly string[],
): void {
  app.get("/api/logs", ownPagesOnly(origins, "read the logs of this cluster"), async (c) => {
    const query = logsQuery.safeParse(c.req.query());
    if (!query.success) {
      const field = String(query.error.issues[0].path[0]);
      const got = JSON.stringify(c.req.query(field)?.slice(0, 64));
      throw apiError("invalid_value", `${field}: expected ${TAKES[field]}, got ${got}`, field);
    }
    const { node, ...rest } = query.data;
    return c.json(await logs(node, logQuerySchema.parse(rest)));
  });
}
