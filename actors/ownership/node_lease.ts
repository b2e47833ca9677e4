/**
 * The lease of a node: held for as long as the node lives, and taken anew when it lapses.
 *
 * @module
 */
import { holdLease, leaseKey, leaseLost, type Registry, registryClosed } from "../registry/mod.ts";
import type { NodeId } from "../system/mod.ts";
import { decodeRecord, encodeRecord, nodeRecordSchema } from "./records.ts";
import { aborted, asError, backOff, isSilence, type Timing } from "./waiting.ts";

/** Options of a {@linkcode NodeLease}. */
export interface NodeLeaseOptions extends Timing {
  /** Where the lease is taken. */
  registry: Registry;
  /** This node. No other life of it may have the same name: epochs are counted within one life. */
  node: NodeId;
  /**
   * Milliseconds without a renewal after which the lease lapses, and others may take over.
   * @default 2000
   */
  ttlMs?: number;
  /** Told of each try that failed: the registry does not answer, or refuses this node. */
  onFailure?: (error: Error) => void;
}

/** One lease that a node holds. */
export interface NodeHold {
  /** Names the lease in `transact`. */
  readonly id: string;
  /** How many leases the node has taken, this one counted. */
  readonly epoch: number;
  /**
   * Key of the node's record, which vanishes with the lease. A transaction that checks its version
   * lands only while the lease lives.
   */
  readonly key: string;
  /** Version of that record. */
  readonly version: number;
  /** Aborted as soon as it is not certain that the lease is held; see `holdLease`. */
  readonly signal: AbortSignal;
  /** Is it certain that the lease is held? By the clock, where a timer may be late. */
  certain(): boolean;
}

/** What is told of a {@linkcode NodeLease}. */
export interface NodeLeaseListener {
  /** The node holds a lease. `epoch`: its number, greater than that of any earlier one. */
  held?(lease: NodeHold, epoch: number): void;
  /** The lease lapsed, or was given back. A new one is being taken, unless the node closes. */
  lost?(reason: Error): void;
}

/** See the module's text. It waits for a registry that does not answer as long as it must. */
export class NodeLease {
  /** See {@linkcode NodeLeaseOptions.node}. */
  readonly node: NodeId;
  readonly #options: NodeLeaseOptions;
  readonly #ttlMs: number;
  readonly #listeners = new Set<NodeLeaseListener>();
  readonly #closing = new AbortController();
  #running?: Promise<void>;
  #hold?: NodeHold;
  #epoch = 0;

  /** A lease that is not held yet: see {@linkcode NodeLease.start}. */
  constructor(options: NodeLeaseOptions) {
    this.#options = options;
    this.node = options.node;
    this.#ttlMs = options.ttlMs ?? 2_000;
  }

  /** The lease that is held for certain; undefined: none is. */
  get current(): NodeHold | undefined {
    return this.#hold?.certain() ? this.#hold : undefined;
  }

  /** Number of the last lease that the node held; 0: it has held none. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Milliseconds that a lease of this node lasts without a renewal. */
  get ttlMs(): number {
    return this.#ttlMs;
  }

  /** Begins to take leases. Throws TypeError when it was called before. */
  start(): void {
    if (this.#running) throw new TypeError(`the lease of node ${this.node} was started before`);
    this.#running = this.#run();
  }

  /** Tells a listener what happens from now on. The returned function ends that. */
  listen(listener: NodeLeaseListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves with the lease as soon as one is held. Rejects with the signal's reason. */
  held({ signal }: { signal: AbortSignal }): Promise<NodeHold> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const now = this.current;
      if (now) return resolve(now);
      const stop = this.listen({
        held(hold) {
          signal.removeEventListener("abort", end);
          stop();
          resolve(hold);
        },
      });
      const end = () => {
        stop();
        reject(signal.reason);
      };
      signal.addEventListener("abort", end, { once: true });
    });
  }

  /** Gives the lease back and takes no more. Takes at most the lease's length. */
  async close(): Promise<void> {
    this.#closing.abort(registryClosed());
    await this.#running;
  }

  async #run(): Promise<void> {
    const { registry, clock, onFailure } = this.#options;
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted;) {
      let lease;
      try {
        lease = await holdLease(registry, { ttlMs: this.#ttlMs, clock, signal });
        const over = AbortSignal.any([lease.signal, signal]);
        const { epoch, version } = await this.#record(lease.id, over);
        failures = 0;
        const { id, signal: lost, remainingMs } = lease;
        const key = leaseKey(this.node);
        const certain = () => remainingMs() > 0;
        // Whoever listens to the lease's own signal hears before the listeners do.
        lost.addEventListener("abort", () => this.#lost(lost.reason), { once: true });
        this.#tellHeld({ id, epoch, key, version, signal: lost, certain });
        await aborted(over);
      } catch (error) {
        if (signal.aborted) break;
        onFailure?.(asError(error));
        await backOff(this.#options, failures++, signal);
      } finally {
        // Where it lapsed only by this node's clock, others need not wait until it lapses.
        const given = lease?.release();
        if (signal.aborted) await given;
      }
    }
  }

  /** Writes the node's record with its lease. Throws what the registry does, but for silence. */
  async #record(lease: string, signal: AbortSignal): Promise<{ epoch: number; version: number }> {
    const { registry } = this.#options;
    const key = leaseKey(this.node);
    const limits = { deadlineMs: this.#ttlMs / 3, signal };
    for (let failures = 0;; failures++) {
      signal.throwIfAborted();
      try {
        const entry = await registry.get(key, limits);
        const known = entry && decodeRecord(nodeRecordSchema, entry);
        // A write of ours whose answer was lost.
        if (entry?.lease === lease) return { epoch: known!.epoch, version: entry.version };
        const epoch = Math.max(this.#epoch, known?.epoch ?? 0) + 1;
        const result = await registry.transact({
          checks: [{ key, version: entry?.version ?? 0 }],
          sets: [{ key, value: encodeRecord({ epoch }), lease }],
        }, limits);
        if (result.ok) return { epoch, version: result.revision };
      } catch (error) {
        if (!isSilence(error)) throw error;
        this.#options.onFailure?.(asError(error));
      }
      await backOff(this.#options, failures, signal);
    }
  }

  #tellHeld(hold: NodeHold): void {
    this.#epoch = hold.epoch;
    if (!hold.certain()) throw leaseLost(hold.id); // the record took longer than the lease
    this.#hold = hold;
    for (const listener of [...this.#listeners]) listener.held?.(hold, hold.epoch);
  }

  #lost(reason: Error): void {
    if (!this.#hold) return;
    this.#hold = undefined;
    for (const listener of [...this.#listeners]) listener.lost?.(reason);
  }
}
