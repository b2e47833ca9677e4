/**
 * Errors of the engine, group `engine`; their codes are listed at `StageEngine` in
 * `actors/pipeline/engine.ts`.
 *
 * @module
 */
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
    | "no_sampler"
    | "engine_failed",
  message: string,
  metadata: Record<string, unknown> = {},
  cause?: unknown,
): OrreryError {
  return new OrreryError({ group: "engine", code, message, metadata, cause });
}
