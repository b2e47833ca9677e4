/**
 * The registry of the first node, as another node uses it: every operation is an ask.
 *
 * An ask whose answer is lost is asked again until the operation's deadline. That is safe for
 * reads and leases, and for transactions by their ids: one that has landed is answered as it was.
 *
 * The pauses between asks grow with the failures of all operations since the last answer. So however
 * many operations wait while the registry refuses or is away, and however many begin, each of them
 * asks about once a second.
 *
 * @module
 */
import { type Clock, hasCode, OrreryError, type RefOf } from "../system/mod.ts";
import { type registryActor, WATCH_WAIT_MS } from "./actor.ts";
import { checkKey, checkPrefix, checkTransaction, checkTtl } from "./check.ts";
import {
  DEADLINE_MS,
  type LeaseGrant,
  type Registry,
  type RegistryChanges,
  type RegistryEntry,
  type RegistryListing,
  type RegistryOptions,
  type RegistryTransaction,
  type TransactionResult,
} from "./contract.ts";
import { noAnswer, outcomeUnknown, registryClosed } from "./errors.ts";

/**
 * Pauses before an operation is asked for again, milliseconds: each twice as long as the one before,
 * and shortened by up to a half by chance, so that nodes do not ask in step.
 */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;

/** What a {@linkcode RemoteRegistry} is made of. */
export interface RemoteRegistryOptions {
  /** The actor of the first node. */
  actor: RefOf<typeof registryActor>;
  /** Times deadlines and pauses. */
  clock: Clock;
  /** Uniform in [0, 1). @default Math.random */
  random?: () => number;
  /**
   * Milliseconds after which an ask without an answer is asked again; each time twice as many, as
   * a large value takes its time. @default 2000
   */
  tryMs?: number;
}

/** Options of one ask. */
interface TryOptions {
  deadlineMs: number;
  signal: AbortSignal;
}

/** See the module's text. Closing it leaves the registry of the first node as it is. */
export class RemoteRegistry implements Registry {
  readonly #actor: RemoteRegistryOptions["actor"];
  readonly #clock: Clock;
  readonly #tryMs: number;
  readonly #random: () => number;
  readonly #closing = new AbortController();
  /** Asks of all operations that failed since the last one that was answered. */
  #failures = 0;

  /** A registry that is asked for over the links of the cluster. */
  constructor({ actor, clock, random = Math.random, tryMs = 2_000 }: RemoteRegistryOptions) {
    this.#actor = actor;
    this.#clock = clock;
    this.#random = random;
    this.#tryMs = tryMs;
  }

  /** See {@linkcode Registry.get}. */
  async get(key: string, options?: RegistryOptions): Promise<RegistryEntry | undefined> {
    checkKey(key);
    return await this.#ask("get", options, (o) => this.#actor.get({ key }, o)) ?? undefined;
  }

  /** See {@linkcode Registry.list}. */
  async list(prefix: string, options?: RegistryOptions): Promise<RegistryListing> {
    checkPrefix(prefix);
    return await this.#ask("list", options, (o) => this.#actor.list({ prefix }, o));
  }

  /** See {@linkcode Registry.transact}. */
  async transact(
    transaction: RegistryTransaction,
    options?: RegistryOptions,
  ): Promise<TransactionResult> {
    const { checks = [], sets = [], deletes = [], id = crypto.randomUUID() } = transaction;
    const message = { checks, sets, deletes, id };
    checkTransaction(message);
    let sent = false;
    const late = (deadlineMs: number, cause: unknown) =>
      sent ? outcomeUnknown(id, deadlineMs, cause) : noAnswer("a write", deadlineMs, cause);
    return await this.#ask("transact", options, (o) => {
      sent = true;
      return this.#actor.transact(message, o);
    }, late);
  }

  /** See {@linkcode Registry.grant}. */
  async grant(ttlMs: number, options?: RegistryOptions): Promise<LeaseGrant> {
    checkTtl(ttlMs);
    return await this.#ask("grant", options, (o) => this.#actor.grant({ ttl_ms: ttlMs }, o));
  }

  /** See {@linkcode Registry.keepAlive}. */
  async keepAlive(lease: string, options?: RegistryOptions): Promise<void> {
    await this.#ask("keepAlive", options, (o) => this.#actor.keep_alive({ lease }, o));
  }

  /** See {@linkcode Registry.revoke}. */
  async revoke(lease: string, options?: RegistryOptions): Promise<void> {
    await this.#ask("revoke", options, (o) => this.#actor.revoke({ lease }, o));
  }

  /** See {@linkcode Registry.watch}. */
  async *watch(
    prefix: string,
    { from, signal }: { from: number; signal?: AbortSignal },
  ): AsyncIterable<RegistryChanges> {
    checkPrefix(prefix);
    let cursor = from;
    while (!signal?.aborted) {
      let told: RegistryChanges;
      try {
        const ended = AbortSignal.any([this.#closing.signal, ...signal ? [signal] : []]);
        ended.throwIfAborted();
        // An answer that takes longer than the wait and one try is lost.
        const wait_ms = Math.min(WATCH_WAIT_MS, 4 * this.#tryMs);
        told = await this.#actor.watch({ prefix, from: cursor, wait_ms }, {
          deadlineMs: wait_ms + this.#tryMs,
          signal: ended,
        });
        this.#failures = 0;
      } catch (error) {
        if (signal?.aborted) return;
        if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
        if (isFinal(error)) throw error;
        await this.#pause(signal);
        continue;
      }
      if (told.revision === cursor && told.changes.length === 0) continue;
      cursor = told.revision;
      yield told;
    }
  }

  /** See {@linkcode Registry.close}. */
  close(): Promise<void> {
    this.#closing.abort(registryClosed());
    return Promise.resolve();
  }

  /** Asks until there is an answer. `late` makes the error at the deadline. */
  async #ask<T>(
    what: string,
    { deadlineMs = DEADLINE_MS, signal }: RegistryOptions = {},
    ask: (options: TryOptions) => Promise<T>,
    late = (ms: number, cause: unknown) => noAnswer(what, ms, cause),
  ): Promise<T> {
    const ended = AbortSignal.any([this.#closing.signal, ...signal ? [signal] : []]);
    const end = this.#clock.now() + deadlineMs;
    let cause: unknown;
    let tryMs = this.#tryMs;
    for (;;) {
      ended.throwIfAborted();
      const left = end - this.#clock.now();
      if (left <= 0) throw late(deadlineMs, cause);
      try {
        const answer = await ask({ deadlineMs: Math.min(left, tryMs), signal: ended });
        this.#failures = 0;
        return answer;
      } catch (error) {
        ended.throwIfAborted();
        if (hasCode(error, "deadline_exceeded")) tryMs *= 2;
        // That the registry over there had no answer in the time of one try is no reason to end.
        if (isFinal(error) && !isLate(error)) throw error;
        cause = error;
      }
      await this.#pause(ended);
    }
  }

  /** Waits after a failure, unless the signal aborts. */
  async #pause(signal?: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const most = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures++, 10));
    const cancel = this.#clock.after(most * (0.5 + this.#random() / 2), resolve);
    const stop = () => resolve();
    const signals = [this.#closing.signal, ...signal ? [signal] : []];
    for (const one of signals) one.addEventListener("abort", stop);
    if (!signals.some(({ aborted }) => aborted)) await promise;
    cancel();
    for (const one of signals) one.removeEventListener("abort", stop);
  }
}

/** Would asking again give the same? */
function isFinal(error: unknown): boolean {
  if (!(error instanceof OrreryError)) return false;
  if (error.group === "registry") return error.code !== "closed"; // the first node starts anew
  return ["invalid_message", "unknown_kind", "unknown_message"].includes(error.code);
}

const isLate = (error: unknown): boolean =>
  hasCode(error, "unavailable") || hasCode(error, "outcome_unknown");
