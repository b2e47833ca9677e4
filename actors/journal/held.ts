/**
 * Copies of the entries of other nodes, kept for the case that these nodes die.
 *
 * @module
 */
import type { NodeId } from "../system/mod.ts";
import { JournalEntry, recordBytes } from "./entry.ts";
import type { AppendedMessage, AppendMessage, JournalOp } from "./messages.ts";

/** Nodes that are remembered to be sealed. Ids of nodes are new in each life. */
const MOST_SEALED = 256;

/** What is kept of one node's requests. */
interface HeldJournal {
  term: number;
  entries: Map<string, JournalEntry>;
  /** When each entry was added to last, milliseconds. */
  heardAt: WeakMap<JournalEntry, number>;
}

/** Options of {@linkcode HeldJournals}. */
export interface HeldOptions {
  /** The node's clock, milliseconds. */
  now(): number;
  /** Bytes that all copies together may take. */
  mostBytes: number;
  /**
   * Milliseconds without anything new after which a copy is forgotten that has not ended: its node has
   * forgotten the request too, which nobody goes on with, or has chosen another holder. (Where it has
   * not, its next message finds the copy missing, and all of it is sent again.)
   */
  silentMs: number;
}

/** See the module's text. */
export class HeldJournals {
  readonly #options: HeldOptions;
  readonly #journals = new Map<NodeId, HeldJournal>();
  /** Up to which term this node obeys another one no more. */
  readonly #sealed = new Map<NodeId, number>();
  #bytes = 0;

  /** Nothing is kept yet. */
  constructor(options: HeldOptions) {
    this.#options = options;
  }

  /** Bytes of all copies, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Nodes of whose requests there are copies. */
  get origins(): NodeId[] {
    return [...this.#journals.keys()];
  }

  /** Whether there is a copy of this request. */
  has(id: string): boolean {
    return [...this.#journals.values()].some(({ entries }) => entries.has(id));
  }

  /** The term of the copies of a node's requests; undefined: there are none. */
  termOf(origin: NodeId): number | undefined {
    return this.#journals.get(origin)?.term;
  }

  /** Takes in what a node's requests have added. */
  append({ origin, term, ops }: AppendMessage): AppendedMessage {
    if (term <= (this.#sealed.get(origin) ?? 0)) return { state: "sealed" };
    let journal = this.#journals.get(origin);
    if (journal && term < journal.term) return { state: "sealed" };
    if (!journal || term > journal.term) {
      this.drop(origin);
      journal = { term, entries: new Map(), heardAt: new WeakMap() };
      this.#journals.set(origin, journal);
    }
    const missing: string[] = [];
    const refused: string[] = [];
    for (const op of ops) {
      const state = this.#apply(journal, op);
      if (state === "missing") missing.push(op.id);
      if (state === "refused") refused.push(op.id);
    }
    return { state: "kept", missing, refused };
  }

  #apply({ entries, heardAt }: HeldJournal, op: JournalOp): "kept" | "missing" | "refused" {
    let entry = entries.get(op.id);
    if (!entry) {
      if (op.from > 0 || !op.head) return "missing";
      entry = new JournalEntry(op.head);
      if (!this.#hasRoom(entry.bytes)) return "refused";
      entries.set(op.id, entry);
      this.#bytes += entry.bytes;
    }
    heardAt.set(entry, this.#options.now());
    const have = entry.records.length;
    if (op.from > have) return "missing";
    const added = op.records.slice(have - op.from);
    const bytes = added.reduce((sum, record) => sum + recordBytes(record), 0);
    if (!this.#hasRoom(bytes)) {
      this.#remove(entries, entry);
      return "refused";
    }
    entry.add(added);
    this.#bytes += bytes;
    if (op.ended) entry.end(this.#options.now());
    return "kept";
  }

  /** Whether so many bytes more have a place; entries that have ended make room. */
  #hasRoom(bytes: number): boolean {
    const { mostBytes } = this.#options;
    if (this.#bytes + bytes <= mostBytes) return true;
    const over = [...this.#journals.values()]
      .flatMap(({ entries }) => [...entries.values()].map((entry) => ({ entries, entry })))
      .filter(({ entry }) => entry.ended)
      .sort((a, b) => a.entry.endedAt! - b.entry.endedAt!);
    for (const { entries, entry } of over) {
      if (this.#bytes + bytes <= mostBytes) break;
      this.#remove(entries, entry);
    }
    return this.#bytes + bytes <= mostBytes;
  }

  #remove(entries: Map<string, JournalEntry>, entry: JournalEntry): void {
    if (entries.delete(entry.head.id)) this.#bytes -= entry.bytes;
  }

  /** Forgets entries that have ended for as long as they are kept, and those that are silent for long. */
  sweep(): void {
    const { now, silentMs } = this.#options;
    for (const { entries, heardAt } of this.#journals.values()) {
      for (const entry of [...entries.values()]) {
        const [since, forMs] = entry.ended
          ? [entry.endedAt!, entry.head.keep_ms]
          : [heardAt.get(entry)!, silentMs];
        if (now() - since >= forMs) this.#remove(entries, entry);
      }
    }
  }

  /** From now on this node obeys `origin` no more in its present term. Returns that term. */
  seal(origin: NodeId): number | undefined {
    const journal = this.#journals.get(origin);
    if (!journal) return undefined;
    this.#sealed.delete(origin);
    this.#sealed.set(origin, journal.term);
    const [oldest] = this.#sealed.keys();
    if (this.#sealed.size > MOST_SEALED) this.#sealed.delete(oldest);
    return journal.term;
  }

  /** Hands out the copies of a node's requests, which this node goes on with; they are held no more. */
  take(origin: NodeId): JournalEntry[] {
    const entries = [...this.#journals.get(origin)?.entries.values() ?? []];
    this.drop(origin);
    return entries;
  }

  /** Forgets the copies of a node's requests. */
  drop(origin: NodeId): void {
    const journal = this.#journals.get(origin);
    if (!journal) return;
    for (const entry of [...journal.entries.values()]) this.#remove(journal.entries, entry);
    this.#journals.delete(origin);
  }
}
