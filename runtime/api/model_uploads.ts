/**
 * `POST /api/models`: a client sends the files of a model, which is converted and told of as it goes.
 *
 * @module
 */
import { z } from "zod";
import { type BodyLimits, untilLate } from "./body.ts";
import { type Api, type ApiContext, stopper } from "./env.ts";
import { apiError } from "./errors.ts";
import { boundaryOf, fieldText, readForm } from "./multipart.ts";
import { ownPagesOnly } from "./nodes.ts";
import { parseBody } from "./parse_body.ts";
import type { PullStep } from "./pull_service.ts";
import { LINES_TYPE, stepLines } from "./step_lines.ts";
import { type ModelUpload, STORED_FORMS, type UploadService } from "./upload_service.ts";

/** Fields of the form, which stand before its files. */
export const modelUploadSchema = z.object({
  name: z.string().regex(
    /^(?!\.+$)[A-Za-z0-9._~-]{1,128}$/,
    "expected 1 to 128 letters, digits, dots, underscores, tildes and hyphens",
  ).describe("what the model is called in the store"),
  precision: z.enum(STORED_FORMS).optional().describe(
    "how its weights are stored; left out: q4, and of a GGUF file the nearest to what it holds",
  ),
});

/** Most parts of the form: files and fields. */
const MOST_PARTS = 1_024;

/** Bytes of a form beside its files, at most: boundaries, heads and fields. */
const FORM_BYTES = 1 << 20;

/** Adds the route. `idle`: bounds of an upload between two of its pieces. */
export function modelUploadRoute(
  app: Api,
  service: UploadService,
  { origins, idle }: { origins: readonly string[]; idle: BodyLimits },
): void {
  // A form is a simple request: a browser sends it for a page of any origin, unasked.
  const own = ownPagesOnly(origins, "add models to this node");
  app.post("/api/models", own, async (c) => {
    const stop = new AbortController();
    const abort = stopper(c, stop);
    try {
      const upload = await received(c, service, idle);
      const steps = added(upload, stop.signal);
      const first = await steps.next(); // what is refused has no line
      const end = () => {
        abort.release();
        stop.abort(apiError("client_closed", "the client went away"));
      };
      const lines = stepLines(first, steps, { end, errorLine: ({ body }) => body });
      return c.body(lines, 200, { "content-type": LINES_TYPE });
    } catch (error) {
      abort.release();
      throw error;
    }
  });
}

/** The model whose files the form has. */
async function received(
  c: ApiContext,
  service: UploadService,
  idle: BodyLimits,
): Promise<ModelUpload> {
  const boundary = boundaryOf(c.req.header("content-type") ?? null);
  if (c.req.raw.body === null) throw apiError("invalid_multipart", "the request has no body");
  const length = Number(c.req.header("content-length"));
  const bytes = length > 0 ? Math.max(1, length - FORM_BYTES) : undefined;
  const fields: Record<string, string> = {};
  let upload: ModelUpload | undefined;
  await using undo = new AsyncDisposableStack();
  const form = readForm(untilLate(c.req.raw, idle.timeoutMs), boundary, { mostParts: MOST_PARTS });
  for await (const part of form) {
    if (part.name === "file") {
      upload ??= undo.use(
        await service.begin({ ...parseBody(modelUploadSchema, fields), bytes }),
      );
      await upload.receive(part.filename ?? "", part.content);
    } else if (upload) {
      const message = `${part.name.slice(0, 64)}: fields of the form stand before its files`;
      throw apiError("invalid_value", message, part.name.slice(0, 64));
    } else fields[part.name] = await fieldText(part);
  }
  if (!upload) throw apiError("invalid_value", "file: the form has none", "file");
  undo.move(); // whoever gets it disposes of it
  return upload;
}

/** The steps of its conversion, behind which its files are deleted. */
async function* added(upload: ModelUpload, signal: AbortSignal): AsyncGenerator<PullStep, void> {
  await using owned = upload;
  yield* owned.add(signal);
}
