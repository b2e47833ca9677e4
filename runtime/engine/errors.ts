/**
 * Errors of the engine, group `engine`; what each code means is listed at `StageEngine` in
 * `actors/pipeline/engine.ts`.
 *
 * @module
 */
import type { FrameProblem } from "../../actors/pipeline/mod.ts";
import { OrreryError } from "../../actors/system/errors.ts";

/** An {@linkcode OrreryError} of group `engine`. */
export function engineError(
  code:
    | "no_arena"
    | "arena_full"
    | "arena_memory"
    | "bad_frame"
    | "bad_hidden"
    | "bad_logits"
    | "no_token_left"
    | "no_sampler"
    | "no_mask"
    | "engine_failed",
  message: string,
  metadata: Record<string, unknown> = {},
  cause?: unknown,
): OrreryError {
  return new OrreryError({ group: "engine", code, message, metadata, cause });
}

/** Throws `bad_frame` for the first of these problems, if there is one. */
export function refuse(problems: Iterable<FrameProblem>): void {
  for (const { message, metadata } of problems) throw engineError("bad_frame", message, metadata);
}

/** The text of anything thrown, on one line and without a full stop at its end. */
export function reason(error: unknown): string {
  if (error instanceof OrreryError) return error.message;
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().replace(/\s+/g, " ").replace(/\.$/, "");
}
