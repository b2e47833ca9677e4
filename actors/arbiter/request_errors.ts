/**
 * The errors of requests that both their Generation and their arbiter can meet.
 *
 * @module
 */
import { OrreryError } from "../system/mod.ts";

/** The error of a request that is told to begin although it has begun; `what` is what it has. */
export function alreadyStarted(generation: string, what: string): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "already_started",
    message: `${generation} has ${what} already`,
    metadata: { generation },
  });
}

/** The error of requests whose frame a shard of the LM head answered with what cannot be. */
export function badPartial(
  { self, seq, shard, why }: { self: string; seq: number; shard: number; why: string },
): OrreryError {
  return new OrreryError({
    group: "engine",
    code: "bad_partial",
    message:
      `shard ${shard} of the LM head answered frame ${seq} with what cannot be right: ${why}`,
    metadata: { shard, seq },
    actor: self,
  });
}

/** The error of requests that a new node for a stage or shard ended, as it could not go on there. */
export function stageReplaced(self: string): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "stage_stopped",
    message: `stages of ${self} are at other nodes now, and could not be rebuilt there in time; ` +
      "send the request again",
    actor: self,
  });
}

/** Who waited for the stages, and for what. */
export interface SilentStages {
  /** Address of the actor that waited. */
  self: string;
  /** Milliseconds in which no stage has answered. */
  silenceMs: number;
  /** What is waited for, as words. */
  waiting: string;
  /** Further facts for the error's metadata. */
  facts: Record<string, unknown>;
}

/** The error of the requests that wait for stages which have been silent for too long. */
export function stagesSilent({ self, silenceMs, waiting, facts }: SilentStages): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "stages_silent",
    message: `no stage answered for ${silenceMs} ms (${waiting})`,
    metadata: { ...facts, silence_ms: silenceMs },
    actor: self,
  });
}
