/**
 * The resend window: the encoded envelopes to one peer, in order, from `send` until the peer has
 * acknowledged them. Their number and bytes are bounded.
 *
 * @module
 */
import type { Envelope } from "../../actors/system/mod.ts";
import { mailboxError } from "./errors.ts";
import { envelopeOf, stampSeq } from "./wire.ts";

/** An envelope that has its place in the sequence. */
export interface WindowEntry {
  /** Place in the sequence, from 1. */
  seq: number;
  /** The encoded envelope, length and seq included. */
  frame: Uint8Array;
}

/** A send that waits for room. */
interface BlockedSend {
  frame: Uint8Array;
  /** Called when the envelope has got its place in the sequence. */
  admitted(): void;
  reject(error: unknown): void;
}

/** Bounds of a {@linkcode ResendWindow}. */
export interface WindowLimits {
  /** Most bytes of unacknowledged envelopes; a single one always fits. */
  windowBytes: number;
  /** Most unacknowledged envelopes. */
  windowMessages: number;
}

/** Acknowledged entries are cut off when there are more than this many. */
const CUT_ENTRIES = 256;

/** See the module's text. It outlives connections: each new one takes the entries from it again. */
export class ResendWindow {
  readonly #limits: WindowLimits;
  #entries: WindowEntry[] = [];
  /** Entries at the front of `#entries` that are acknowledged and not yet cut off. */
  #head = 0;
  /** Seq of the next envelope. */
  #nextSeq = 1;
  /** Highest seq that the current connection has got; 0: none. */
  #written = 0;
  /** Bytes of the unacknowledged frames. */
  #bytes = 0;
  /** Sends that wait for room, first come, first served. */
  #waiting: BlockedSend[] = [];
  /** Called when the current connection has got everything. */
  readonly #onWritten: (() => void)[] = [];
  /** Called when nothing is unacknowledged. */
  readonly #onDrained: (() => void)[] = [];

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  /** Number of unacknowledged envelopes. */
  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** Bytes of the frames of the unacknowledged envelopes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Number of sends that wait for room. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Seq of the oldest unacknowledged envelope; the next seq if there is none. */
  get base(): number {
    return this.#nextSeq - this.size;
  }

  /** Highest seq given to an envelope; 0: none. */
  get lastSeq(): number {
    return this.#nextSeq - 1;
  }

  /** Adds an encoded envelope if there is room now; returns false otherwise. */
  tryAdd(frame: Uint8Array): boolean {
    if (this.#waiting.length > 0 || !this.#fits(frame.byteLength)) return false;
    this.#admit(frame);
    return true;
  }

  /**
   * Adds an encoded envelope: at once, or when acknowledgements have made room for it. Resolves
   * when it was added; rejects with the signal's reason, or with the error of {@linkcode reset}.
   */
  add(
    frame: Uint8Array,
    signal: AbortSignal | undefined,
    onAdmitted: () => void,
  ): Promise<void> {
    if (this.tryAdd(frame)) {
      onAdmitted();
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal!.reason);
        this.#admitWaiting();
      };
      const waiting: BlockedSend = {
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

  /** The next entry that the current connection has not got; undefined: it has got all. */
  next(): WindowEntry | undefined {
    const index = this.#head + (this.#written + 1 - this.base);
    const entry = this.#entries[index];
    if (entry) this.#written = entry.seq;
    else if (this.waiting === 0) settle(this.#onWritten);
    return entry;
  }

  /** Resolves when a connection has got everything and no send waits. */
  written(): Promise<void> {
    if (this.#written === this.lastSeq && this.waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onWritten.push(resolve));
  }

  /**
   * Called for a new connection to a peer that has received everything up to seq `received`.
   * Returns how many entries are sent again.
   */
  rewind(received: number): number {
    const before = this.#written;
    this.acknowledge(received);
    this.#written = received;
    return Math.max(0, before - received);
  }

  /** true if the peer can have received everything up to `seq`. */
  plausible(seq: number): boolean {
    return seq >= this.base - 1 && seq <= this.lastSeq;
  }

  /** Drops the entries up to `seq` and adds envelopes that wait for room. */
  acknowledge(seq: number): void {
    while (this.#head < this.#entries.length && this.#entries[this.#head].seq <= seq) {
      this.#bytes -= this.#entries[this.#head].frame.byteLength;
      this.#entries[this.#head++] = undefined as unknown as WindowEntry;
    }
    if (this.#head > CUT_ENTRIES && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    this.#admitWaiting();
  }

  /** Resolves when everything is acknowledged and no send waits. */
  drained(): Promise<void> {
    if (this.size === 0 && this.waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onDrained.push(resolve));
  }

  /**
   * Starts a new sequence at seq 1 and rejects the sends that wait with `error`. Returns the
   * unacknowledged envelopes.
   */
  reset(error: unknown): Envelope[] {
    const undelivered = this.#entries.slice(this.#head).map(({ frame }) => envelopeOf(frame));
    this.#entries = [];
    this.#head = 0;
    this.#nextSeq = 1;
    this.#written = 0;
    this.#bytes = 0;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    settle(this.#onWritten);
    settle(this.#onDrained);
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
    if (this.size === 0) settle(this.#onDrained);
  }
}

/** Calls and forgets these functions. */
function settle(waiting: (() => void)[]): void {
  for (const resolve of waiting.splice(0)) resolve();
}
