/**
 * How far a fetch is, and how quick.
 *
 * @module
 */

/** How far a fetch of a model's blobs is. */
export interface FetchProgress {
  /** Name of the model. */
  model: string;
  /** Bytes that are here, those of earlier fetches included, and bytes in all. */
  doneBytes: number;
  totalBytes: number;
  /** Bytes a second in the last seconds. */
  bytesPerS: number;
  /** Nodes that sent something in the last seconds. */
  peers: number;
  /** true: nobody waits for it. */
  background: boolean;
}

/** Milliseconds over which a speed is averaged. */
export const SPEED_MS = 3_000;

/** The speed of the last seconds. */
export class Speed {
  readonly #arrivals: { at: number; bytes: number }[] = [];
  #began?: number;

  /** Bytes have come now, in milliseconds of a clock. */
  add(bytes: number, now: number): void {
    this.#began ??= now;
    this.#arrivals.push({ at: now, bytes });
    while (this.#arrivals[0].at < now - SPEED_MS) this.#arrivals.shift();
  }

  /** Bytes a second. */
  at(now: number): number {
    const recent = this.#arrivals.filter(({ at }) => at >= now - SPEED_MS);
    const bytes = recent.reduce((sum, a) => sum + a.bytes, 0);
    const ms = Math.min(SPEED_MS, now - (this.#began ?? now));
    return ms > 0 ? 1000 * bytes / ms : 0;
  }
}
