/**
 * `/v1/batches`: jobs that answer the requests of a file.
 *
 * @module
 */
import { z } from "zod";
import { BATCH_ENDPOINTS, type BatchService } from "./batch_service.ts";
import { type BodyLimits, readJson } from "./body.ts";
import type { Api } from "./env.ts";
import { wrongMethod } from "./failures.ts";
import { pageOf, parseQuery } from "./page.ts";
import { parseBody } from "./parse_body.ts";

/** What creates a batch. Unknown fields are ignored. */
export const batchSchema = z.object({
  input_file_id: z.string().min(1).max(64).describe("id of a file uploaded with purpose `batch`"),
  endpoint: z.enum(BATCH_ENDPOINTS).describe("route of all requests in the file"),
  completion_window: z.literal("24h").describe("time after which the batch expires"),
  metadata: z.record(z.string().max(64), z.string().max(512))
    .refine((pairs) => Object.keys(pairs).length <= 16, "takes at most 16 pairs").nullish()
    .describe("kept with the batch, and given back"),
});

/** The query of a list of batches. */
export const batchesQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  after: z.string().optional(),
});

/** Adds the routes of batches to an app. */
export function batchRoutes(app: Api, service: BatchService, body: BodyLimits): void {
  app.post("/v1/batches", async (c) => {
    const { input_file_id: inputFile, endpoint, metadata } = parseBody(
      batchSchema,
      await readJson(c.req.raw, body),
    );
    return c.json(await service.create({ inputFile, endpoint, metadata: metadata ?? null }));
  });
  app.get("/v1/batches", async (c) => {
    const page = parseQuery(batchesQuery, c.req.query());
    return c.json(pageOf(await service.batches(), page));
  });
  app.get("/v1/batches/:id", async (c) => c.json(await service.batch(c.req.param("id"))));
  app.post("/v1/batches/:id/cancel", async (c) => c.json(await service.cancel(c.req.param("id"))));
  app.all("/v1/batches", wrongMethod("GET, HEAD, POST"));
  app.all("/v1/batches/:id", wrongMethod("GET, HEAD"));
  app.all("/v1/batches/:id/cancel", wrongMethod("POST"));
}
