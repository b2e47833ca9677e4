/**
 * Makes the {@linkcode HeadPartial} of one part of the vocabulary from its logits: penalties, sums, and
 * the candidates, found without sorting the part.
 *
 * The steps come in Hugging Face's order, after OpenAI's additions:
 *
 *     logits -> logit_bias -> banned -> repetition -> presence, frequency -> mask -> choice
 *
 * Reported log-probabilities come from the model's own logits, before every step.
 *
 * @module
 */
import type { Sampling } from "../../actors/pipeline/mod.ts";
import {
  choiceOf,
  type HeadPartial,
  needsSum,
  type RowChoice,
  wantsLogprobs,
} from "../../actors/pipeline/partials.ts";
import { gumbelBest, randomKey } from "../../actors/pipeline/random.ts";
import { best } from "./candidates.ts";
import { engineError } from "./errors.ts";
import { weightSum } from "./weights.ts";

/** Tokens before the sampled one, on its own path through the token tree, each once. */
export interface Occurrences {
  /** Token ids. (tokens) */
  tokens: Int32Array;
  /** How often each was generated; 0: it stands only in the prompt. (tokens) */
  generated: Int32Array;
}

/** Where no token counts. */
export const NO_OCCURRENCES: Occurrences = {
  tokens: new Int32Array(0),
  generated: new Int32Array(0),
};

/** No place of a part. */
const NONE = new Uint32Array(0);
/** No token ids, and no logits: most rows report none, and an array costs a microsecond to make. */
const NO_IDS = new Int32Array(0);
const NO_LOGITS = new Float32Array(0);
/** Room for a selection of logits: kept, since 0.1 MB of garbage a row costs time. */
const picked: Selection = { logits: NO_LOGITS, places: NONE };

/** What {@linkcode partialOf} needs besides the logits. */
export interface PartialOptions extends RowChoice {
  /** Token id of the first logit. */
  first: number;
  /** Read where {@linkcode needsHistory} says so; tokens of other parts are ignored. */
  occurrences: Occurrences;
  /** Most candidates to list. */
  limit: number;
  /**
   * Mask of the tokens that may be chosen, as `token_mask.ts` says; undefined: all may. Its token 0
   * is `allowedFirst`.
   */
  allowed?: Int32Array;
  /** Token id of the mask's first bit. @default 0 */
  allowedFirst?: number;
  /**
   * The token whose log-probability is wanted in place of a choice: it is the only candidate, of the
   * part that has it, with the model's own logit. @default one is chosen
   */
  given?: number;
}

/** true if these settings depend on the tokens before the sampled one (penalties do). */
export function needsHistory(sampling: Sampling): boolean {
  return sampling.repetition_penalty !== 1 || sampling.presence_penalty !== 0 ||
    sampling.frequency_penalty !== 0;
}

/** Counts the tokens of a path, whose first `promptRows` are the prompt. */
export function occurrencesOf(path: Int32Array, promptRows: number): Occurrences {
  const counts = new Map<number, number>();
  path.forEach((token, i) => {
    counts.set(token, (counts.get(token) ?? 0) + (i < promptRows ? 0 : 1));
  });
  return { tokens: Int32Array.from(counts.keys()), generated: Int32Array.from(counts.values()) };
}

/**
 * What a part says of a row, from the part's logits f32 (part), which biases and penalties change
 * in place. Throws `bad_logits` (group `engine`) for a NaN or +Infinity (metadata: `token`).
 */
export function partialOf(logits: Float32Array, options: PartialOptions): HeadPartial {
  const { sampling, vocab, first, position, limit } = options;
  const whole = range(logits);
  if (!Number.isFinite(whole.sum)) refuseDamage(logits, first);
  /** Token ids of these places of the part. */
  const ids = (places: Uint32Array) => {
    if (places.length === 0) return NO_IDS;
    const found = new Int32Array(places.length);
    for (let i = 0; i < places.length; i++) found[i] = first + places[i];
    return found;
  };
  const pick = (places: Uint32Array) => {
    if (places.length === 0) return NO_LOGITS;
    const found = new Float32Array(places.length);
    for (let i = 0; i < places.length; i++) found[i] = logits[places[i]];
    return found;
  };
  const logprobs = wantsLogprobs(sampling);
  const top = sampling.top_logprobs > 0 ? best(logits, sampling.top_logprobs) : NONE;
  const reported = {
    ...(logprobs && whole.count > 0
      ? { ownMax: whole.max, ownSum: weightSum(logits, whole.max, 1) }
      : { ownMax: 0, ownSum: 0 }),
    topTokens: ids(top),
    topLogits: pick(top),
  };
  if (options.given !== undefined) {
    const at = options.given - first;
    const places = at >= 0 && at < logits.length && logits[at] > -Infinity
      ? Uint32Array.of(at)
      : NONE;
    const own = pick(places);
    return { ...reported, tokens: ids(places), logits: own, own, count: places.length, sum: 0 };
  }
  /** The model's own logits of the tokens that change, by their place. */
  const before = new Map<number, number>();
  const change = (token: number, changed: (logit: number) => number) => {
    const at = token - first;
    if (at < 0 || at >= logits.length) return;
    if (!before.has(at)) before.set(at, logits[at]);
    logits[at] = changed(logits[at]);
  };
  for (const [token, bias] of sampling.logit_bias) change(token, (logit) => logit + bias);
  for (const token of sampling.banned) change(token, () => -Infinity);
  if (needsHistory(sampling)) penalise(sampling, options.occurrences, change);

  const choice = choiceOf(sampling, vocab);
  const { allowed, allowedFirst = 0 } = options;
  const { temperature, top_k: topK, seed } = sampling;
  let seen: ChoiceFacts = whole;
  /** The logits among which a token is chosen, where these are not all of the part. */
  let selected: Selection | undefined;
  if (allowed && choice === "best") seen = allowedRange(logits, allowed, first - allowedFirst);
  else if (allowed) {
    selected = select(logits, allowed, first - allowedFirst);
    seen = range(selected.logits);
  } else if (before.size > 0) seen = range(logits);
  const { max, maxAt, count } = seen;
  const choices = selected?.logits ?? logits;
  const wanted = topK > 0 ? Math.min(topK, limit) : limit;
  const found = count === 0 ? NONE : choice === "ranked" ? best(choices, wanted) : Uint32Array.of(
    choice === "best" ? maxAt : gumbelBest(choices, {
      key: randomKey(seed, position),
      first,
      temperature,
      start: maxAt,
      places: selected?.places,
    }),
  );
  const places = selected ? found.map((at) => selected.places[at]) : found;
  const own = logprobs ? pick(places) : NO_LOGITS;
  if (logprobs) places.forEach((at, i) => own[i] = before.get(at) ?? own[i]);
  return {
    ...reported,
    tokens: ids(places),
    logits: pick(places),
    own,
    count,
    sum: needsSum(sampling, vocab) && count > 0 ? weightSum(choices, max, temperature) : 0,
  };
}

/** Throws for the first NaN or +Infinity, if there is one; -Infinity is allowed. */
function refuseDamage(logits: Float32Array, first: number): void {
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i]) || logits[i] === Infinity) {
      throw engineError(
        "bad_logits",
        `the logit of token ${first + i} is ${logits[i]}: the weights or the hidden states of ` +
          `this stage are damaged`,
        { token: first + i },
      );
    }
  }
}

/** What one look at the logits of the tokens that the mask allows tells; see {@linkcode select}. */
function allowedRange(
  logits: Float32Array,
  mask: Int32Array,
  at: number,
): ChoiceFacts {
  let max = -Infinity;
  let maxAt = -1;
  let count = 0;
  for (let i = 0; i < logits.length;) {
    const bit = (at + i) & 31;
    const end = Math.min(logits.length, i + 32 - bit);
    const width = end - i;
    let bits = (mask[(at + i) >> 5] ?? 0) >>> bit;
    if (width < 32) bits &= (1 << width) - 1;
    else if (bits >>> 0 === 0xffffffff) {
      // Most words of a mask for free text are whole.
      for (let j = i; j < end; j++) {
        const logit = logits[j];
        if (logit > max) {
          max = logit;
          maxAt = j;
        }
        if (logit > -Infinity) count++;
      }
      bits = 0;
    }
    for (; bits !== 0; bits &= bits - 1) {
      const j = i + 31 - Math.clz32(bits & -bits);
      const logit = logits[j];
      if (!(logit > -Infinity)) continue;
      count++;
      if (logit > max) {
        max = logit;
        maxAt = j;
      }
    }
    i = end;
  }
  return { max, maxAt, count };
}

/** Some logits of a part, in order. */
interface Selection {
  logits: Float32Array;
  /** Where each stands in the part. */
  places: Uint32Array;
}

/**
 * The logits of the tokens that the mask allows, until the next call; bit `at` of it is the first
 * logit's. Nothing branches on a single bit: where a mask is ragged, the branches would be guessed
 * wrong every other time.
 */
function select(logits: Float32Array, mask: Int32Array, at: number): Selection {
  if (picked.logits.length <= logits.length) {
    picked.logits = new Float32Array(logits.length + 1);
    picked.places = new Uint32Array(logits.length + 1);
  }
  const { logits: out, places } = picked;
  let size = 0;
  for (let i = 0; i < logits.length;) {
    const bit = (at + i) & 31;
    const end = Math.min(logits.length, i + 32 - bit);
    let word = (mask[(at + i) >> 5] ?? 0) >>> bit;
    if (word !== 0) {
      for (; i < end; i++, word >>>= 1) {
        out[size] = logits[i];
        places[size] = i;
        size += word & 1;
      }
    }
    i = end;
  }
  return { logits: out.subarray(0, size), places: places.subarray(0, size) };
}

function penalise(
  { repetition_penalty: repetition, presence_penalty: presence, frequency_penalty: frequency }:
    Sampling,
  { tokens, generated }: Occurrences,
  change: (token: number, changed: (logit: number) => number) => void,
): void {
  tokens.forEach((token, i) =>
    change(token, (logit) => {
      const repeated = logit > 0 ? logit / repetition : logit * repetition;
      return generated[i] > 0 ? repeated - (presence + frequency * generated[i]) : repeated;
    })
  );
}

/** What is to be known of the logits among which a token is chosen. */
interface ChoiceFacts {
  /** Largest logit; -Infinity: there is none above. */
  max: number;
  /** The lowest place of the largest logit; -1: all are -Infinity. */
  maxAt: number;
  /** Logits above -Infinity. */
  count: number;
}

/** What one look at the logits of a part tells. */
interface Range extends ChoiceFacts {
  /**
   * Sum of all logits. That of finite f32 numbers cannot overflow in f64, so it is not finite only
   * where a logit is not.
   */
  sum: number;
}

function range(logits: Float32Array): Range {
  const { length } = logits;
  let max = -Infinity;
  let maxAt = -1;
  let sum = 0;
  let i = 0;
  // Four at a time: else each addition waits for the one before.
  for (; i + 3 < length; i += 4) {
    const a = logits[i], b = logits[i + 1], c = logits[i + 2], d = logits[i + 3];
    sum += (a + b) + (c + d);
    if (a > max) max = logits[maxAt = i];
    if (b > max) max = logits[maxAt = i + 1];
    if (c > max) max = logits[maxAt = i + 2];
    if (d > max) max = logits[maxAt = i + 3];
  }
  for (; i < length; i++) {
    sum += logits[i];
    if (logits[i] > max) max = logits[maxAt = i];
  }
  let count = length;
  if (!Number.isFinite(sum)) {
    for (let i = 0; i < length; i++) if (!(logits[i] > -Infinity)) count--;
  }
  return { max, maxAt, count, sum };
}
