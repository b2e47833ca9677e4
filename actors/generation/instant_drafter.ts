/**
 * Drafters that answer at once, without a model.
 *
 * @module
 */
import { NgramDrafter } from "../pipeline/mod.ts";

/** Guesses at once what comes next from what came before. */
export interface InstantDrafter {
  /** Adds token ids that have become certain. */
  push(tokens: readonly number[]): void;
  /**
   * Guesses at most `length` token ids after those that are certain. `chances` are 0 to 1: that of
   * each token, given that the ones before it are right. (tokens)
   */
  draft(length: number): { tokens: readonly number[]; chances: readonly number[] };
}

/**
 * A drafter that looks up in the text so far, or in the token ids of an expected answer
 * (`prediction`), what followed the newest tokens before. It has to be told of the prompt by
 * `push()`.
 */
export function ngramDrafter(
  { prompt, prediction }: { prompt: Int32Array; prediction?: Int32Array },
): InstantDrafter {
  const ngrams = new NgramDrafter();
  const push = (tokens: Iterable<number>) => {
    for (const token of tokens) ngrams.push(token);
  };
  // The prompt's end goes before the prediction, so that the end of the prompt itself leads to the
  // prediction's beginning.
  if (prediction) push([...prompt.subarray(-ngrams.longest), ...prediction]);
  return {
    push,
    draft(length) {
      const { tokens, chances } = ngrams.draft(length);
      return {
        tokens: Array.from(tokens),
        // Its chances are those of all tokens up to each one.
        chances: Array.from(chances, (chance, i) => i === 0 ? chance : chance / chances[i - 1]),
      };
    },
  };
}
