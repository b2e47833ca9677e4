/**
 * The tokens that `top_k`, `top_p` and `min_p` leave to choose from, found without sorting the
 * whole vocabulary.
 *
 * @module
 */
import type { Sampling } from "../../actors/pipeline/mod.ts";

/** Tokens that may be drawn and their weights (probabilities times one constant). */
export interface Candidates {
  tokens: Uint32Array;
  weights: Float64Array;
  /** Sum of the weights. */
  total: number;
}

/** First guess, in natural-log units below the best logit, of where the interesting tokens end. */
const FIRST_WIDTH = 8;

/**
 * Ids of the `n` largest logits above -Infinity, best first, equal ones by id; fewer only if there
 * are not so many.
 */
export function best(logits: Float32Array, n: number): Uint32Array {
  return ranked(logits, FIRST_WIDTH, (ids) => ids.length >= n).subarray(0, n);
}

/**
 * What may be drawn at this temperature (> 0) after `top_k`, `top_p` and `min_p`, in that order.
 * The best token always stays. Without `top_k` and `top_p` the tokens come in the order of their
 * ids, else best first.
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

/** Drops what weighs less than `minP` (the best weighs 1) or nothing, and adds up the rest. */
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

/** The shortest start of these ids, best first, whose weights reach `goal`; at least one. */
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

/** Largest logit and smallest one above -Infinity (both -Infinity if there is none). */
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
 * Ids of all logits above a threshold, best first. The threshold starts `width` below the best
 * logit and falls until the ids are `enough` or all are there: the usual call sorts a few hundred
 * ids of a vocabulary of 150,000.
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
