/**
 * The resend window: encoded envelopes from `send` until the peer acknowledged them, bounded, in
 * order.
 *
 * @module
 */
import type { Envelope } from "../../actors/system/mod.ts";
import { mailboxError } from "./errors.ts";
import { envelopeOf, stampSeq } from "./wire.ts";

/** An envelope that has its place in the sequence. */
export interface Entry {
  seq: number;
  frame: Uint8Array;
}

interface Waiting {
  frame: Uint8Array;
  admitted(): void;
  reject(error: unknown): void;
}

/** Bounds of a {@linkcode ResendWindow}. */
export interface WindowLimits {
  windowBytes: number;
  windowMessages: number;
}

/** See the module's text. Knows nothing of connections. */
export class ResendWindow {
  readonly #limits: WindowLimits;
  #entries: Entry[] = [];
  /** Acknowledged entries at the front of `#entries` that have not been cut off. */
  #head = 0;
  #nextSeq = 1;
  /** Seq up to which the current connection has been given entries. */
  #written = 0;
  #bytes = 0;
  #waiting: Waiting[] = [];
  #onDrained: (() => void)[] = [];

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  /** Unacknowledged envelopes. */
  get size(): number {
    return this.#entries.length - this.#head;
  }
  /** Bytes of their frames. */
  get bytes(): number {
    return this.#bytes;
  }
  /** Sends that wait for room. */
  get waiting(): number {
    return this.#waiting.length;
  }
  /** Seq of the oldest unacknowledged envelope, or the next seq. */
  get base(): number {
    return this.#nextSeq - this.size;
  }
  /** Highest seq given out. */
  get lastSeq(): number {
    return this.#nextSeq - 1;
  }

  /**
   * Takes the envelope now or, when full, once acknowledgements make room; first come, first
   * served.
   */
  add(
    frame: Uint8Array,
    signal: AbortSignal | undefined,
    onAdmitted: () => void,
  ): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(frame.byteLength)) {
      this.#admit(frame);
      onAdmitted();
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal!.reason);
        this.#admitWaiting();
      };
      const waiting: Waiting = {
        frame,
        admitted: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
          onAdmitted();
        },
        reject: (error) => {
          signal?.removeEventListener("abort", abort);
          reject(error);
        },
      };
      this.#waiting.push(waiting);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** The next entry that the current connection has not been given. */
  next(): Entry | undefined {
    const index = this.#head + (this.#written + 1 - this.base);
    const entry = this.#entries[index];
    if (entry) this.#written = entry.seq;
    return entry;
  }

  /**
   * A new connection to a peer that has everything up to `received`; returns how many entries go
   * out again.
   */
  rewind(received: number): number {
    const before = this.#written;
    this.acknowledge(received);
    this.#written = received;
    return Math.max(0, before - received);
  }

  /** May the peer claim to have received `seq`? */
  plausible(seq: number): boolean {
    return seq >= this.base - 1 && seq <= this.lastSeq;
  }

  /** Drops everything up to `seq` and admits who waits. */
  acknowledge(seq: number): void {
    while (this.#head < this.#entries.length && this.#entries[this.#head].seq <= seq) {
      this.#bytes -= this.#entries[this.#head].frame.byteLength;
      this.#entries[this.#head++] = undefined as unknown as Entry;
    }
    if (this.#head > 256 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    this.#admitWaiting();
  }

  /** Resolves when nothing is unacknowledged and nobody waits. */
  drained(): Promise<void> {
    if (this.size === 0 && this.waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onDrained.push(resolve));
  }

  /** Starts again at seq 1: those who wait are rejected, the unacknowledged envelopes returned. */
  reset(error: unknown): Envelope[] {
    const undelivered = this.#entries.slice(this.#head).map(({ frame }) => envelopeOf(frame));
    this.#entries = [];
    this.#head = 0;
    this.#nextSeq = 1;
    this.#written = 0;
    this.#bytes = 0;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    for (const resolve of this.#onDrained.splice(0)) resolve();
    return undelivered;
  }

  #fits(bytes: number): boolean {
    return this.size === 0 ||
      (this.size < this.#limits.windowMessages && this.#bytes + bytes <= this.#limits.windowBytes);
  }

  #admit(frame: Uint8Array): void {
    const seq = this.#nextSeq++;
    if (!Number.isSafeInteger(seq)) throw mailboxError("protocol", "sequence numbers are used up");
    stampSeq(frame, seq);
    this.#entries.push({ seq, frame });
    this.#bytes += frame.byteLength;
  }

  #admitWaiting(): void {
    let n = 0;
    while (n < this.#waiting.length && this.#fits(this.#waiting[n].frame.byteLength)) {
      const waiting = this.#waiting[n++];
      this.#admit(waiting.frame);
    }
    for (const waiting of this.#waiting.splice(0, n)) waiting.admitted();
    if (this.size === 0) { for (const resolve of this.#onDrained.splice(0)) resolve(); }
  }
}
