/** What a {@linkcode StopMatcher} lets through. */
export interface StopResult {
  /** Text that may be shown; with `stop`, the text before it. */
  text: string;
  /** The stop string that was found: nothing follows. */
  stop?: string;
}

/**
 * Watches streamed text for stop strings. Text that may be the start of one is held back until that
 * is decided. The stop string that is complete first wins (of several that end at the same
 * character, the longest), however the text is cut into pieces.
 */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = "";
  #stopped = false;

  /** Watches for these strings; empty ones are ignored. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /**
   * Takes the next piece of the text and returns what may be shown now; after a stop string,
   * nothing.
   */
  push(text: string): StopResult {
    if (this.#stopped) return { text: "" };
    const buffer = this.#held + text;
    let start = -1, end = Infinity, found: string | undefined;
    for (const stop of this.#stops) {
      const at = buffer.indexOf(stop);
      if (at < 0) continue;
      if (at + stop.length < end || (at + stop.length === end && at < start)) {
        start = at;
        end = at + stop.length;
        found = stop;
      }
    }
    if (found !== undefined) {
      this.#stopped = true;
      this.#held = "";
      return { text: buffer.slice(0, start), stop: found };
    }
    const clear = buffer.length - this.#longestStart(buffer);
    this.#held = buffer.slice(clear);
    return { text: buffer.slice(0, clear) };
  }

  /**
   * Ends the stream: returns the text that was held back, since no stop string has become complete.
   */
  flush(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /** Length of the longest end of `text` with which a stop string begins. */
  #longestStart(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
