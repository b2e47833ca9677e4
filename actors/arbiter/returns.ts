/**
 * How often prompts continue earlier ones, whether these are still cached or not: what a cached row may be worth.
 *
 * @module
 */

/** Prompts that are remembered. */
const REMEMBERED = 256;
/** Weight of the newest prompt. */
const NEWEST = 0.1;
/** Share before any prompt was seen. */
const PRIOR = 0.5;

/** See the module's text. */
export class Returns {
  /** The last prompts' lengths by hash, oldest first. */
  readonly #prompts = new Map<number, number>();
  #share = PRIOR;

  /** Share of prompts that began with a whole earlier one, the newest counting most, 0 .. 1. */
  get share(): number {
    return this.#share;
  }

  /** A prompt comes, or is asked again. Returns whether it begins with a whole earlier one. */
  seen(prompt: Int32Array): boolean {
    let hash = 0x811c9dc5; // FNV-1a over 32-bit words
    let back = false;
    for (let i = 0; i < prompt.length; i++) {
      hash = Math.imul(hash ^ prompt[i], 0x01000193);
      back ||= this.#prompts.get(hash) === i + 1;
    }
    this.#prompts.delete(hash);
    this.#prompts.set(hash, prompt.length);
    if (this.#prompts.size > REMEMBERED) this.#prompts.delete(this.#prompts.keys().next().value!);
    this.#share += NEWEST * (Number(back) - this.#share);
    return back;
  }
}
