/**
 * Counter-based randomness: a random number is a function of a seed and a counter, not of the
 * numbers drawn before it. So every split of a generation into frames, every retry and every replay
 * draws the same numbers.
 *
 * @module
 */

/**
 * Finaliser of MurmurHash3: a bijection of 32-bit integers in which every input bit changes every
 * output bit.
 */
function mix(x: number): number {
  x ^= x >>> 16;
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/**
 * Uniform number in [0, 1) with 53 random bits, from a 32-bit seed and the position of the token
 * that is sampled.
 *
 * The seed is mixed before the position is added: otherwise the sequences of neighbouring seeds
 * would be shifted copies of each other.
 */
export function uniform(seed: number, position: number): number {
  const high = mix(mix(seed ^ 0x2545f491) + Math.imul(position, 0x9e3779b9));
  const low = mix(high ^ mix(Math.imul(position, 0x85ebca77) + 0x165667b1));
  return ((high >>> 5) * 0x4000000 + (low >>> 6)) / 0x20000000000000;
}
