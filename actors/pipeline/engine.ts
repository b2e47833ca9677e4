/**
 * What a stage actor needs from an engine. The real engine (ONNX Runtime) lives in
 * `runtime/engine/`; simulations and tests pass others.
 *
 * @module
 */
import type { Frame, TokenResult } from "./frame.ts";
import type { Tensor } from "./tensor.ts";

/** Facts of a loaded stage that do not change. */
export interface StageInfo {
  /** First layer of the stage, 0-based. */
  firstLayer: number;
  /** Last layer of the stage, 0-based, inclusive. */
  lastLayer: number;
  /**
   * Layers of the whole model. The stage with layer 0 also embeds; the stage with the last layer
   * also has the final norm, and the LM head with the sampler unless `head` says otherwise.
   */
  layers: number;
  /** Elements of one row of hidden states. */
  hidden: number;
  /** Tokens in the vocabulary. */
  vocab: number;
  /** Longest sequence, in rows, that the model allows. */
  context: number;
  /** Bytes that one row takes in this stage's KV cache. */
  kvBytesPerRow: number;
  /**
   * Of the last stage: the shards that have the LM head, in the order of their tokens; undefined:
   * this stage has all of it.
   */
  head?: HeadTokens[];
}

/** The tokens of a shard of the LM head. */
export interface HeadTokens {
  /** Id of the first token. */
  first: number;
  /** Number of tokens. */
  tokens: number;
}

/** What is known of a wanted row besides its hidden states. */
export interface NormedRow {
  /** Position of the token that is sampled: the row's position + 1. */
  position: number;
  /**
   * Tokens before the sampled one, each once, and how often each was generated; undefined: the
   * row's sampler has no penalties.
   */
  occurrences?: { tokens: Int32Array; generated: Int32Array };
  /** Why no token can be chosen; undefined: nothing is wrong so far. */
  failed?: { code: string; message: string };
}

/** Wanted rows of a frame whose hidden states are wanted and no token. */
export interface RowStates {
  /** Indices among the frame's wanted rows, ascending. */
  wanted: number[];
  /** The result of each. */
  results: TokenResult[];
}

/** A wanted row that was run before its mask has come ({@linkcode LATE_MASK}). */
export interface LateRow {
  /** Its index among the frame's wanted rows. */
  row: number;
  /**
   * Its result under a mask, undefined: every token may be chosen. To be called once, at any time:
   * what the arena becomes meanwhile does not matter.
   */
  choose(mask: Int32Array | undefined): TokenResult;
}

/**
 * Result of running a frame: hidden states f32 (rows, hidden) to send on, or of the last stage a
 * token for each wanted row, or where it does not have the LM head the wanted rows after the final
 * norm, f32 (wanted rows, hidden). `computeMs`: milliseconds that the engine computed. `past`: slots
 * before the frame that took part in attention, seen or masked; undefined: all of them.
 */
export type StageOutput =
  | { kind: "hidden"; hidden: Tensor; computeMs: number; past?: number }
  | {
    kind: "normed";
    normed: Tensor;
    rows: NormedRow[];
    computeMs: number;
    past?: number;
    /** Wanted rows whose samplers ask for hidden states: `normed` and `rows` leave them out. */
    states?: RowStates;
  }
  | {
    kind: "tokens";
    tokens: TokenResult[];
    computeMs: number;
    past?: number;
    /** Wanted rows whose results in `tokens` stand for others, which these give. @default none */
    late?: LateRow[];
  };

/** Which rows windowed layers keep, and in how much room; see `layout` of {@linkcode Frame}. */
export interface NearLayout {
  /** Rows that the buffers of windowed layers have room for. */
  capacity: number;
  /**
   * Slots of the arena, as they are after the layout, whose rows move to near slots 0, 1, 2 ...; windowed
   * layers forget all others.
   */
  keep: Int32Array;
}

/**
 * How large an arena is from now on, and where its rows stand; see `layout` of {@linkcode Frame}.
 */
export interface ArenaLayout {
  /** Rows that the arena has slots for. */
  capacity: number;
  /** Slots whose rows move to slots 0, 1, 2 ...; negative ones count from the arena's old end. */
  keep: Int32Array;
  /** Slots whose rows move to the shelf, named in the same way. @default none */
  shelf?: Int32Array;
  /**
   * What windowed layers keep, if they keep fewer rows than the arena has, which the layout that opens
   * the arena decides. @default they keep all rows, or those that they kept before
   */
  near?: NearLayout;
  /**
   * Bytes that the caller itself keeps for each slot, which count into the budget for arenas.
   * @default 0
   */
  beside?: number;
}

/** Counters of an engine. */
export interface EngineStats {
  /** Arenas that are open now. */
  arenas: number;
  /** Bytes allocated for them. */
  arenaBytes: number;
  /** Frames that have been run since the stage was loaded. */
  frames: number;
  /** Rows in those frames. */
  rows: number;
  /** Milliseconds spent computing since the stage was loaded. */
  busyMs: number;
}

/**
 * Runs the frames of one stage. Calls are executed one at a time, in the order in which they were
 * made.
 *
 * Errors (group `engine`): `no_arena` (frame for an arena that is not open), `arena_full`
 * (metadata: `capacity`, `needed`, in rows), `arena_memory` (budget exceeded; metadata: `bytes`,
 * `budget`, `used`, in bytes), `bad_frame`, `engine_failed`. A signal that fires takes a waiting
 * call out of the queue and rejects it with the signal's reason; a call that has begun is executed
 * to its end before it is rejected.
 */
export interface StageEngine {
  /** Facts of the stage, fixed while it is loaded. */
  readonly info: StageInfo;
  /**
   * Allocates, re-allocates or compacts an arena. The rows of `keep` (parents first) move to slots
   * 0, 1, 2 ..., those of `shelf` to the last slots, which no frame reaches; all others are
   * forgotten. An unknown arena is opened if both lists are empty; otherwise the call throws
   * `no_arena`. After `arena_memory` the arena is as it was.
   */
  layout(arena: string, layout: ArenaLayout, signal?: AbortSignal): Promise<void>;
  /**
   * Notes the frame's samplers and masks and runs its rows, writing their KV at slots base .. base+rows-1.
   * The frame's `layout` is ignored. A row for which no token can be chosen gives a `failed` token,
   * not an error: `bad_logits` (NaN), `no_token_left` (every token banned or refused by the row's mask),
   * `bad_hidden` (this row or one of its ancestors has a NaN or an infinity), `no_sampler`,
   * `no_mask`.
   *
   * `frame.hidden` is f32 (rows, hidden). The engine takes its buffer over, which may be
   * transferred to another thread and then be empty: a caller who still needs it passes a copy.
   */
  run(frame: Frame, signal?: AbortSignal): Promise<StageOutput>;
  /**
   * Frees the arena; an unknown one is ignored. Calls of `run` for it that still wait fail with
   * `no_arena`.
   */
  close(arena: string): Promise<void>;
  /** The counters, read after the calls that were made before. */
  stats(signal?: AbortSignal): Promise<EngineStats>;
  /** Frees all memory of the engine. Later calls throw `engine_failed`. */
  dispose(): Promise<void>;
}
