/**
 * A registry in virtual time, and clients of it that lose requests and replies: a back end for
 * simulations, which keeps the promises of `actors/registry/contract.ts` and no more than these.
 *
 * A request that is late lands late, also when its client has given it up long ago.
 *
 * @module
 */
import {
  checkTransaction,
  checkTtl,
  type Clock,
  compacted,
  DEADLINE_MS,
  type LeaseGrant,
  leaseLost,
  noAnswer,
  outcomeUnknown,
  type Registry,
  type RegistryChanges,
  registryClosed,
  type RegistryEntry,
  type RegistryListing,
  type RegistryOptions,
  type RegistryTransaction,
  type TransactionResult,
} from "../../actors/mod.ts";

/** Milliseconds after which a watch that was told nothing asks again. */
const WATCH_MS = 2_000;
/** Milliseconds after which a request without an answer is sent again, unless it is a write. */
const TRY_MS = 100;
/** Changes that are kept one by one for watches. */
const KEPT_CHANGES = 64;

/** One lease, as its judge sees it. */
interface SimulatedLease {
  ttlMs: number;
  /** Cancels the timer of its end. */
  cancel: () => void;
}

/** The server: one copy of the data, and the clock by which leases lapse. */
export class SimulatedServer {
  /** Told of every transaction that landed, at the moment when it did. */
  onCommit: (changes: RegistryChanges) => void = () => {};
  readonly #clock: Clock;
  readonly #entries = new Map<string, RegistryEntry>();
  readonly #leases = new Map<string, SimulatedLease>();
  readonly #results = new Map<string, TransactionResult>();
  #changes: RegistryChanges[] = [];
  #waiting: (() => void)[] = [];
  #revision = 0;
  #compacted = 0;
  #grants = 0;

  /** `clock`: the judge's own, by which leases lapse. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What a key holds. */
  get(key: string): RegistryEntry | undefined {
    return this.#entries.get(key);
  }

  /** See {@linkcode Registry.list}. */
  list(prefix: string): RegistryListing {
    const entries = [...this.#entries.values()].filter(({ key }) => key.startsWith(prefix));
    return { entries: entries.sort((a, b) => a.key < b.key ? -1 : 1), revision: this.#revision };
  }

  /** See {@linkcode Registry.transact}. */
  transact(transaction: RegistryTransaction): TransactionResult {
    const { checks = [], sets = [], deletes = [], id } = transaction;
    const before = id === undefined ? undefined : this.#results.get(id);
    if (before) return before;
    for (const { lease } of sets) {
      if (lease !== undefined && !this.#leases.has(lease)) throw leaseLost(lease);
    }
    const conflicts = checks
      .map(({ key, version }) => ({ key, wanted: version, version: this.#versionOf(key) }))
      .filter(({ wanted, version }) => wanted !== version)
      .map(({ key, version }) => ({ key, version }));
    if (conflicts.length > 0) return { ok: false, conflicts };
    const revision = this.#commit(sets, deletes);
    const result: TransactionResult = { ok: true, revision };
    if (id !== undefined) this.#results.set(id, result);
    return result;
  }

  /** See {@linkcode Registry.grant}. */
  grant(ttlMs: number): LeaseGrant {
    const id = `lease-${++this.#grants}`;
    this.#leases.set(id, { ttlMs, cancel: () => {} });
    this.keepAlive(id);
    return { id, ttlMs };
  }

  /** See {@linkcode Registry.keepAlive}. */
  keepAlive(id: string): void {
    const lease = this.#leases.get(id);
    if (!lease) throw leaseLost(id);
    lease.cancel();
    lease.cancel = this.#clock.after(lease.ttlMs, () => this.revoke(id));
  }

  /** See {@linkcode Registry.revoke}; also what happens when a lease lapses. */
  revoke(id: string): void {
    this.#leases.get(id)?.cancel();
    if (!this.#leases.delete(id)) return;
    const keys = [...this.#entries.values()].filter(({ lease }) => lease === id);
    if (keys.length > 0) this.#commit([], keys.map(({ key }) => key));
  }

  /** Does this lease live? */
  lives(id: string): boolean {
    return this.#leases.has(id);
  }

  /** Begins the time of every lease anew, as a judge does that starts again. */
  restart(): void {
    for (const id of [...this.#leases.keys()]) this.keepAlive(id);
  }

  /** Forgets changes one by one: watches of the past are told `compacted`. */
  compact(): void {
    this.#compacted = this.#revision;
    this.#changes = [];
  }

  /** Changes after `from`; undefined: there are none yet. Throws `compacted`. */
  changesSince(prefix: string, from: number): RegistryChanges | undefined {
    if (from < this.#compacted) throw compacted(from, this.#compacted);
    if (from >= this.#revision) return undefined;
    const changes = this.#changes
      .filter(({ revision }) => revision > from)
      .flatMap(({ changes }) => changes.filter(({ key }) => key.startsWith(prefix)));
    return { revision: this.#revision, changes };
  }

  /** Calls `fn` at the next change. */
  whenChanged(fn: () => void): void {
    this.#waiting.push(fn);
  }

  #versionOf(key: string): number {
    return this.#entries.get(key)?.version ?? 0;
  }

  #commit(
    sets: NonNullable<RegistryTransaction["sets"]>,
    deletes: string[],
  ): number {
    const version = ++this.#revision;
    const told: RegistryChanges = { revision: version, changes: [] };
    for (const { key, value, lease } of sets) {
      const entry = { key, value, version, ...(lease !== undefined && { lease }) };
      this.#entries.set(key, entry);
      told.changes.push({ key, entry });
    }
    for (const key of deletes) {
      if (this.#entries.delete(key)) told.changes.push({ key });
    }
    this.#changes.push(told);
    if (this.#changes.length > KEPT_CHANGES) this.#compacted = this.#changes.shift()!.revision;
    this.onCommit(told);
    for (const fn of this.#waiting.splice(0)) fn();
    return version;
  }
}

/**
 * The way between one client and the server. Each function is called once for each message, and
 * runs `arrive` when the message comes there: once, later, or never.
 */
export interface RegistryLink {
  /** Client to server. */
  request(arrive: () => void, what: string): void;
  /** Server to client. */
  reply(arrive: () => void, what: string): void;
}

/** A client that reaches the server by a link, with deadlines by its node's own clock. */
export class SimulatedRegistry implements Registry {
  readonly #server: SimulatedServer;
  readonly #link: RegistryLink;
  readonly #clock: Clock;
  readonly #closing = new AbortController();

  constructor(server: SimulatedServer, link: RegistryLink, clock: Clock) {
    this.#server = server;
    this.#link = link;
    this.#clock = clock;
  }

  get(key: string, options?: RegistryOptions): Promise<RegistryEntry | undefined> {
    return this.#call("get", options, () => this.#server.get(key));
  }

  list(prefix: string, options?: RegistryOptions): Promise<RegistryListing> {
    return this.#call("list", options, () => this.#server.list(prefix));
  }

  async transact(
    transaction: RegistryTransaction,
    options?: RegistryOptions,
  ): Promise<TransactionResult> {
    checkTransaction(transaction);
    return await this.#call(
      "transact",
      options,
      () => this.#server.transact(transaction),
      (deadlineMs) => outcomeUnknown(transaction.id ?? "without id", deadlineMs),
    );
  }

  async grant(ttlMs: number, options?: RegistryOptions): Promise<LeaseGrant> {
    checkTtl(ttlMs);
    return await this.#call("grant", options, () => this.#server.grant(ttlMs));
  }

  keepAlive(lease: string, options?: RegistryOptions): Promise<void> {
    return this.#call("keepAlive", options, () => this.#server.keepAlive(lease));
  }

  revoke(lease: string, options?: RegistryOptions): Promise<void> {
    return this.#call("revoke", options, () => this.#server.revoke(lease));
  }

  async *watch(
    prefix: string,
    { from, signal }: { from: number; signal?: AbortSignal },
  ): AsyncIterable<RegistryChanges> {
    for (let cursor = from; !signal?.aborted;) {
      let told: RegistryChanges | undefined;
      try {
        told = await this.#call(
          "watch",
          { deadlineMs: WATCH_MS, signal },
          () => {
            return this.#server.changesSince(prefix, cursor);
          },
          undefined,
          (again) => this.#server.whenChanged(again),
        );
      } catch (error) {
        if (signal?.aborted) return;
        if (error instanceof Error && "code" in error && error.code === "unavailable") continue;
        throw error;
      }
      cursor = told!.revision;
      yield told!;
    }
  }

  close(): Promise<void> {
    this.#closing.abort(registryClosed());
    return Promise.resolve();
  }

  /**
   * Sends a request. `wait`: an answer of undefined is none yet; `wait` is given what asks again.
   */
  #call<T>(
    what: string,
    { deadlineMs = DEADLINE_MS, signal }: RegistryOptions = {},
    run: () => T,
    late = (ms: number): Error => noAnswer(what, ms),
    wait?: (again: () => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const signals = [this.#closing.signal, ...signal ? [signal] : []];
      let over = false;
      let cancelTry = () => {};
      const end = (settle: () => void) => {
        if (over) return;
        over = true;
        cancel();
        cancelTry();
        for (const one of signals) one.removeEventListener("abort", stop);
        settle();
      };
      const stop = () => {
        const { reason } = signals.find(({ aborted }) => aborted)!;
        end(() => reject(reason));
      };
      const cancel = this.#clock.after(deadlineMs, () => end(() => reject(late(deadlineMs))));
      for (const one of signals) one.addEventListener("abort", stop);
      if (signals.some(({ aborted }) => aborted)) return stop();
      const serve = () => {
        let settle: () => void;
        try {
          const result = run();
          if (result === undefined && wait) return over ? undefined : wait(serve);
          settle = () => resolve(result);
        } catch (error) {
          settle = () => reject(error);
        }
        this.#link.reply(() => end(settle), what);
      };
      const send = () => {
        this.#link.request(serve, what);
        if (what !== "transact") cancelTry = this.#clock.after(TRY_MS, send);
      };
      send();
    });
  }
}
