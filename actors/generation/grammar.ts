/**
 * What a generation needs to hold its answer to a grammar. The grammar itself is compiled and walked
 * by the runtime.
 *
 * @module
 */

/** What may follow some tokens of an answer. */
export interface GrammarStep {
  /**
   * Bit `t % 32` of word `t >> 5` is 1 where token `t` may follow. i32 (ceil(vocab / 32));
   * undefined: every token may.
   */
  mask?: Int32Array;
  /** Equal within a request for equal masks only. */
  key: number;
  /**
   * Tokens that must follow one after the other, since each is the only one that may; none where
   * there is a choice. The generation drafts them: they always come true.
   */
  forced: readonly number[];
}

/**
 * Resource `grammar` of a generation whose answer is held to a grammar; its answers come from
 * another thread.
 */
export interface GrammarWalk {
  /**
   * The steps after the last `count` tokens of `path`, in order, each after all tokens up to it. The
   * list ends early at a token that the grammar refuses: no step stands for it, nor for those behind
   * it. With an empty path there is one step, that of the answer's begin, and `count` is 1. Rejects
   * with the signal's reason, or with what broke the walk.
   *
   * @param path Token ids of the answer so far, drafts at its end included.
   */
  steps(path: readonly number[], count: number, signal?: AbortSignal): Promise<GrammarStep[]>;
  /** Nothing is known that would make the next answer wait for long, such as another grammar. */
  readonly quick: boolean;
  /** Frees what the walk holds; later calls reject. */
  close(): void;
}
