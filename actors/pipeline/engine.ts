/**
 * What a stage actor needs from an engine. The real one (onnxruntime in a worker) lives in
 * `runtime/engine/`; the simulator and tests give others.
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
  /**
   * Layers of the whole model: the stage with layer 0 embeds, the stage with the last layer has
   * norm, LM head, sampler.
   */
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

/**
 * Result of running a frame: hidden states to send on, or (last stage) a token for each wanted row.
 */
export type StageOutput =
  | { kind: "hidden"; hidden: Tensor; computeMs: number }
  | { kind: "tokens"; tokens: TokenResult[]; computeMs: number };

/** How large an arena is from now on, and where its rows stand; see `layout` of a frame. */
export interface ArenaLayout {
  /** Rows. */
  capacity: number;
  /** Slots; negative ones count from the end. */
  keep: Int32Array;
  /** In the same way. @default none */
  shelf?: Int32Array;
}

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
 * Errors (group `engine`): `no_arena` (frame for an arena that is not open), `arena_full`
 * (metadata: `capacity`, `needed`), `arena_memory` (budget exceeded; metadata: `bytes`, `budget`,
 * `used`), `bad_frame`, `engine_failed`. A signal that fires takes a call out of the queue and
 * rejects it with the signal's reason; a call that is being executed is executed to its end all the
 * same.
 */
export interface StageEngine {
  /** Facts that hold as long as the stage is loaded. */
  readonly info: StageInfo;
  /**
   * Allocates, re-allocates or compacts an arena: `keep` (parents first) moves to slots 0, 1, 2
   * ..., `shelf` to the last slots, where no frame reaches; the rest is forgotten. With both empty
   * on an unknown arena it opens; `no_arena` if they name rows of an arena that is not there. On
   * `arena_memory` the arena is as it was.
   */
  layout(arena: string, layout: ArenaLayout, signal?: AbortSignal): Promise<void>;
  /**
   * Runs a frame's rows, writing their KV at slots base .. base+rows-1, after noting its samplers
   * (its `layout` is not looked at). A row that nothing can be chosen for is a `failed` token, not
   * an error: `bad_logits` (NaN, or every token banned), `bad_hidden` (it, or a row that it hangs
   * on, came with or became NaN or an infinity), `no_sampler`.
   *
   * `frame.hidden` is f32; its buffer is taken (it may be transferred to another thread, and is
   * empty then): who wants to keep it keeps a copy.
   */
  run(frame: Frame, signal?: AbortSignal): Promise<StageOutput>;
  /**
   * Frees the arena; unknown ones are ignored. Frames of it still queued are dropped with
   * `no_arena`.
   */
  close(arena: string): Promise<void>;
  /** Counters now; waits its turn behind the frames that are queued. */
  stats(signal?: AbortSignal): Promise<EngineStats>;
  /** Frees everything; later calls throw `engine_failed`. */
  dispose(): Promise<void>;
}
