/**
 * `/v1/files`: what clients upload for batches, and what batches made.
 *
 * @module
 */
import type { Context } from "hono";
import { z } from "zod";
import type { BatchService, FileObject, ReceivedFile } from "./batch_service.ts";
import { type BodyLimits, untilLate } from "./body.ts";
import type { Api } from "./env.ts";
import { apiError } from "./errors.ts";
import { wrongMethod } from "./failures.ts";
import { boundaryOf, fieldText, readForm } from "./multipart.ts";
import { ownPagesOnly } from "./nodes.ts";
import { pageOf, parseQuery } from "./page.ts";
import { parseBody } from "./parse_body.ts";

/** Fields of an upload beside the file. */
export const uploadSchema = z.object({
  purpose: z.enum(["batch", "user_data"]),
  "expires_after[anchor]": z.literal("created_at").optional(),
  "expires_after[seconds]": z.coerce.number().int().min(3_600).max(2_592_000).optional(),
});

/** The query of a list of files. */
export const filesQuery = z.object({
  purpose: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(10_000),
  order: z.enum(["asc", "desc"]).default("desc"),
  after: z.string().optional(),
});

/** Adds the routes of files to an app. `idle`: bounds of an upload between two of its pieces. */
export function fileRoutes(
  app: Api,
  service: BatchService,
  { origins, idle }: { origins: readonly string[]; idle: BodyLimits },
): void {
  // A form is a simple request: a browser sends it for a page of any origin, unasked.
  const own = ownPagesOnly(origins, "see or change the files of this node");
  app.post("/v1/files", own, async (c) => c.json(await upload(c, service, idle)));
  app.get("/v1/files", async (c) => {
    const { purpose, order, ...page } = parseQuery(filesQuery, c.req.query());
    const all = (await service.files()).filter((file) => !purpose || file.purpose === purpose);
    return c.json(pageOf(order === "asc" ? all : all.reverse(), page));
  });
  app.get("/v1/files/:id", async (c) => c.json(await service.file(c.req.param("id"))));
  app.get("/v1/files/:id/content", async (c) => {
    const file = await service.file(c.req.param("id"));
    const headers = {
      "content-type": "application/octet-stream",
      "content-length": String(file.bytes),
    };
    // A body would not be read, and its file stay open.
    if (c.req.method === "HEAD") return c.body(null, 200, headers);
    return c.body(await service.content(file.id), 200, headers);
  });
  app.delete("/v1/files/:id", own, async (c) => {
    const id = c.req.param("id");
    await service.removeFile(id);
    return c.json({ id, object: "file", deleted: true });
  });
  app.all("/v1/files", wrongMethod("GET, HEAD, POST"));
  app.all("/v1/files/:id", wrongMethod("GET, HEAD, DELETE"));
  app.all("/v1/files/:id/content", wrongMethod("GET, HEAD"));
}

/** Stores the file of a form. */
async function upload(c: Context, service: BatchService, idle: BodyLimits): Promise<FileObject> {
  const boundary = boundaryOf(c.req.header("content-type") ?? null);
  const most = service.mostFileBytes + (64 << 10); // what a form has beside the file
  if (Number(c.req.header("content-length")) > most || c.req.raw.body === null) {
    const message = c.req.raw.body === null
      ? "the request has no body"
      : `the request body is larger than this server's limit of ${most} bytes`;
    throw apiError(c.req.raw.body === null ? "invalid_multipart" : "body_too_large", message);
  }
  const fields: Record<string, string> = {};
  let filename: string | undefined;
  let received: ReceivedFile | undefined;
  await using undo = new AsyncDisposableStack();
  for await (const part of readForm(untilLate(c.req.raw, idle.timeoutMs), boundary)) {
    if (part.name !== "file") {
      fields[part.name] = await fieldText(part);
    } else if (received) {
      throw apiError("invalid_value", "file: the form has more than one", "file");
    } else {
      received = undo.use(await service.receive(part.content));
      filename = part.filename?.slice(0, 255) || "file.jsonl";
    }
  }
  if (!received) throw apiError("invalid_value", "file: the form has none", "file");
  const about = parseBody(uploadSchema, fields);
  const expiresAfterS = about["expires_after[seconds]"];
  return await received.keep({
    ...{ filename: filename!, purpose: about.purpose },
    ...(expiresAfterS !== undefined && { expiresAfterS }),
  });
}
