import { OrreryError } from "../actors/system/errors.ts";

/**
 * Makes an error of group `model`: something is wrong with a checkpoint, a store, a tokenizer or a
 * chat template.
 */
export function modelError(
  code: string,
  message: string,
  metadata: Record<string, unknown> = {},
  cause?: unknown,
): OrreryError {
  return new OrreryError({ group: "model", code, message, metadata, cause });
}

/** The message of a thrown value, for use inside another error's message. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
