/**
 * A walk through a choice of whole texts: the answer is one of them, token by token. It needs no
 * engine and no thread.
 *
 * @module
 */
import type { GrammarStep, GrammarWalk } from "../../actors/mod.ts";

/** Longest chain of tokens that must follow, see {@linkcode GrammarStep.forced}. */
const MOST_FORCED = 32;

/** What a {@linkcode TextsWalk} walks through. */
export interface TextsWalkOptions {
  /** Token ids of each text; none is empty. */
  texts: readonly Int32Array[];
  /** Token ids that end an answer. */
  eos: readonly number[];
  /** Tokens in the vocabulary. */
  vocab: number;
}

/** See the module's text. */
export class TextsWalk implements GrammarWalk {
  readonly #options: TextsWalkOptions;
  /** Keys of the masks, by their tokens. */
  readonly #keys = new Map<string, number>();
  readonly quick = true;

  constructor(options: TextsWalkOptions) {
    this.#options = options;
  }

  steps(path: readonly number[], count: number, signal?: AbortSignal): Promise<GrammarStep[]> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const steps: GrammarStep[] = [];
    for (let taken = Math.max(0, path.length - count + 1); taken <= path.length; taken++) {
      const begun = this.#begun(path.slice(0, taken));
      if (begun.length === 0) break;
      steps.push(this.#step(begun, taken));
    }
    return Promise.resolve(steps);
  }

  close(): void {}

  /** The texts that begin with these tokens. */
  #begun(path: readonly number[]): Int32Array[] {
    return this.#options.texts.filter((text) => path.every((token, i) => text[i] === token));
  }

  #step(begun: readonly Int32Array[], taken: number): GrammarStep {
    const { eos, vocab } = this.#options;
    const next = this.#next(begun, taken);
    const mask = new Int32Array((vocab + 31) >>> 5);
    for (const token of next) mask[token >> 5] |= 1 << (token & 31);
    const forced: number[] = [];
    let [left, at, only] = [begun, taken, next];
    while (only.length === 1 && !eos.includes(only[0]) && forced.length < MOST_FORCED) {
      const [token] = only;
      forced.push(token);
      left = left.filter((text) => text[at] === token);
      only = this.#next(left, ++at);
    }
    const name = next.join(" ");
    const key = this.#keys.get(name) ?? this.#keys.size;
    this.#keys.set(name, key);
    return { mask, key, forced };
  }

  /** The tokens that may follow, in ascending order. */
  #next(begun: readonly Int32Array[], taken: number): number[] {
    const next = begun.flatMap((text) => taken < text.length ? [text[taken]] : this.#options.eos);
    return [...new Set(next)].sort((a, b) => a - b);
  }
}
