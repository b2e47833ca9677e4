/**
 * Chooses a token from logits. Pure: the same logits, settings and history give the same token on
 * every node.
 *
 * The steps come in Hugging Face's order, after OpenAI's additions:
 *
 *     logits -> logit_bias -> banned -> repetition -> presence, frequency
 *            -> temperature 0: the best token, the lowest id of equal ones
 *            -> else: temperature -> top_k -> top_p -> min_p -> draw with uniform(seed, position)
 *
 * Each of `top_p` and `min_p` works on the probabilities of the tokens that the steps before it
 * kept. Reported log-probabilities come from the model's own logits, before every step.
 *
 * @module
 */
import type { Sampling } from "../../actors/pipeline/mod.ts";
import { best, kept } from "./candidates.ts";
import { engineError } from "./errors.ts";
import { uniform } from "./random.ts";

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
}

/** A chosen token. */
export interface Sampled {
  /** Token id. */
  token: number;
  /** Natural-log probability of the token; undefined if `logprobs` and `top_logprobs` are off. */
  logprob?: number;
  /** The `top_logprobs` best tokens as [token id, logprob], best first; undefined if that is 0. */
  top?: [number, number][];
}

/** true if these settings depend on the tokens before the sampled one (penalties do). */
export function needsHistory(sampling: Sampling): boolean {
  return sampling.repetition_penalty !== 1 || sampling.presence_penalty !== 0 ||
    sampling.frequency_penalty !== 0;
}

/**
 * Picks a token from one row of logits, f32 (vocab). Biases and penalties change the logits in
 * place.
 *
 * Throws `bad_logits` (group `engine`) for a NaN or +Infinity among the logits (metadata: `token`),
 * or where every token is banned.
 */
export function sample(logits: Float32Array, sampling: Sampling, history: History): Sampled {
  checkFinite(logits);
  const wantLogprobs = sampling.logprobs || sampling.top_logprobs > 0;
  const logZ = wantLogprobs ? logSumExp(logits) : 0;
  const top = sampling.top_logprobs > 0
    ? topLogprobs(logits, sampling.top_logprobs, logZ)
    : undefined;
  const original = wantLogprobs && changesLogits(sampling) ? logits.slice() : logits;

  applyBias(logits, sampling);
  applyPenalties(logits, sampling, history);
  const token = sampling.temperature === 0
    ? argmax(logits)
    : draw(logits, sampling, history.position);
  if (token < 0) {
    throw engineError(
      "bad_logits",
      "no token is left to choose: all of them are banned or have probability 0",
    );
  }
  return {
    token,
    ...(wantLogprobs ? { logprob: original[token] - logZ } : {}),
    ...(top ? { top } : {}),
  };
}

function checkFinite(logits: Float32Array): void {
  // A sum of finite f32 numbers cannot overflow in f64, so only a NaN or an infinity makes it not
  // finite. -Infinity is allowed, hence the second look.
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += logits[i];
  if (Number.isFinite(sum)) return;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i]) || logits[i] === Infinity) {
      throw engineError(
        "bad_logits",
        `the logit of token ${i} is ${logits[i]}: the weights or the hidden states of this stage ` +
          `are damaged`,
        { token: i },
      );
    }
  }
}

function changesLogits(sampling: Sampling): boolean {
  return sampling.logit_bias.length > 0 || sampling.banned.length > 0 || needsHistory(sampling);
}

function applyBias(logits: Float32Array, sampling: Sampling): void {
  for (const [token, bias] of sampling.logit_bias) {
    if (token < logits.length) logits[token] += bias;
  }
  for (const token of sampling.banned) {
    if (token < logits.length) logits[token] = -Infinity;
  }
}

function applyPenalties(logits: Float32Array, sampling: Sampling, history: History): void {
  const {
    repetition_penalty: repetition,
    presence_penalty: presence,
    frequency_penalty: frequency,
  } = sampling;
  if (!needsHistory(sampling)) return;
  /** Token id -> how often it was generated; 0 if it stands only in the prompt. */
  const counts = new Map<number, number>();
  history.tokens.forEach((token, i) => {
    counts.set(token, (counts.get(token) ?? 0) + (i < history.promptRows ? 0 : 1));
  });
  for (const [token, generated] of counts) {
    if (token < 0 || token >= logits.length) continue;
    let logit = logits[token];
    logit = logit > 0 ? logit / repetition : logit * repetition;
    if (generated > 0) logit -= presence + frequency * generated;
    logits[token] = logit;
  }
}

/** Index of the largest value, the lowest index of equal ones; -1 if all are -Infinity. */
function argmax(values: Float32Array): number {
  let best = -1;
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) {
    if (values[i] > max) {
      max = values[i];
      best = i;
    }
  }
  return best;
}

function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i] > max) max = logits[i];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - max);
  return max + Math.log(sum);
}

function topLogprobs(logits: Float32Array, n: number, logZ: number): [number, number][] {
  return Array.from(best(logits, n), (token) => [token, logits[token] - logZ]);
}

/** Draws a token with the random number of this seed and position; -1 if none can be drawn. */
function draw(logits: Float32Array, sampling: Sampling, position: number): number {
  const { tokens, weights, total } = kept(logits, sampling);
  const target = uniform(sampling.seed, position) * total;
  let sum = 0;
  for (let i = 0; i < tokens.length; i++) {
    sum += weights[i];
    if (sum > target) return tokens[i];
  }
  return tokens.at(-1) ?? -1;
}
