/**
 * The schema of errors that arrive in messages.
 *
 * It is not in `errors.ts`, so that workers which only throw errors need not load zod.
 *
 * @module
 */
import { z } from "zod";
import { MAX_MESSAGE_CHARS, type WireError } from "./errors.ts";

/** Schema of a {@linkcode WireError}; a peer cannot fill the memory with a long text. */
export const wireErrorSchema: z.ZodType<WireError> = z.object({
  group: z.string().max(64),
  code: z.string().max(64),
  message: z.string().max(MAX_MESSAGE_CHARS),
  metadata: z.record(z.string(), z.unknown()).optional(),
  actor: z.string().max(512).optional(),
});
