/**
 * Counter-based randomness: a random number is a function of a seed, a position and a token id, not
 * of the numbers drawn before it. So every split of a generation into frames, every split of the
 * vocabulary over devices, every retry and every replay draws the same numbers.
 *
 * @module
 */

/** What the random numbers of one sampled token begin with: two words of 32 bits. */
export interface RandomKey {
  high: number;
  low: number;
}

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
 * The key of a 32-bit seed and the position of the token that is sampled.
 *
 * The seed is mixed before the position is added: otherwise the sequences of neighbouring seeds
 * would be shifted copies of each other.
 */
export function randomKey(seed: number, position: number): RandomKey {
  const high = mix(mix(seed ^ 0x2545f491) + Math.imul(position, 0x9e3779b9));
  const low = mix(high ^ mix(Math.imul(position, 0x85ebca77) + 0x165667b1));
  return { high, low };
}

/**
 * 32 random bits of a token, unsigned. Both words of the key enter, at different steps, so that the
 * tokens' numbers at one position are no shifted copy of those at another.
 */
function bits({ high, low }: RandomKey, token: number): number {
  let x = Math.imul(token, 0x9e3779b9) + high | 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x85ebca6b) ^ low;
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Uniform number of a token in (0, 1), with 53 random bits. */
export function uniform(key: RandomKey, token: number): number {
  return uniformOf(bits(key, token), key, token);
}

function uniformOf(first: number, { high, low }: RandomKey, token: number): number {
  const second = bits({ high: low ^ 0x27d4eb2f, low: high ^ 0x165667b1 }, token);
  return (first * 0x200000 + (second >>> 11) + 0.5) / 0x20000000000000;
}

/**
 * Largest {@linkcode gumbel} of a token by the number of leading zeros of its 32 bits: with u >=
 * 2^-(zeros + 1), -ln(-ln(1 - u)) <= -ln u <= (zeros + 1) ln 2. The last entry stands for bits that
 * are all zero, where the further bits decide.
 */
const BOUNDS = Float64Array.from(
  { length: 33 },
  (_, zeros) => zeros < 32 ? (zeros + 1) * Math.LN2 + 1e-9 : Infinity,
);

/**
 * Random number of a token with the standard Gumbel distribution, -ln(-ln(1 - u)). The token with
 * the largest logit / temperature + gumbel is distributed as softmax(logits / temperature) says
 * (the Gumbel-max trick).
 */
export function gumbel(key: RandomKey, token: number): number {
  return -Math.log(-Math.log1p(-uniform(key, token)));
}

/**
 * Index of the logit for which logit / temperature + {@linkcode gumbel} of token first + index is
 * largest, the lowest one of equal ones; -1 if all logits are -Infinity.
 *
 * The logarithms are computed only for tokens whose random bits may make them the best, a few dozen
 * of a vocabulary.
 *
 * @param start Index of a large logit, with which the search begins: it makes the search shorter.
 * @param places Ascending, for a selection of logits: each one's token is first + its place.
 */
export function gumbelBest(
  logits: Float32Array,
  { key, first, temperature, start, places }: {
    key: RandomKey;
    first: number;
    temperature: number;
    start: number;
    places?: Uint32Array;
  },
): number {
  const scoreAt = (i: number) =>
    logits[i] / temperature + gumbel(key, first + (places ? places[i] : i));
  let best = start;
  let most = start >= 0 ? scoreAt(start) : -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const scaled = logits[i] / temperature;
    const token = places === undefined ? first + i : first + places[i];
    const random = bits(key, token);
    if (scaled + BOUNDS[Math.clz32(random)] < most || i === start) continue;
    if (scaled === -Infinity) continue;
    const score = scaled - Math.log(-Math.log1p(-uniformOf(random, key, token)));
    if (score > most || (score === most && i < best)) {
      most = score;
      best = i;
    }
  }
  return best;
}
