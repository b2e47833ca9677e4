import { OrreryError } from "../actors/system/errors.ts";

/**
 * An error of the group `model`: what is wrong with a checkpoint, a store, a tokenizer or a
 * template.
 */
export function modelError(
  code: string,
  message: string,
  metadata: Record<string, unknown> = {},
  cause?: unknown,
): OrreryError {
  return new OrreryError({ group: "model", code, message, metadata, cause });
}

/** What a failed file operation amounts to, in a few words. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
