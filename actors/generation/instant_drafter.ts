/**
 * Drafters that answer at once, without a model.
 *
 * @module
 */
import {
  expectedTokens,
  NgramDrafter,
  PredictionDrafter,
  SuffixDrafter,
  type SuffixStore,
} from "../pipeline/mod.ts";

/** A guess at the next tokens. */
export interface InstantDraft {
  /** Token ids, in order. */
  tokens: readonly number[];
  /** Chance of each, given that the ones before it are right, 0 to 1. (tokens) */
  chances: readonly number[];
}

/** Guesses at once what comes next from what came before. */
export interface InstantDrafter {
  /** Adds token ids that have become certain. */
  push(tokens: readonly number[]): void;
  /** Guesses at most `length` token ids after those that are certain. */
  draft(length: number): InstantDraft;
}

/** Where a {@linkcode lookupDrafter} looks. */
export interface LookupSources {
  /** Token ids of the prompt; the drafter has to be told of them by `push()` too. */
  prompt: Int32Array;
  /** Token ids of an expected answer. @default none */
  prediction?: Int32Array;
  /** Earlier answers. @default none */
  answers?: SuffixStore;
}

/**
 * A drafter that looks up in the text so far, in earlier answers and in the expected answer what
 * followed the newest tokens before: by n-grams and by the longest match. It also keeps its place in
 * the expected answer. Of their drafts it gives the one that is expected to give the most tokens.
 */
export function lookupDrafter({ prompt, prediction, answers }: LookupSources): InstantDrafter {
  const ngrams = new NgramDrafter();
  const expected = prediction && new PredictionDrafter(prediction);
  // The prompt's end goes before the prediction, so that the end of the prompt itself leads to the
  // prediction's beginning.
  const before = prediction ? [...prompt.subarray(-ngrams.longest), ...prediction] : [];
  const suffixes = new SuffixDrafter({ answers, before });
  let pushed = 0;
  for (const token of before) ngrams.push(token);
  return {
    push(tokens) {
      for (const token of tokens) {
        ngrams.push(token);
        suffixes.push(token);
        if (pushed++ >= prompt.length) expected?.push(token);
      }
    },
    draft(length) {
      const { tokens, chances } = ngrams.draft(length);
      const drafts = [suffixes.draft(length), {
        tokens: Array.from(tokens),
        // Its chances are those of all tokens up to each one.
        chances: Array.from(chances, (chance, i) => i === 0 ? chance : chance / chances[i - 1]),
      }];
      if (expected) drafts.push(expected.draft(length));
      return drafts.reduce((best, draft) =>
        expectedTokens(draft) > expectedTokens(best) ? draft : best
      );
    },
  };
}
