/**
 * Chooses a token from a vocabulary that is cut into parts, which may lie on several devices.
 *
 * A device says of each of its parts what choosing needs, a {@linkcode HeadPartial}, and nothing more;
 * {@linkcode mergePartials} chooses. The parts are the same however many devices share them, and
 * sums are made part by part, in f64, and added in the order of the parts. So the token does not
 * depend on the split, in any precision: one device that has all parts takes the same way.
 *
 *     kept tokens = all, cut by top_k, then top_p, then min_p
 *     token       = the kept one with the largest logit / temperature + gumbel(seed, position, id)
 *
 * At temperature 0 it is the best token, the lowest id of equal ones. This file stands without
 * schemas, because the engine uses it too.
 *
 * @module
 */
import type { Sampling } from "./frame.ts";
import { gumbel, randomKey } from "./random.ts";

/** What a part of the vocabulary says about one row. Token ids are those of the vocabulary. */
export interface HeadPartial {
  /**
   * Candidates. Where tokens are cut off ({@linkcode choiceOf} says `ranked`): the part's best, best
   * first, equal ones by id. Else the one that the part would choose; none if none may be chosen.
   */
  tokens: Int32Array;
  /** Logit of each candidate, after biases, bans and penalties. (candidates) */
  logits: Float32Array;
  /** The model's own logit of each candidate; empty unless log-probabilities are wanted. */
  own: Float32Array;
  /** Tokens of the part that may be chosen: `tokens` may be the first of so many. */
  count: number;
  /** Sum of exp((logit - largest logit of the part) / temperature); 0 unless it is needed. */
  sum: number;
  /** Largest of the model's own logits; 0 unless wanted. */
  ownMax: number;
  /** Sum of exp(logit - `ownMax`) of the model's own logits; 0 unless wanted. */
  ownSum: number;
  /** The best tokens by the model's own logits, best first; empty unless wanted. */
  topTokens: Int32Array;
  /** The model's own logits of these tokens. */
  topLogits: Float32Array;
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

/** What is known of a row besides its parts. */
export interface RowChoice {
  /** Settings of the row's sampler. */
  sampling: Sampling;
  /** Tokens of the whole vocabulary. */
  vocab: number;
  /** Position of the token that is sampled. */
  position: number;
}

/**
 * Result of {@linkcode mergePartials}. `lacking`: indices of the parts that must list more
 * candidates before it is certain which tokens are kept. `none`: every token is banned.
 */
export type Merged =
  | { kind: "sampled"; sampled: Sampled }
  | { kind: "lacking"; parts: number[] }
  | { kind: "none" };

/** Why a row has no token where {@linkcode mergePartials} says `none`. */
export const NOTHING_LEFT = {
  code: "no_token_left",
  message:
    "no token is left to choose: all of them are banned, refused by a grammar, or have probability 0",
} as const;

/** Candidates that a part lists at first, then when it is asked again, and then again. */
export const CANDIDATE_LIMITS = [64, 1024, 2 ** 31 - 1] as const;

/**
 * How a token is chosen. `best`: the largest logit. `drawn`: among all tokens. `ranked`: among the
 * best ones, which top_k, top_p and min_p leave.
 */
export function choiceOf(
  { temperature, top_k, top_p, min_p }: Sampling,
  vocab: number,
): "best" | "drawn" | "ranked" {
  if (temperature === 0) return "best";
  const cut = (top_k > 0 && top_k < vocab) || top_p < 1 || min_p > 0;
  return cut ? "ranked" : "drawn";
}

/** true: the sum over all tokens of a part is needed, to know where `top_p` cuts. */
export const needsSum = (sampling: Sampling, vocab: number): boolean =>
  sampling.top_p < 1 && !(sampling.top_k > 0 && sampling.top_k < vocab) && sampling.temperature > 0;

/** true: log-probabilities are wanted. */
export const wantsLogprobs = ({ logprobs, top_logprobs }: Sampling): boolean =>
  logprobs || top_logprobs > 0;

/**
 * Chooses the token of a row from all parts of the vocabulary, in their order. Pure: equal partials
 * give equal tokens, and longer lists of candidates give the same token as shorter ones that
 * suffice.
 */
export function mergePartials(parts: readonly HeadPartial[], row: RowChoice): Merged {
  const { sampling, vocab } = row;
  const choice = choiceOf(sampling, vocab);
  const found = choice === "ranked"
    ? ranked(parts, row)
    : one(parts, choice === "best" ? (_, logit) => logit : scoreOf(row));
  if (found === undefined) return { kind: "none" };
  if ("lacking" in found) return { kind: "lacking", parts: found.lacking };
  const { part, at } = found;
  const token = parts[part].tokens[at];
  if (!wantsLogprobs(sampling)) return { kind: "sampled", sampled: { token } };
  const logZ = logSum(parts);
  const sampled: Sampled = { token, logprob: parts[part].own[at] - logZ };
  if (sampling.top_logprobs > 0) {
    sampled.top = topOf(parts, sampling.top_logprobs).map(([id, logit]) => [id, logit - logZ]);
  }
  return { kind: "sampled", sampled };
}

/** A candidate: the index of its part and its place in the part's list. */
interface PartCandidate {
  part: number;
  at: number;
}

/** What is largest for the token that is drawn, by its id and its logit. */
type Score = (token: number, logit: number) => number;

function scoreOf({ sampling: { seed, temperature }, position }: RowChoice): Score {
  const key = randomKey(seed, position);
  return (token, logit) => logit / temperature + gumbel(key, token);
}

/** The candidate with the largest score, the first one of equal ones; a part lists one or none. */
function one(parts: readonly HeadPartial[], score: Score): PartCandidate | undefined {
  let best: PartCandidate | undefined;
  let most = -Infinity;
  for (const [part, { tokens, logits }] of parts.entries()) {
    if (tokens.length === 0) continue;
    const own = score(tokens[0], logits[0]);
    if (own > most) {
      most = own;
      best = { part, at: 0 };
    }
  }
  return best;
}

/**
 * The candidate that is drawn among the tokens that top_k, top_p and min_p keep. These are the
 * first ones of all tokens in order of their logits, so the parts' lists suffice as long as none
 * that is not the part's whole is used up.
 */
function ranked(
  parts: readonly HeadPartial[],
  row: RowChoice,
): PartCandidate | { lacking: number[] } | undefined {
  const { sampling: { temperature, top_k: topK, top_p: topP, min_p: minP }, vocab } = row;
  const max = parts.reduce((m, { logits }) => Math.max(m, logits[0] ?? -Infinity), -Infinity);
  if (max === -Infinity) return undefined;
  const weightOf = (logit: number) => Math.exp((logit - max) / temperature);
  const cutAt = topK > 0 && topK < vocab ? topK : Infinity;
  const order = new Order(parts);
  const logitOf = ({ part, at }: PartCandidate) => parts[part].logits[at];
  /** Whether the tokens in order are known beyond this candidate. */
  const known = ({ part, at }: PartCandidate) =>
    at + 1 < parts[part].tokens.length || parts[part].tokens.length === parts[part].count;
  const lacking = () => ({
    lacking: [...parts.keys()].filter((p) => parts[p].tokens.length < parts[p].count),
  });

  let goal = Infinity;
  if (topP < 1 && cutAt < Infinity) {
    let sum = 0;
    for (let i = 0; i < cutAt; i++) {
      const candidate = order.at(i);
      if (!candidate) break;
      sum += weightOf(logitOf(candidate));
      if (!known(candidate) && i + 1 < cutAt) return lacking();
    }
    goal = topP * sum;
  } else if (topP < 1) {
    let sum = 0;
    for (const { sum: own, logits } of parts) if (own > 0) sum += own * weightOf(logits[0]);
    goal = topP * sum;
  }
  const score = scoreOf(row);
  let best: PartCandidate | undefined;
  let bestToken = -1;
  let most = -Infinity;
  let sum = 0;
  for (let i = 0; i < cutAt; i++) {
    const candidate = order.at(i);
    if (!candidate) break;
    const logit = logitOf(candidate);
    const weight = weightOf(logit);
    if (i > 0 && (weight < minP || weight === 0)) break;
    sum += weight;
    const token = parts[candidate.part].tokens[candidate.at];
    const own = score(token, logit);
    if (own > most || (own === most && token < bestToken)) {
      most = own;
      best = candidate;
      bestToken = token;
    }
    if (i + 1 === cutAt || sum >= goal) break;
    if (!known(candidate)) return lacking();
  }
  return best;
}

/** All candidates, best first, equal ones by id. They are put in order as far as they are read. */
class Order {
  readonly #parts: readonly HeadPartial[];
  /** For each part, its candidates that are in order already. */
  readonly #taken: Uint32Array;
  readonly #order: PartCandidate[] = [];

  constructor(parts: readonly HeadPartial[]) {
    this.#parts = parts;
    this.#taken = new Uint32Array(parts.length);
  }

  /** The candidate with this index; undefined: there are not so many. */
  at(index: number): PartCandidate | undefined {
    while (this.#order.length <= index) {
      let next = -1;
      let logit = -Infinity;
      for (const [part, { logits }] of this.#parts.entries()) {
        // Parts come in the order of their ids, so the first of equal ones has the lowest id.
        const own = logits[this.#taken[part]];
        if (own > logit) {
          next = part;
          logit = own;
        }
      }
      if (next < 0) return undefined;
      this.#order.push({ part: next, at: this.#taken[next]++ });
    }
    return this.#order[index];
  }
}

/** Logarithm of the sum of exp(logit) over all parts, of the model's own logits. */
function logSum(parts: readonly HeadPartial[]): number {
  const max = parts.reduce(
    (m, { ownMax, ownSum }) => ownSum > 0 ? Math.max(m, ownMax) : m,
    -Infinity,
  );
  const sum = parts.reduce(
    (s, { ownMax, ownSum }) => ownSum > 0 ? s + ownSum * Math.exp(ownMax - max) : s,
    0,
  );
  return max + Math.log(sum);
}

/** The `n` best tokens by the model's own logits, best first, equal ones by id. */
function topOf(parts: readonly HeadPartial[], n: number): [token: number, logit: number][] {
  return parts.flatMap(({ topTokens, topLogits }) =>
    Array.from(topTokens, (token, i): [number, number] => [token, topLogits[i]])
  ).sort(([a, x], [b, y]) => y - x || a - b).slice(0, n);
}
