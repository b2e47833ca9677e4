/**
 * Packs what parts of the vocabulary say of some rows into three arrays for a link, and checks and
 * unpacks what came.
 *
 * @module
 */
import type { HeadPartial } from "./partials.ts";

/** {@linkcode HeadPartial}s of several rows, row by row and in each row part by part. */
export interface PackedPartials {
  /**
   * For each, 4 numbers (flags, candidates, `count`, tops), the candidates' token ids, and the tops'
   * token ids.
   */
  ints: Int32Array;
  /** For each, `logits`, `own` and `topLogits`. */
  floats: Float32Array;
  /** For each with sums, `sum`, `ownMax` and `ownSum`. */
  doubles: Float64Array;
}

/** Flags: the candidates have their own logits; there are sums. */
const OWN = 1;
const SUMS = 2;
/** Numbers before the token ids. */
const HEADER = 4;

/** Packs partials. */
export function packPartials(partials: readonly HeadPartial[]): PackedPartials {
  let [ints, floats, doubles] = [0, 0, 0];
  const summed = ({ sum, ownSum }: HeadPartial) => sum !== 0 || ownSum !== 0;
  for (const p of partials) {
    ints += HEADER + p.tokens.length + p.topTokens.length;
    floats += p.logits.length + p.own.length + p.topLogits.length;
    doubles += summed(p) ? 3 : 0;
  }
  const packed: PackedPartials = {
    ints: new Int32Array(ints),
    floats: new Float32Array(floats),
    doubles: new Float64Array(doubles),
  };
  ints = floats = doubles = 0;
  for (const p of partials) {
    const flags = (p.own.length > 0 ? OWN : 0) | (summed(p) ? SUMS : 0);
    packed.ints.set([flags, p.tokens.length, p.count, p.topTokens.length], ints);
    packed.ints.set(p.tokens, ints += HEADER);
    packed.ints.set(p.topTokens, ints += p.tokens.length);
    ints += p.topTokens.length;
    for (const values of [p.logits, p.own, p.topLogits]) {
      packed.floats.set(values, floats);
      floats += values.length;
    }
    if (!summed(p)) continue;
    packed.doubles.set([p.sum, p.ownMax, p.ownSum], doubles);
    doubles += 3;
  }
  return packed;
}

/**
 * Unpacks `count` partials of a vocabulary of `vocab` tokens. Returns what is wrong instead where
 * the arrays do not fit together, a token id is none of the vocabulary's, or a number is not
 * finite.
 */
export function unpackPartials(
  { ints, floats, doubles }: PackedPartials,
  { count, vocab }: { count: number; vocab: number },
): HeadPartial[] | string {
  const partials: HeadPartial[] = [];
  let [i, f, d] = [0, 0, 0];
  for (let n = 0; n < count; n++) {
    if (i + HEADER > ints.length) return `${n} of ${count} partials are there`;
    const [flags, tokens, eligible, tops] = ints.subarray(i, i += HEADER);
    if (flags < 0 || flags > (OWN | SUMS) || tokens < 0 || tops < 0 || eligible < tokens) {
      return `partial ${n} begins with ${flags}, ${tokens}, ${eligible}, ${tops}`;
    }
    const own = flags & OWN ? tokens : 0;
    const sums = flags & SUMS ? 3 : 0;
    const left = i + tokens + tops <= ints.length && f + tokens + own + tops <= floats.length &&
      d + sums <= doubles.length;
    if (!left) return `partial ${n} is cut off`;
    const [sum, ownMax, ownSum] = sums ? doubles.subarray(d, d += sums) : [0, 0, 0];
    partials.push({
      tokens: ints.subarray(i, i += tokens),
      topTokens: ints.subarray(i, i += tops),
      count: eligible,
      logits: floats.subarray(f, f += tokens),
      own: floats.subarray(f, f += own),
      topLogits: floats.subarray(f, f += tops),
      sum,
      ownMax,
      ownSum,
    });
    for (const ids of [partials[n].tokens, partials[n].topTokens]) {
      const strange = ids.find((id) => id < 0 || id >= vocab);
      if (strange !== undefined) return `token ${strange} is not one of ${vocab}`;
    }
    if (sum < 0 || ownSum < 0) return `partial ${n} has a negative sum`;
  }
  if (i < ints.length || f < floats.length || d < doubles.length) {
    return `numbers are left after ${count} partials`;
  }
  for (const numbers of [floats, doubles]) {
    for (const value of numbers) if (!Number.isFinite(value)) return `a number is ${value}`;
  }
  return partials;
}
