/**
 * Chooses a token from the logits of the whole vocabulary, on one device. Pure: the same logits,
 * settings and history give the same token on every node.
 *
 * It takes the way that devices take which share the vocabulary: each part says what it has
 * (`partial.ts`), and the parts are merged (`actors/pipeline/partials.ts`).
 *
 * @module
 */
import type { Sampling } from "../../actors/pipeline/mod.ts";
import {
  CANDIDATE_LIMITS,
  type HeadPartial,
  mergePartials,
  NOTHING_LEFT,
  type Sampled,
} from "../../actors/pipeline/partials.ts";
import { headBounds, type TokenRange } from "../../models/head_parts.ts";
import { engineError } from "./errors.ts";
import { needsHistory, NO_OCCURRENCES, occurrencesOf, partialOf } from "./partial.ts";

/** The tokens before the sampled one, on its own path through the token tree. */
export interface History {
  /**
   * Token ids from the root to the row whose next token is wanted, that row included. May be empty
   * where {@linkcode needsHistory} is false.
   */
  tokens: Int32Array;
  /** How many of `tokens`, from the start, are the prompt. */
  promptRows: number;
  /** Position of the token that is sampled now: the wanted row's position + 1. */
  position: number;
  /**
   * Mask of the tokens that may be chosen, as `token_mask.ts` says, i32 (ceil(vocab / 32));
   * undefined: all may.
   */
  allowed?: Int32Array;
  /** The token whose log-probability is wanted in place of a choice; undefined: one is chosen. */
  given?: number;
}

/** A row of logits of the whole vocabulary, which may lie in several arrays. */
export interface LogitsRow {
  /** Tokens in the vocabulary. */
  vocab: number;
  /**
   * Tokens that have logits, ascending and apart: no other is chosen, nor counts for `top_p` or a
   * log-probability. Left out: all of them, in the parts of `headBounds`.
   */
  ranges?: readonly TokenRange[];
  /** The logits of tokens `first` to `end` - 1, f32: one of the ranges, or of the parts. */
  part(first: number, end: number): Float32Array;
}

/**
 * Picks a token from one row of logits, which stay as they are.
 *
 * Throws `bad_logits` (group `engine`) for a NaN or +Infinity among the logits (metadata: `token`),
 * and `no_token_left` where every token is banned or refused by the mask.
 */
export function sample(row: LogitsRow, sampling: Sampling, history: History): Sampled {
  const { vocab } = row;
  const { position, allowed, given } = history;
  const ranges = row.ranges ?? partsOf(vocab);
  const penalised = needsHistory(sampling);
  const changes = penalised || sampling.logit_bias.length > 0 || sampling.banned.length > 0;
  const occurrences = penalised
    ? occurrencesOf(history.tokens, history.promptRows)
    : NO_OCCURRENCES;
  const part = (index: number, limit: number): HeadPartial => {
    const { first, rows } = ranges[index];
    const logits = row.part(first, first + rows);
    // Biases and penalties change a copy: a part may be asked again. Without them nothing is copied,
    // since 0.6 MB of garbage a row costs more than the choice itself.
    const own = changes ? logits.slice() : logits;
    return partialOf(own, { sampling, vocab, position, first, occurrences, limit, allowed, given });
  };
  const parts = ranges.map((_, index) => part(index, CANDIDATE_LIMITS[0]));
  for (let round = 1;; round++) {
    const merged = mergePartials(parts, { sampling, vocab, position });
    if (merged.kind === "sampled") return merged.sampled;
    if (merged.kind === "none") {
      throw engineError("no_token_left", NOTHING_LEFT.message);
    }
    for (const index of merged.parts) parts[index] = part(index, CANDIDATE_LIMITS[round]);
  }
}

/** The parts of a vocabulary that are not empty. */
function partsOf(vocab: number): TokenRange[] {
  const bounds = headBounds(vocab);
  return bounds.slice(1).map((end, i) => ({ first: bounds[i], rows: end - bounds[i] }))
    .filter(({ rows }) => rows > 0);
}
