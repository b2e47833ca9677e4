/**
 * What a way of sampling means, computed the slow way, for the tests of the sampler.
 *
 * @module
 */
import { type Sampling, samplingSchema } from "../../actors/pipeline/mod.ts";

/** Sampling settings; what is left out has its default. */
export const settings = (some: Partial<Sampling> = {}): Sampling => samplingSchema.parse(some);

/** Logits that lie in one array, as the sampler takes them. */
export const logitsRow = (logits: Float32Array) => ({
  vocab: logits.length,
  part: (first: number, end: number) => logits.subarray(first, end),
});

/** Natural-log probability of each token, from its logits. */
export const logProbs = (values: number[], temperature = 1) => {
  const scaled = values.map((v) => v / temperature);
  const max = Math.max(...scaled);
  const logZ = max + Math.log(scaled.reduce((sum, v) => sum + Math.exp(v - max), 0));
  return scaled.map((v) => v - logZ);
};

/**
 * Probability of each token after temperature, top_k, top_p and min_p, by their definitions.
 */
export function reference(values: number[], s: Sampling): number[] {
  let ids = values.map((_, id) => id).sort((a, b) => values[b] - values[a] || a - b);
  const probability = (of: number[]) => {
    const p = logProbs(of.map((id) => values[id]), s.temperature).map(Math.exp);
    return p;
  };
  if (s.top_k > 0) ids = ids.slice(0, s.top_k);
  if (s.top_p < 1) {
    const p = probability(ids);
    let sum = 0;
    let n = 0;
    while (n < ids.length && sum < s.top_p) sum += p[n++];
    ids = ids.slice(0, n);
  }
  const p = probability(ids);
  ids = ids.filter((_, i) => p[i] >= s.min_p * p[0]);
  const final = probability(ids);
  const out = new Array(values.length).fill(0);
  ids.forEach((id, i) => out[id] = final[i]);
  return out;
}
