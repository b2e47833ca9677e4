/**
 * The journal of a node: its requests run and are told from here, so that they survive the node.
 *
 * A request is an {@linkcode JournalEntry}. Its run adds records; the writer makes them certain; readers,
 * here and on other nodes, are told what is certain. A run that ends early leaves an entry that can
 * be gone on with: by the next reader, or by the node with the copy when this node is gone.
 *
 * @module
 */
import type { Registry } from "../registry/mod.ts";
import { type Clock, type NodeId, toOrreryError } from "../system/mod.ts";
import type { JournalDuties } from "./actor.ts";
import { type EntryHead, JournalEntry } from "./entry.ts";
import { journalTaken, journalUnavailable } from "./errors.ts";
import { HeldJournals } from "./held.ts";
import type { AppendedMessage, AppendMessage, ReadAnswer } from "./messages.ts";
import { takeOver } from "./takeover.ts";
import { type AppendOptions, JournalWriter } from "./writer.ts";

/** Records that a run is ahead of its readers at most. */
const MOST_AHEAD = 256;
/** Milliseconds for which a request that was taken over runs without a reader. */
const ADOPTED_LINGER_MS = 60_000;
/** Milliseconds for which a request runs on between two questions of a reader on another node. */
const REMOTE_LINGER_MS = 10_000;
/** Milliseconds for which a request is kept that ended early. */
const PAUSED_MS = 600_000;
/** Milliseconds for which a copy of such a request is kept: for longer than the request. */
const SILENT_MS = PAUSED_MS + 60_000;
/** Milliseconds in which the registry must answer a takeover. */
const TAKEOVER_MS = 600_000;
/** Milliseconds between two looks for entries that are kept no longer. */
const SWEEP_MS = 15_000;
/** Records in one answer to another node. */
const MOST_READ = 2_048;

/** A run of a request. */
export interface RunInit {
  /** What was asked. */
  head: EntryHead;
  /** Records of earlier runs. */
  known: readonly string[];
  /** Ends the run. */
  signal: AbortSignal;
}

/** Runs a request: yields the records that come after the known ones. */
export type Runner = (run: RunInit) => AsyncIterable<string>;

/** Options of a {@linkcode RequestJournal}. */
export interface JournalOptions {
  /** This node. */
  node: NodeId;
  /** Runs requests. */
  runner: Runner;
  /** The other nodes that this one reaches; the best holder comes first. */
  peers(): NodeId[];
  /**
   * The other nodes of the cluster: the requests of one that is no longer there are gone on with.
   * @default those of `peers`
   */
  members?(): NodeId[];
  /** The cluster's registry, as this node reaches it now. */
  registry(): Registry;
  /** Sends a message to the journal of another node. */
  append(
    holder: NodeId,
    message: AppendMessage,
    options: AppendOptions,
  ): Promise<AppendedMessage>;
  /** Times everything. */
  clock: Clock;
  /** Unix time, milliseconds. @default Date.now */
  date?(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Bytes that copies of other nodes' requests may take. @default 256 MiB */
  mostHeldBytes?: number;
  /** Bytes that this node's requests may take after they have ended. @default 128 MiB */
  mostEndedBytes?: number;
}

/** See the module's text. */
export class RequestJournal implements JournalDuties {
  readonly #options: JournalOptions;
  readonly #own = new Map<string, JournalEntry>();
  readonly #held: HeldJournals;
  readonly #writer: JournalWriter;
  readonly #taking = new Map<NodeId, Promise<void>>();
  readonly #closing = new AbortController();
  /** Entries whose run has ended early, and when, milliseconds. */
  readonly #paused = new Map<JournalEntry, number>();
  #sweeping = false;
  /** Cancel the timers that have not fired. */
  readonly #timers = new Set<() => void>();

  /** Nothing runs, and no holder is named, until `members` is called. */
  constructor(options: JournalOptions) {
    this.#options = options;
    const { node, clock, mostHeldBytes = 256 << 20, date = Date.now } = options;
    this.#held = new HeldJournals({
      ...{ now: () => clock.now(), mostBytes: mostHeldBytes, silentMs: SILENT_MS },
    });
    this.#writer = new JournalWriter({
      node,
      clock,
      date,
      random: options.random,
      peers: () => options.peers(),
      registry: () => options.registry(),
      append: (holder, message, limits) => options.append(holder, message, limits),
      entries: () => this.#own.values(),
      onTaken: () => this.#taken(),
      onUnavailable: (waitedMs) => this.#unavailable(waitedMs),
    });
  }

  /** The node with the copies of this node's requests; undefined: there is none. */
  get holder(): NodeId | undefined {
    return this.#writer.holder;
  }

  /** Requests of this node, their records that are not certain yet, and bytes of copies of others. */
  get facts(): { own: number; running: number; uncertain: number; heldBytes: number } {
    const own = [...this.#own.values()];
    const running = own.filter(({ run }) => run).length;
    const uncertain = own.reduce((sum, entry) => sum + entry.length - entry.certain, 0);
    return { own: own.length, running, uncertain, heldBytes: this.#held.bytes };
  }

  /** The nodes that live, or are reached, have changed; `lost` is one that is known to be gone. */
  members(lost?: NodeId): void {
    if (this.#closing.signal.aborted) return;
    const { peers, members = peers } = this.#options;
    const living = members();
    for (const origin of this.#held.origins) {
      if (origin === lost || !living.includes(origin)) this.#take(origin);
    }
    this.#writer.members();
  }

  /** Begins a request. Throws where the journal is closed. */
  begin(head: EntryHead): JournalEntry {
    this.#closing.signal.throwIfAborted();
    const entry = new JournalEntry(head);
    this.#own.set(head.id, entry);
    this.#start(entry);
    return entry;
  }

  /** The entry of a request that this node goes on with. */
  own(id: string): JournalEntry | undefined {
    return this.#own.get(id);
  }

  /** Forgets a request that has told nobody anything. */
  forget(entry: JournalEntry): void {
    entry.run?.stop();
    this.#own.delete(entry.head.id);
    this.#paused.delete(entry);
  }

  /**
   * The records of a request of this node from a position on, each once it is certain. A request
   * that does not run is gone on with. Throws what ended its run, after the records; group `journal`
   * (`taken_over`, `no_second_node`); the signal's reason.
   */
  async *read(
    entry: JournalEntry,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<string, void> {
    entry.readers++;
    try {
      if (!entry.run && !entry.ended && !entry.refused) this.#start(entry);
      for (let at = from;;) {
        if (entry.refused) throw entry.refused;
        while (at < Math.min(entry.certain, entry.records.length)) {
          const record = entry.records[at++];
          entry.reached(at);
          yield record;
          if (entry.refused) throw entry.refused;
        }
        if (entry.ended && entry.certain === entry.length) return;
        if (entry.blocked) throw entry.blocked;
        if (!entry.run && !entry.ended && entry.certain === entry.length) {
          if (entry.failure !== UNREAD) throw entry.failure;
          this.#start(entry);
        }
        await entry.change(signal);
      }
    } finally {
      entry.readers--;
      this.#linger(entry);
    }
  }

  append(message: AppendMessage): AppendedMessage {
    this.#sweepLater();
    return this.#held.append(message);
  }

  locate(id: string): "own" | "held" | "unknown" {
    const entry = this.#own.get(id);
    return entry && !entry.refused ? "own" : this.#held.has(id) ? "held" : "unknown";
  }

  async readOwn(
    { id, from, wait_ms }: { id: string; from: number; wait_ms: number },
    signal: AbortSignal,
  ): Promise<ReadAnswer> {
    const entry = this.#own.get(id);
    if (!entry || entry.refused) return { state: "gone", records: [] };
    const records: string[] = [];
    entry.lingerMs = Math.max(entry.lingerMs, REMOTE_LINGER_MS);
    const late = new AbortController();
    const cancel = this.#options.clock.after(wait_ms, () => late.abort(LATE));
    const head = from === 0 ? { head: entry.head } : {};
    try {
      for await (const record of this.read(entry, from, AbortSignal.any([signal, late.signal]))) {
        records.push(record);
        const more = from + records.length < Math.min(entry.certain, entry.records.length);
        if (records.length >= MOST_READ || !more) break;
      }
      const over = entry.ended && entry.certain === entry.length &&
        from + records.length >= entry.records.length;
      return { state: over ? "ended" : "open", records, ...head };
    } catch (error) {
      if (error === LATE) return { state: "open", records, ...head };
      if (signal.aborted) throw error;
      if (entry.refused) return { state: "gone", records: [] };
      return { state: "failed", records, error: toOrreryError(error).toWire(), ...head };
    } finally {
      cancel();
    }
  }

  /** Ends the runs: the node with the copies may go on with them. */
  close(reason: unknown = new Error("the node is shutting down")): void {
    this.#closing.abort(reason);
    this.#writer.close();
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    for (const entry of this.#own.values()) entry.run?.stop(reason);
  }

  /** Goes on with the requests of a node that is gone. */
  #take(origin: NodeId): void {
    if (this.#taking.has(origin)) return;
    const { clock, random, node, date = Date.now } = this.#options;
    const taking = takeOver(origin, {
      node,
      clock,
      date,
      held: this.#held,
      withinMs: TAKEOVER_MS,
      random: () => random(),
      registry: () => this.#options.registry(),
      signal: this.#closing.signal,
    }).then((entries) => {
      for (const entry of entries) this.#adopt(entry);
    }).catch(() => {}).finally(() => this.#taking.delete(origin));
    this.#taking.set(origin, taking);
  }

  #adopt(entry: JournalEntry): void {
    if (this.#closing.signal.aborted || this.#own.has(entry.head.id)) return;
    this.#own.set(entry.head.id, entry);
    entry.sent = 0;
    this.#writer.submit(entry);
    if (entry.ended) return;
    entry.lingerMs = ADOPTED_LINGER_MS;
    this.#start(entry);
    this.#linger(entry);
  }

  #start(entry: JournalEntry): void {
    const stop = new AbortController();
    const run = { stop: (reason?: unknown) => stop.abort(reason) };
    entry.run = run;
    entry.failure = undefined;
    this.#paused.delete(entry);
    void this.#run(entry, stop.signal);
  }

  /** Runs a request to its end, or until it is stopped. It never rejects. */
  async #run(entry: JournalEntry, signal: AbortSignal): Promise<void> {
    const { head } = entry;
    try {
      this.#closing.signal.throwIfAborted();
      const known = [...entry.records];
      for await (const record of this.#options.runner({ head, known, signal })) {
        signal.throwIfAborted();
        entry.add([record]);
        this.#writer.submit(entry);
        // Without readers it is ahead for as long as it lingers.
        while (entry.readers > 0 && entry.untaken > MOST_AHEAD) await entry.change(signal);
      }
      signal.throwIfAborted();
      entry.end(this.#options.clock.now());
      this.#writer.submit(entry);
    } catch (error) {
      entry.failure = error;
      this.#paused.set(entry, this.#options.clock.now());
      if (entry.records.length === 0) this.forget(entry);
    } finally {
      entry.run = undefined;
      entry.changed();
      this.#sweepLater();
    }
  }

  /** Stops a run that nobody reads, after a while. */
  #linger(entry: JournalEntry): void {
    const { run } = entry;
    if (entry.readers > 0 || !run) return;
    const { clock } = this.#options;
    entry.leftAt = clock.now();
    const look = () => {
      if (entry.readers > 0 || entry.run !== run) return;
      const left = entry.leftAt + entry.lingerMs - clock.now();
      if (left > 0) this.#after(left, look);
      else run.stop(UNREAD);
    };
    look();
  }

  /** None of the requests so far is this node's any more. */
  #taken(): void {
    const error = journalTaken(this.#options.node);
    for (const entry of this.#own.values()) {
      entry.refused = error;
      entry.run?.stop(error);
      entry.changed();
    }
    this.#own.clear();
    this.#paused.clear();
  }

  #unavailable(waitedMs: number): void {
    const error = journalUnavailable(waitedMs);
    for (const entry of this.#own.values()) {
      if (entry.certain === entry.length) continue;
      entry.blocked = error;
      entry.run?.stop(error);
      entry.changed();
    }
  }

  #sweepLater(): void {
    if (this.#sweeping || this.#closing.signal.aborted) return;
    this.#sweeping = true;
    this.#after(SWEEP_MS, () => {
      this.#sweeping = false;
      this.#sweep();
      if (this.#own.size > 0 || this.#held.bytes > 0) this.#sweepLater();
    });
  }

  /** Calls something after `ms` milliseconds, unless the journal is closed before. */
  #after(ms: number, fn: () => void): void {
    const cancel = this.#options.clock.after(ms, () => {
      this.#timers.delete(cancel);
      fn();
    });
    this.#timers.add(cancel);
  }

  /** Forgets what is kept no longer. */
  #sweep(): void {
    this.#held.sweep();
    const now = this.#options.clock.now();
    for (const [entry, since] of [...this.#paused]) {
      if (now - since >= PAUSED_MS && !entry.run && entry.readers === 0) this.forget(entry);
    }
    const ended = [...this.#own.values()].filter((e) => e.ended && e.readers === 0)
      .sort((a, b) => a.endedAt! - b.endedAt!);
    let bytes = ended.reduce((sum, entry) => sum + entry.bytes, 0);
    const { mostEndedBytes = 128 << 20 } = this.#options;
    for (const entry of ended) {
      const over = now - entry.endedAt! >= entry.head.keep_ms;
      if (!over && bytes <= mostEndedBytes) continue;
      bytes -= entry.bytes;
      this.forget(entry);
    }
  }
}

/** Why a wait for records is over. */
const LATE = new Error("no record came in time");
/** Why a run was ended: it goes on with the next reader. */
const UNREAD = new Error("nobody reads the answer");
