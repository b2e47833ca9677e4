/**
 * One walk through a compiled grammar, in the engine's thread.
 *
 * @module
 */
import type { GrammarMatcher } from "@mlc-ai/web-xgrammar";
import type { GrammarStep } from "../../actors/mod.ts";
import type { LengthWatch } from "./length_watch.ts";

/** Longest chain of tokens that must follow, see {@linkcode GrammarStep.forced}. */
const MOST_FORCED = 32;

/** Masks of a walk that keep their keys; after that, all get new ones. */
const MOST_KEYS = 4096;

/** See the module's text. */
export class EngineWalk {
  readonly #matcher: GrammarMatcher;
  readonly #refused: ReadonlySet<number>;
  readonly #watch?: LengthWatch;
  /** Tokens that the matcher has taken. */
  readonly #taken: number[] = [];
  /** Keys of masks, by their digest. */
  readonly #keys = new Map<string, number>();
  #nextKey = 1;

  /** `refused`: special tokens that never follow; `watch`: holds strings to long limits. */
  constructor(
    matcher: GrammarMatcher,
    { refused, watch }: { refused: ReadonlySet<number>; watch?: LengthWatch },
  ) {
    this.#matcher = matcher;
    this.#refused = refused;
    this.#watch = watch;
  }

  /**
   * Keeps the first `keep` tokens, takes `tail`, and returns the last `count` states' steps; see
   * {@linkcode GrammarWalk}. `taken` is how many tokens the walk has then.
   */
  async steps(
    { keep, tail, count }: { keep: number; tail: readonly number[]; count: number },
  ): Promise<{ steps: GrammarStep[]; taken: number }> {
    const length = keep + tail.length;
    // A state is a number of tokens, and its step stands for what follows them.
    const first = Math.max(0, length - count + 1);
    // Tokens between `first` and `keep` were taken before: they are taken again, for their states.
    const again = this.#taken.slice(Math.min(keep, first), keep);
    this.#back(Math.min(keep, first));
    const path = [...again, ...tail];
    const steps: GrammarStep[] = [];
    let open = true;
    if (this.#taken.length >= first) open = await this.#look(steps);
    for (const token of path) {
      if (!open || !this.#take(token)) break;
      if (this.#taken.length >= first) open = await this.#look(steps);
    }
    return { steps, taken: this.#taken.length };
  }

  /** Frees the matcher. */
  close(): void {
    this.#matcher.dispose();
    this.#watch?.close();
  }

  /** Adds the step of the state now; false: the answer has ended, and nothing follows. */
  async #look(steps: GrammarStep[]): Promise<boolean> {
    if (this.#matcher.isTerminated()) return false;
    const mask = await this.#mask();
    steps.push({ mask, key: this.#keyOf(mask), forced: await this.#forcedAfter(mask) });
    return true;
  }

  async #mask(): Promise<Int32Array<ArrayBuffer>> {
    const mask = await this.#matcher.getNextTokenBitmask() as Int32Array<ArrayBuffer>;
    for (const id of this.#refused) mask[id >> 5] &= ~(1 << (id & 31));
    this.#watch?.limit(mask);
    return mask;
  }

  /** The tokens that must follow a state with this mask. */
  async #forcedAfter(mask: Int32Array): Promise<number[]> {
    const forced: number[] = [];
    let only = onlyToken(mask);
    while (only !== undefined && forced.length < MOST_FORCED) {
      if (!this.#accept(only)) break;
      forced.push(only);
      if (this.#matcher.isTerminated()) break;
      only = onlyToken(await this.#mask());
    }
    this.#undo(forced.length);
    return forced;
  }

  #take(token: number): boolean {
    if (this.#refused.has(token) || !this.#accept(token)) return false;
    this.#taken.push(token);
    return true;
  }

  #accept(token: number): boolean {
    if (!this.#matcher.acceptToken(token)) return false;
    if (!this.#watch || this.#watch.take(token)) return true;
    this.#matcher.rollBack(1);
    return false;
  }

  #undo(count: number): void {
    if (count === 0) return;
    this.#matcher.rollBack(count);
    this.#watch?.back(count);
  }

  /** Rolls back to the first `length` tokens. */
  #back(length: number): void {
    const more = this.#taken.length - length;
    if (more <= 0) return;
    this.#undo(more);
    this.#taken.length = length;
  }

  #keyOf(mask: Int32Array): number {
    const digest = digestOf(mask);
    let key = this.#keys.get(digest);
    if (key === undefined) {
      if (this.#keys.size >= MOST_KEYS) this.#keys.clear();
      key = this.#nextKey++;
      this.#keys.set(digest, key);
    }
    return key;
  }
}

/** The only token of a mask; undefined where it has none, or more. */
function onlyToken(mask: Int32Array): number | undefined {
  let only: number | undefined;
  for (let i = 0; i < mask.length; i++) {
    const word = mask[i];
    if (word === 0) continue;
    if (only !== undefined || (word & (word - 1)) !== 0) return undefined;
    only = i * 32 + 31 - Math.clz32(word);
  }
  return only;
}

/** 106 bits that equal masks share, and no two masks of a request are likely to. */
function digestOf(mask: Int32Array): string {
  let a = 0xdeadbeef, b = 0x41c6ce57, c = 0x9e3779b9, d = 0x85ebca6b;
  for (let i = 0; i < mask.length; i++) {
    const word = mask[i];
    if (word === 0) continue;
    a = Math.imul(a ^ word, 2654435761) ^ i;
    b = Math.imul(b ^ word, 1597334677) + i;
    c = Math.imul(c + word, 0x85ebca77) ^ (c >>> 13);
    d = Math.imul(d ^ (word + i), 0xc2b2ae3d) ^ (d >>> 15);
  }
  return `${a >>> 0}.${b >>> 0}.${c >>> 0}.${d >>> 0}`;
}
