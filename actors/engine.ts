/**
 * What a stage actor needs from an engine. The real one (onnxruntime in a worker) lives in `runtime/engine/`;
 * the simulator and tests give others.
 *
 * @module
 */
import type { Frame, TokenResult } from "./frame.ts";
import type { Tensor } from "./tensor.ts";

/** Fixed facts of a loaded stage. */
export interface StageInfo {
  /** First layer, 0-based. */
  firstLayer: number;
  /** Last layer, inclusive. */
  lastLayer: number;
  /** Layers of the whole model: the stage with layer 0 embeds, the stage with the last layer has norm, LM head, sampler. */
  layers: number;
  /** Elements of one row of hidden states. */
  hidden: number;
  /** Tokens in the vocabulary. */
  vocab: number;
  /** Longest context in rows that the model allows. */
  context: number;
  /** KV bytes of one row in this stage. */
  kvBytesPerRow: number;
}

/** Result of running a frame: hidden states to send on, or (last stage) a token for each wanted row. */
export type StageOutput =
  | { kind: "hidden"; hidden: Tensor; computeMs: number }
  | { kind: "tokens"; tokens: TokenResult[]; computeMs: number };

/** Counters of an engine. */
export interface EngineStats {
  /** Open arenas. */
  arenas: number;
  /** Bytes allocated for arenas. */
  arenaBytes: number;
  /** Frames run to their end since the stage was loaded. */
  frames: number;
  /** Rows in those frames. */
  rows: number;
  /** Milliseconds spent computing. */
  busyMs: number;
}

/**
 * Runs frames of one stage. Calls are executed one at a time in the order made.
 *
 * Errors (group `engine`): `arena_exists`, `no_arena` (frame for a request that is not open), `arena_full` (metadata:
 * `capacity`, `needed`), `arena_memory` (budget exceeded; metadata: `bytes`, `budget`, `used`), `bad_frame`,
 * `bad_logits` (NaN, or nothing left to choose), `engine_failed`. A signal that fires takes a call out of the queue and
 * rejects it with the signal's reason; a call that is being executed is executed to its end all the same.
 */
export interface StageEngine {
  /** Facts that hold as long as the stage is loaded. */
  readonly info: StageInfo;
  /** Allocates the request's arena. */
  open(request: string, open: NonNullable<Frame["open"]>, signal?: AbortSignal): Promise<void>;
  /**
   * Runs a frame's rows, writing their KV at slots base .. base+rows-1. Takes the buffer of `frame.hidden` (it may be
   * transferred to another thread, and is empty then): who wants to keep it keeps a copy.
   */
  run(frame: Frame, signal?: AbortSignal): Promise<StageOutput>;
  /** Frees the request's arena; unknown requests are ignored. Frames of it still queued are dropped with `no_arena`. */
  close(request: string): Promise<void>;
  /** Counters now; waits its turn behind the frames that are queued. */
  stats(signal?: AbortSignal): Promise<EngineStats>;
  /** Frees everything; later calls throw `engine_failed`. */
  dispose(): Promise<void>;
}
