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
import { ownPagesOnly } from "./nodes.ts";
import { parseQuery } from "./page.ts";

/** Gives the log of the node with this name; undefined: of the node that is asked. */
export type LogsOf = (
  node: string | undefined,
  query: LogQuery,
) => Promise<LogPage & { node: string }>;

/** A whole number; `says` tells who gave something else what is taken. */
const whole = (says: string, { min = 0, max = 1e15 - 1 } = {}) =>
  z.string().regex(/^\d{1,15}$/, says).transform(Number).pipe(
    z.number(says).min(min, says).max(max, says),
  );

const NAME = "expected a name or an id of at most 256 characters";
const ID = "expected a text of at most 128 characters";

/** The query of the route. */
export const logsQuery = z.object({
  node: z.string().min(1, NAME).max(256, NAME).optional()
    .describe("name or id of a node; left out: this one"),
  after: whole("expected a whole number").optional()
    .describe("records after the one with this number; left out: the newest"),
  level: z.enum(LOG_LEVELS, `expected ${LOG_LEVELS.join(", ")}`).optional()
    .describe("records of this level or a more urgent one"),
  request: z.string().min(1, ID).max(128, ID).optional().describe(
    "records of the request with this id alone, as its answer's header x-request-id says",
  ),
  limit: whole(`expected a whole number from 1 to ${MOST_RECORDS}`, { min: 1, max: MOST_RECORDS })
    .optional().describe("so many at most"),
});

/** Adds `GET /api/logs` to an app. */
export function logsRoute(
  // deno-lint-ignore no-explicit-any -- whatever the app's environment is
  app: Hono<any>,
  logs: LogsOf,
  origins: readonly string[],
): void {
  app.get("/api/logs", ownPagesOnly(origins, "read the logs of this cluster"), async (c) => {
    const { node, ...rest } = parseQuery(logsQuery, c.req.query());
    return c.json(await logs(node, logQuerySchema.parse(rest)));
  });
}
