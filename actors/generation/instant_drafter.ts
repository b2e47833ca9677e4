/**
 * Drafters that answer at once, without a model.
 *
 * @module
 */
import { NgramDrafter, PredictionDrafter } from "../pipeline/mod.ts";

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
 * (`prediction`), what followed the newest tokens before. It also keeps its place in the expected
 * answer. It has to be told of the prompt by `push()`.
 */
export function ngramDrafter(
  { prompt, prediction }: { prompt: Int32Array; prediction?: Int32Array },
): InstantDrafter {
  const ngrams = new NgramDrafter();
  const expected = prediction && new PredictionDrafter(prediction);
  let pushed = 0;
  // The prompt's end goes before the prediction, so that the end of the prompt itself leads to the
  // prediction's beginning.
  if (prediction) {
    for (const token of [...prompt.subarray(-ngrams.longest), ...prediction]) ngrams.push(token);
  }
  return {
    push(tokens) {
      for (const token of tokens) {
        ngrams.push(token);
        if (pushed++ >= prompt.length) expected?.push(token);
      }
    },
    draft(length) {
      const { tokens, chances } = ngrams.draft(length);
      const looked = {
        tokens: Array.from(tokens),
        // Its chances are those of all tokens up to each one.
        chances: Array.from(chances, (chance, i) => i === 0 ? chance : chance / chances[i - 1]),
      };
      const kept = expected?.draft(length);
      return kept && worth(kept) > worth(looked) ? kept : looked;
    },
  };
}

/** Tokens that a draft is expected to give. */
function worth({ chances }: { chances: readonly number[] }): number {
  let [sum, reach] = [0, 1];
  for (const chance of chances) sum += reach *= chance;
  return sum;
}
