/**
 * The route by which whoever runs a cluster has it examined. It makes every node measure its links,
 * so it is a POST, and pages of other origins are refused as for `/api/nodes`.
 *
 * @module
 */
import type { Hono } from "hono";
import { ownPagesOnly } from "./nodes.ts";

/** Adds `POST /api/doctor` to an app: the report that `doctor` resolves to, as JSON. */
export function doctorRoute(
  // deno-lint-ignore no-explicit-any -- whatever the app's environment is
  app: Hono<any>,
  doctor: () => Promise<object>,
  origins: readonly string[],
): void {
  app.post("/api/doctor", ownPagesOnly(origins), async (c) => c.json(await doctor()));
}
