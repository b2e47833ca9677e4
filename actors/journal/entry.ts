/**
 * The journal of one request: what was asked, and everything that was generated for it, in order.
 *
 * What is recorded is text whose meaning only the API knows. A reader is told a record once it is
 * _certain_: where there are two nodes, both have it.
 *
 * @module
 */
import { z } from "zod";
import type { OrreryError } from "../system/mod.ts";

/** Bytes that an entry is counted as beside its texts. */
const ENTRY_BYTES = 512;
/** Bytes that a record is counted as beside its characters. */
const RECORD_BYTES = 32;

/** What an entry begins with. */
export const entryHeadSchema = z.object({
  /** Names the request in the whole cluster: 32 hexadecimal digits. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  /** What was asked, as the API writes it. */
  request: z.string(),
  /** Who asked, and may read it; "": everybody may. */
  owner: z.string().max(256),
  /** Milliseconds for which it is kept after it has ended. */
  keep_ms: z.number().int().nonnegative(),
  /** Context of the span that its runs are parts of. @default they are traced nowhere */
  trace: z.string().max(256).optional(),
});

/** See {@linkcode entryHeadSchema}. */
export type EntryHead = z.infer<typeof entryHeadSchema>;

/** Characters of a text, as bytes of memory: most are one byte each in V8, and none more than two. */
export const recordBytes = (record: string): number => record.length + RECORD_BYTES;

/** The request of an entry, as it runs at this node. */
export interface EntryRun {
  /** Ends the run; the entry can be gone on with later. */
  stop(reason?: unknown): void;
}

/** See the module's text. */
export class JournalEntry {
  /** What it begins with. */
  readonly head: EntryHead;
  /** All records, certain or not. */
  readonly records: string[] = [];
  /** Bytes that it takes, about. */
  bytes: number;
  /** The run of this request at this node; undefined: it does not run here. */
  run?: EntryRun;
  /** Why the last run ended early; undefined: it did not. Readers are told after the records. */
  failure?: unknown;
  /** Another node goes on with the request: nothing more may be told here. */
  refused?: OrreryError;
  /** For now nothing may be told: no second node can be named. */
  blocked?: OrreryError;
  /** The second node had no room for it: it has one copy. */
  unprotected = false;
  /** Readers at this node. */
  readers = 0;
  /** Milliseconds for which it runs on when its last reader has left. */
  lingerMs = 0;
  /** When its last reader left, milliseconds. */
  leftAt = 0;
  /** Position up to which the second node was sent it; see {@linkcode JournalEntry.length}. */
  sent = 0;
  /** When it ended, milliseconds of the node's clock; undefined: it has not. */
  endedAt?: number;
  #certain = 0;
  #furthest = 0;
  readonly #waiting = new Set<() => void>();

  /** An entry without records. */
  constructor(head: EntryHead) {
    this.head = head;
    this.bytes = ENTRY_BYTES + head.request.length;
  }

  /** All records have been made. */
  get ended(): boolean {
    return this.endedAt !== undefined;
  }

  /** Number of records; the end counts as one. */
  get length(): number {
    return this.records.length + (this.ended ? 1 : 0);
  }

  /** Records that may be told; the end counts as one. */
  get certain(): number {
    return this.#certain;
  }

  /** Adds records. */
  add(records: readonly string[]): void {
    for (const record of records) {
      this.records.push(record);
      this.bytes += recordBytes(record);
    }
  }

  /** Nothing comes any more. `now`: milliseconds. */
  end(now: number): void {
    this.endedAt ??= now;
  }

  /** What stands before this position may be told. */
  confirm(position: number): void {
    if (position <= this.#certain) return;
    this.#certain = Math.min(position, this.length);
    this.changed();
  }

  /** Wakes whoever waits for this entry. */
  changed(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** A reader has come to this position. */
  reached(position: number): void {
    if (position <= this.#furthest) return;
    this.#furthest = position;
    this.changed();
  }

  /** Records that no reader has taken yet. */
  get untaken(): number {
    return this.records.length - this.#furthest;
  }

  /** Resolves at the next change, or rejects with the signal's reason. */
  async change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    this.#waiting.add(resolve);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      this.#waiting.delete(resolve);
      signal.removeEventListener("abort", abort);
    }
  }
}
