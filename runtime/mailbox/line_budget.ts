/**
 * Lines about strangers in the log: whoever reaches the port could fill the disk with them.
 *
 * @module
 */

/** Most lines in each period. */
const LINES = 20;
/** Milliseconds of a period. */
const PERIOD_MS = 10_000;

/** Passes a bounded number of lines on, and says how many it left out. */
export class LineBudget {
  readonly #write: (line: string) => void;
  #said = 0;
  #leftOut = 0;
  /** Ends the period; undefined: nothing was said lately. */
  #timer?: ReturnType<typeof setTimeout>;

  /** `write` gets the lines. */
  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** Writes the line, or counts it where too many were written in these ten seconds. */
  say(line: string): void {
    this.#timer ??= setTimeout(() => this.#renew(), PERIOD_MS);
    if (this.#said++ < LINES) this.#write(line);
    else this.#leftOut++;
  }

  /** Ends the period. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #renew(): void {
    this.#timer = undefined;
    const leftOut = this.#leftOut;
    this.#said = this.#leftOut = 0;
    if (leftOut > 0) this.say(`${leftOut} more connections like these were refused`);
  }
}
