/**
 * The tokens that `top_k`, `top_p` and `min_p` leave to choose from, found without sorting the
 * whole vocabulary.
 *
 * @module
 */
import type { Sampling } from "../../actors/pipeline/mod.ts";

/** Tokens that may be drawn. */
export interface Candidates {
  /** Token ids. (candidates) */
  tokens: Uint32Array;
  /** Probability of each token times one constant. (candidates) */
  weights: Float64Array;
  /** Sum of the weights. */
  total: number;
}

/**
 * First guess of how far below the best logit the tokens end that matter, in units of the natural
 * logarithm.
 */
const FIRST_WIDTH = 8;

/**
 * Ids of the `n` largest logits above -Infinity, best first, equal ones in the order of their ids;
 * fewer than `n` only if there are fewer such logits.
 */
export function best(logits: Float32Array, n: number): Uint32Array {
  return ranked(logits, FIRST_WIDTH, (ids) => ids.length >= n).subarray(0, n);
}

/**
 * The tokens that may be drawn at this temperature (> 0) after `top_k`, `top_p` and `min_p`, in
 * that order, from logits f32 (vocab). The best token always stays. The tokens come best first if
 * `top_k` or `top_p` is set, else in the order of their ids.
 */
export function kept(logits: Float32Array, sampling: Sampling): Candidates {
  const { temperature, top_k: topK, top_p: topP, min_p: minP } = sampling;
  const { max } = range(logits);
  const weight = (id: number) => Math.exp((logits[id] - max) / temperature);

  let ids: Uint32Array;
  if (topK > 0 && topK < logits.length) {
    ids = best(logits, topK);
    if (topP < 1) ids = nucleus(ids, weight, topP * sumOf(ids, weight));
  } else if (topP < 1) {
    let total = 0;
    for (let id = 0; id < logits.length; id++) total += weight(id);
    const goal = topP * total;
    ids = nucleus(
      ranked(logits, FIRST_WIDTH * temperature, (some) => sumOf(some, weight) >= goal),
      weight,
      goal,
    );
  } else {
    ids = Uint32Array.from(logits, (_, id) => id);
  }
  return weigh(ids, weight, minP);
}

/**
 * Weighs the tokens and drops those whose weight is 0 or less than `minP`; the best token weighs 1.
 */
function weigh(ids: Uint32Array, weight: (id: number) => number, minP: number): Candidates {
  const tokens = new Uint32Array(ids.length);
  const weights = new Float64Array(ids.length);
  let count = 0;
  let total = 0;
  for (const id of ids) {
    const w = weight(id);
    if (!(w > 0) || w < minP) continue;
    tokens[count] = id;
    weights[count++] = w;
    total += w;
  }
  return { tokens: tokens.subarray(0, count), weights: weights.subarray(0, count), total };
}

/** The shortest start of these ids, best first, whose weights add up to `goal`; at least one id. */
function nucleus(ids: Uint32Array, weight: (id: number) => number, goal: number): Uint32Array {
  let sum = 0;
  for (let i = 0; i < ids.length; i++) {
    sum += weight(ids[i]);
    if (sum >= goal) return ids.subarray(0, i + 1);
  }
  return ids;
}

function sumOf(ids: Uint32Array, weight: (id: number) => number): number {
  let sum = 0;
  for (const id of ids) sum += weight(id);
  return sum;
}

/** Largest logit, and smallest one above -Infinity; both are -Infinity if there is none above. */
function range(logits: Float32Array): { min: number; max: number } {
  let max = -Infinity;
  let min = Infinity;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i];
    if (logit > max) max = logit;
    if (logit < min && logit > -Infinity) min = logit;
  }
  return { min: Math.min(min, max), max };
}

/**
 * Ids of all logits at or above a threshold, best first. The threshold starts `width` below the
 * best logit and falls until `enough` says so or all ids are found. So the usual call sorts a few
 * hundred ids instead of a vocabulary of 150,000.
 */
function ranked(
  logits: Float32Array,
  width: number,
  enough: (ids: Uint32Array) => boolean,
): Uint32Array {
  const { min, max } = range(logits);
  if (max === -Infinity) return new Uint32Array(0);
  for (;; width *= 2) {
    const threshold = Math.max(min, max - width);
    const found: number[] = [];
    for (let id = 0; id < logits.length; id++) if (logits[id] >= threshold) found.push(id);
    const ids = Uint32Array.from(found);
    if (threshold === min || enough(ids)) return ids.sort((a, b) => logits[b] - logits[a] || a - b);
  }
}
