/**
 * Messages that nobody handled: counted, kept for a while, and told to whoever asks.
 *
 * @module
 */
import type { NodeId } from "./envelope.ts";
import type { OrreryError } from "./errors.ts";

/** A message that nobody handled, and why. */
export interface DeadLetter {
  /** Address that it was meant for. */
  to: string;
  /** Sending actor, or "" for the outside. */
  from: string;
  /** Name of the message. */
  type: string;
  /** Why nobody handled it. */
  error: OrreryError;
  /** Node that sent it; undefined: this one. */
  peer?: NodeId;
}

const KEPT = 100;

/** Counts dead letters, keeps the last ones, and tells a hook of each. */
export class DeadLetters {
  readonly #hook?: (letter: DeadLetter) => void;
  readonly #last: DeadLetter[] = [];
  #total = 0;

  constructor(hook?: (letter: DeadLetter) => void) {
    this.#hook = hook;
  }

  add(letter: DeadLetter): void {
    this.#total++;
    this.#last.push(letter);
    if (this.#last.length > KEPT) this.#last.shift();
    this.#hook?.(letter);
  }

  /** The last ones, oldest first, and how many there were in all. */
  summary(): { total: number; last: DeadLetter[] } {
    return { total: this.#total, last: [...this.#last] };
  }
}
