/**
 * Masks: which tokens of a vocabulary may be chosen, as bits, and packed small for the frames that
 * carry them past every stage.
 *
 * Unpacked, bit `t % 32` of word `t >> 5` is 1 where token `t` may be chosen: i32 (ceil(tokens / 32)).
 * Packed, the first byte says how the others are to be read: as the bits themselves, or as the
 * lengths of runs of refused and allowed tokens in turn, refused ones first, each length a varint.
 * Whichever is shorter is taken. Tokens behind the packed end are refused.
 *
 * This file imports nothing, so that the engine needs no schemas.
 *
 * @module
 */

/** Most bytes of a packed mask: the bits of a million tokens. */
export const MOST_MASK_BYTES: number = 131_073;
/** Most masks that a stage knows at once of one arena. */
export const MOST_MASKS = 1_024;

/** Number in a frame's `want_masks` of a row whose mask comes by itself; see `late_masks.ts`. */
export const LATE_MASK = -2;

/** First byte of a packed mask: bits follow, the lowest token in the lowest bit of the first byte. */
const BITS = 0;
/** First byte of a packed mask: lengths of runs follow. */
const RUNS = 1;

/** Words of a mask of so many tokens. */
const wordsOf = (tokens: number): number => (tokens + 31) >>> 5;

/** Whether a token may be chosen. */
export const isAllowed = (mask: Int32Array, token: number): boolean =>
  (mask[token >> 5] >>> (token & 31) & 1) === 1;

/**
 * Token at which the mask changes next, from `from` on: the first one there that is not as `allowed`
 * says; `tokens` where there is none.
 */
function nextChange(mask: Int32Array, from: number, { allowed, tokens }: {
  allowed: boolean;
  tokens: number;
}): number {
  const flip = allowed ? -1 : 0;
  let word = from >> 5;
  let bits = word < mask.length ? (mask[word] ^ flip) & (-1 << (from & 31)) : allowed ? -1 : 0;
  while (bits === 0) {
    if (++word >= mask.length) return allowed ? Math.min(tokens, word << 5) : tokens;
    bits = mask[word] ^ flip;
  }
  if (word >= mask.length) return from; // behind the mask's end all are refused
  return Math.min(tokens, (word << 5) + 31 - Math.clz32(bits & -bits));
}

/** Packs the first `tokens` bits of a mask; a shorter mask refuses the tokens behind its end. */
export function packMask(mask: Int32Array, tokens: number): Uint8Array<ArrayBuffer> {
  const most = 1 + ((tokens + 7) >>> 3);
  const out = new Uint8Array(most);
  out[0] = RUNS;
  let size = 1;
  let allowed = false;
  for (let at = 0; at < tokens; allowed = !allowed) {
    const next = nextChange(mask, at, { allowed, tokens });
    if (!allowed && next === tokens) break; // only refused ones are left
    let run = next - at;
    for (; run > 127 && size < most; run >>>= 7) out[size++] = run & 127 | 128;
    if (size >= most) return packBits(mask, tokens, out);
    out[size++] = run;
    at = next;
  }
  return out.slice(0, size);
}

function packBits(
  mask: Int32Array,
  tokens: number,
  out: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  out[0] = BITS;
  for (let byte = 0; byte < out.length - 1; byte++) {
    out[1 + byte] = (mask[byte >> 2] ?? 0) >>> ((byte & 3) << 3);
  }
  const spare = tokens & 7;
  if (spare > 0) out[out.length - 1] &= (1 << spare) - 1;
  return out;
}

/**
 * The mask of `tokens` tokens, i32 (ceil(tokens / 32)), that was packed; or what is wrong with it,
 * as for tokens beyond the vocabulary.
 */
export function unpackMask(packed: Uint8Array, tokens: number): Int32Array<ArrayBuffer> | string {
  const mask = new Int32Array(wordsOf(tokens));
  if (packed[0] === BITS) {
    for (let i = 1; i < packed.length; i++) {
      const byte = i - 1;
      const first = byte * 8;
      if (packed[i] !== 0 && first + 31 - Math.clz32(packed[i]) >= tokens) return beyond(tokens);
      if (packed[i] !== 0) mask[byte >> 2] |= packed[i] << ((byte & 3) << 3);
    }
    return mask;
  }
  if (packed[0] !== RUNS) return `a mask begins with ${packed[0] ?? "nothing"}`;
  let allowed = false;
  let at = 0;
  for (let i = 1; i < packed.length; allowed = !allowed) {
    let run = 0;
    for (let shift = 0;; shift += 7) {
      if (i >= packed.length || shift > 21) return "a mask's run is cut off or too long";
      const byte = packed[i++];
      run |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (at + run > tokens) return beyond(tokens);
    if (allowed) allow(mask, at, at + run);
    at += run;
  }
  return mask;
}

const beyond = (tokens: number) => `a mask reaches beyond the ${tokens} tokens that there are`;

/** Allows tokens `from` to `end` - 1. */
function allow(mask: Int32Array, from: number, end: number): void {
  if (from >= end) return;
  const [first, last] = [from >> 5, (end - 1) >> 5];
  const head = -1 << (from & 31);
  const tail = -1 >>> (31 - ((end - 1) & 31));
  if (first === last) {
    mask[first] |= head & tail;
    return;
  }
  mask[first] |= head;
  mask.fill(-1, first + 1, last);
  mask[last] |= tail;
}

/** The mask of a single token. */
export function oneToken(token: number): Int32Array<ArrayBuffer> {
  const mask = new Int32Array(wordsOf(token + 1));
  allow(mask, token, token + 1);
  return mask;
}

/** The bits of tokens `first` to `first + tokens - 1` as a mask of their own, whose token 0 is `first`. */
export function maskPart(
  mask: Int32Array,
  { first, tokens }: { first: number; tokens: number },
): Int32Array<ArrayBuffer> {
  const part = new Int32Array(wordsOf(tokens));
  const shift = first & 31;
  for (let i = 0, word = first >> 5; i < part.length; i++, word++) {
    const low = mask[word] ?? 0;
    part[i] = shift === 0 ? low : low >>> shift | (mask[word + 1] ?? 0) << (32 - shift);
  }
  const spare = tokens & 31;
  if (spare > 0) part[part.length - 1] &= (1 << spare) - 1;
  return part;
}

/** A mask that rows may name. */
export interface AnnouncedMask {
  /** Number that `want_masks` names it by. */
  id: number;
  /** The mask as {@linkcode packMask} packs it. */
  bits: Uint8Array<ArrayBuffer>;
}

/** The masks of one arena that rows may name. */
export class KnownMasks {
  readonly #masks = new Map<number, Int32Array<ArrayBuffer>>();

  /**
   * Drops and adds masks of `tokens` tokens. Returns what is wrong with them, if something is: then
   * some have been noted and some not.
   */
  note(
    { masks = [], drop_masks = [] }: {
      masks?: readonly AnnouncedMask[];
      drop_masks?: readonly number[];
    },
    tokens: number,
  ): string | undefined {
    for (const id of drop_masks) this.#masks.delete(id);
    for (const { id, bits } of masks) {
      const mask = unpackMask(bits, tokens);
      if (typeof mask === "string") return `mask ${id}: ${mask}`;
      this.#masks.set(id, mask);
    }
    return this.#masks.size > MOST_MASKS
      ? `${this.#masks.size} masks are known at once, at most ${MOST_MASKS} may be`
      : undefined;
  }

  /** The mask with this number; undefined: there is none. */
  get(id: number): Int32Array<ArrayBuffer> | undefined {
    return this.#masks.get(id);
  }

  /** Number of masks that are known. */
  get size(): number {
    return this.#masks.size;
  }
}
