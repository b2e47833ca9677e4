/**
 * Makes the records of a node's requests certain: the second node has them before a client does.
 *
 * Which node that is, the _holder_, stands in the registry (`record.ts`) and changes seldom; a
 * request costs no write there. What all requests of the node have added goes to the holder in one
 * message (group commit), while earlier messages are still under way.
 *
 * | mode      | when                                     | a record is certain                         |
 * | --------- | ---------------------------------------- | ------------------------------------------- |
 * | `alone`   | there is no other node, or none is named yet | at once                                 |
 * | `held`    | the registry names the holder            | when the holder has it                      |
 * | `changing`| the holder is gone                       | when the next one is named and has it       |
 *
 * @module
 */
import type { Registry } from "../registry/mod.ts";
import type { Clock, NodeId } from "../system/mod.ts";
import type { JournalEntry } from "./entry.ts";
import {
  type AppendedMessage,
  type AppendMessage,
  type JournalOp,
  MOST_OPS,
  MOST_RECORDS,
} from "./messages.ts";
import { decodeJournalRecord, encodeJournalRecord, journalKey, JOURNALS } from "./record.ts";
import { writeForCertain } from "./write_for_certain.ts";

/** Messages to the holder that are under way at the same time. */
const WINDOW = 4;
/** Milliseconds for which records gather while a message is under way. */
const GATHER_MS = 2;
/** Characters of one message's texts, after which the next message takes the rest. */
const MESSAGE_CHARS = 1 << 20;
/** Milliseconds in which the holder answers a message. */
const ANSWER_MS = 1_500;
/**
 * Milliseconds without an answer of the holder after which another one is chosen: at first, and at most.
 * They are doubled with each holder that was given up for its silence, since it may be this node or all
 * of them that are slow, and are as at first when holders have answered for so long.
 */
const PATIENCE_MS = 1_000;
const MOST_PATIENCE_MS = 3_000;
const CALM_MS = 60_000;
/**
 * A deadline that is noticed so much too late shows that this node lags, milliseconds. An answer that
 * has come passes several turns of its event loop before it counts: it is waited for as many lags
 * longer, and at most for so many milliseconds.
 */
const LATE_MS = 50;
const READ_LAGS = 4;
const MOST_READING_MS = 3_000;
/** Milliseconds until something that failed is tried again. */
const PAUSE_MS = 100;
/** Milliseconds after which requests that wait for a holder fail. */
const HOLD_MS = 20_000;
/** Milliseconds after which the record of a node that nobody knows is deleted. */
const FORGOTTEN_MS = 7 * 24 * 3_600_000;

/** How a message is sent to the journal of another node. */
export interface AppendOptions {
  /** Milliseconds in which it is answered. */
  deadlineMs: number;
  /** Contexts of the traced requests that the message is about. */
  spans: readonly string[];
}

/** Options of a {@linkcode JournalWriter}. */
export interface WriterOptions {
  /** This node. */
  node: NodeId;
  /** The other nodes that live, as far as this one knows; the best holder comes first. */
  peers(): NodeId[];
  /** Names the holder. */
  registry(): Registry;
  /** Sends a message to the journal of another node. */
  append(
    holder: NodeId,
    message: AppendMessage,
    options: AppendOptions,
  ): Promise<AppendedMessage>;
  /** All entries of this node's requests. */
  entries(): Iterable<JournalEntry>;
  /** The holder goes on with the requests of this node: none of them may be obeyed any more. */
  onTaken(): void;
  /** For so many milliseconds no holder could be named: requests that wait are to fail. */
  onUnavailable(waitedMs: number): void;
  clock: Clock;
  /** Unix time, milliseconds. */
  date(): number;
  /** Uniform in [0, 1); names writes. */
  random(): number;
}

/** See the module's text. */
export class JournalWriter {
  readonly #options: WriterOptions;
  #mode: "alone" | "held" | "changing" = "alone";
  #term = 0;
  /** Version of this node's record; 0: there is none. */
  #version = 0;
  #holder?: NodeId;
  /** Entries with records that were not sent. */
  readonly #dirty = new Set<JournalEntry>();
  #underWay = 0;
  #scheduled = false;
  /** Since when the holder has not answered, milliseconds; undefined: it does. */
  #silentSince?: number;
  /** See {@linkcode PATIENCE_MS}; and when a holder was given up for its silence last. */
  #patienceMs = PATIENCE_MS;
  #givenUpAt = -Infinity;
  /** By how much the last deadline was noticed too late; halved with each answer. Milliseconds. */
  #lagMs = 0;
  #choosing?: Promise<void>;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** The node with the copies; undefined: there is none. */
  get holder(): NodeId | undefined {
    return this.#mode === "held" ? this.#holder : undefined;
  }

  /** Something was added to an entry. */
  submit(entry: JournalEntry): void {
    if (entry.refused) return;
    if (this.#mode === "alone" || entry.unprotected) return entry.confirm(entry.length);
    this.#dirty.add(entry);
    this.#schedule();
  }

  /** The nodes that live have changed: `peers` of the options tells which they are. */
  members(): void {
    if (this.#closed) return;
    const peers = this.#options.peers();
    if (this.#mode === "alone" ? peers.length > 0 : !peers.includes(this.#holder!)) this.#change();
  }

  /** No holder is named any more. */
  close(): void {
    this.#closed = true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#mode !== "held" || this.#underWay >= WINDOW) return;
    this.#scheduled = true;
    const flush = () => {
      this.#scheduled = false;
      this.#flush();
    };
    if (this.#underWay === 0) queueMicrotask(flush);
    else void this.#options.clock.after(GATHER_MS, flush);
  }

  #flush(): void {
    if (this.#mode !== "held" || this.#underWay >= WINDOW) return;
    const ops: JournalOp[] = [];
    const sent: { entry: JournalEntry; from: number; to: number }[] = [];
    let chars = 0;
    for (const entry of this.#dirty) {
      if (ops.length >= MOST_OPS || chars > MESSAGE_CHARS) break;
      const from = entry.sent;
      const records: string[] = [];
      let at = Math.min(from, entry.records.length);
      for (; at < entry.records.length && records.length < MOST_RECORDS; at++) {
        if (chars > MESSAGE_CHARS) break;
        records.push(entry.records[at]);
        chars += entry.records[at].length;
      }
      const ended = entry.ended && at === entry.records.length;
      const to = ended ? entry.length : at;
      if (to > from) {
        const head = from === 0 ? { head: entry.head } : {};
        if (from === 0) chars += entry.head.request.length;
        const position = Math.min(from, entry.records.length);
        ops.push({ id: entry.head.id, from: position, records, ...head, ...(ended && { ended }) });
        sent.push({ entry, from, to });
        entry.sent = to;
      }
      if (entry.sent >= entry.length) this.#dirty.delete(entry);
    }
    if (ops.length === 0) return;
    void this.#send(ops, sent);
    if (this.#dirty.size > 0) this.#schedule();
  }

  async #send(
    ops: JournalOp[],
    sent: { entry: JournalEntry; from: number; to: number }[],
  ): Promise<void> {
    const [term, holder] = [this.#term, this.#holder!];
    this.#underWay++;
    const { clock } = this.#options;
    const sentAt = clock.now();
    const deadlineMs = Math.min(ANSWER_MS, this.#patienceMs) + this.#readingMs;
    let answer: AppendedMessage | undefined;
    try {
      const message = { origin: this.#options.node, term, ops };
      const spans = new Set(sent.flatMap(({ entry }) => entry.head.trace ?? []));
      answer = await this.#options.append(holder, message, { deadlineMs, spans: [...spans] });
    } catch {
      // No answer: it is sent again, or another holder gets it.
    }
    this.#underWay--;
    if (term !== this.#term || this.#mode !== "held") return this.#schedule();
    // The holder takes this node for dead. Whether it may go on, the registry decides.
    if (answer?.state === "sealed") return this.#change(holder);
    if (answer) {
      this.#silentSince = undefined;
      this.#lagMs /= 2;
      if (clock.now() - this.#givenUpAt >= CALM_MS) this.#patienceMs = PATIENCE_MS;
      for (const { entry, to } of sent) {
        const { id } = entry.head;
        if (answer.refused.includes(id)) this.#unprotect(entry);
        else if (answer.missing.includes(id)) this.#again(entry, 0);
        else entry.confirm(to);
      }
    } else {
      for (const { entry, from } of sent) this.#again(entry, from);
      const now = clock.now();
      this.#silentSince ??= sentAt;
      this.#lagMs = now - sentAt - deadlineMs;
      if (!this.#options.peers().includes(holder)) return this.#change(holder);
      if (now - this.#silentSince >= this.#patienceMs + this.#readingMs) {
        this.#givenUpAt = now;
        this.#patienceMs = Math.min(MOST_PATIENCE_MS, 2 * this.#patienceMs);
        return this.#change(holder);
      }
      await new Promise<void>((resolve) => void clock.after(PAUSE_MS, resolve));
    }
    this.#schedule();
  }

  /** Milliseconds that this node may take, while it lags, to read an answer that has come. */
  get #readingMs(): number {
    return this.#lagMs < LATE_MS ? 0 : Math.min(MOST_READING_MS, READ_LAGS * this.#lagMs);
  }

  #again(entry: JournalEntry, from: number): void {
    if (entry.refused || entry.unprotected) return;
    entry.sent = Math.min(entry.sent, from);
    if (entry.sent < entry.length) this.#dirty.add(entry);
  }

  /** The holder has no room for an entry: it goes on with one copy. */
  #unprotect(entry: JournalEntry): void {
    entry.unprotected = true;
    this.#dirty.delete(entry);
    entry.confirm(entry.length);
  }

  /** Another holder is chosen, not `without` if there is a choice. */
  #change(without?: NodeId): void {
    if (this.#mode === "held") this.#mode = "changing";
    this.#choosing ??= this.#choose(without).catch(() => {}).finally(() => {
      this.#choosing = undefined;
      this.members(); // they may have changed meanwhile
    });
  }

  async #choose(without?: NodeId): Promise<void> {
    const { clock, node, registry, random, date, peers } = this.#options;
    const since = clock.now();
    let told = false;
    while (!this.#closed) {
      const all = peers();
      const holder = all.find((peer) => peer !== without) ?? all[0] ?? null;
      if (holder === null && this.#mode === "alone") return;
      const term = this.#term + 1;
      const key = journalKey(node);
      try {
        const value = encodeJournalRecord({ node, term, holder, taken: false, at_ms: date() });
        const write = { checks: [{ key, version: this.#version }], sets: [{ key, value }] };
        const result = await writeForCertain(registry(), write, {
          clock,
          random,
          within: () => clock.now() - since < HOLD_MS && !this.#closed,
        });
        if (this.#closed) return;
        if (result.ok) return this.#named(holder, { term, version: result.revision });
        await this.#overtaken();
        continue;
      } catch {
        // The registry is away.
      }
      if (!told && this.#mode === "changing" && clock.now() - since >= HOLD_MS) {
        told = true;
        this.#options.onUnavailable(HOLD_MS);
      }
      await new Promise<void>((resolve) => void clock.after(PAUSE_MS, resolve));
    }
  }

  /** The registry names this holder now. */
  #named(holder: NodeId | null, { term, version }: { term: number; version: number }): void {
    const first = this.#version === 0;
    this.#term = term;
    this.#version = version;
    this.#holder = holder ?? undefined;
    this.#silentSince = undefined;
    this.#mode = holder === null ? "alone" : "held";
    this.#dirty.clear();
    for (const entry of this.#options.entries()) {
      entry.sent = 0;
      entry.blocked = undefined;
      this.submit(entry);
    }
    if (first) void this.#sweep().catch(() => {}); // the next life of a node does it
  }

  /** The record of this node has another version than it wrote: its holder has written it. */
  async #overtaken(): Promise<void> {
    const { registry, node } = this.#options;
    const entry = await registry().get(journalKey(node));
    const record = entry && decodeJournalRecord(entry);
    if (this.#version !== 0 && record?.taken !== false) {
      this.#dirty.clear();
      this.#options.onTaken();
      this.#mode = "alone"; // no node has a copy of what is asked from now on
    }
    this.#version = entry?.version ?? 0;
    this.#term = Math.max(this.#term, record?.term ?? 0);
  }

  /** Deletes records of nodes that have been gone for long. */
  async #sweep(): Promise<void> {
    const { registry, peers, node, date } = this.#options;
    const { entries } = await registry().list(JOURNALS);
    const known = new Set([node, ...peers()].map(journalKey));
    for (const entry of entries) {
      if (known.has(entry.key)) continue;
      if (date() - decodeJournalRecord(entry).at_ms < FORGOTTEN_MS) continue;
      const { key, version } = entry;
      await registry().transact({ checks: [{ key, version }], deletes: [key] });
    }
  }
}
