/**
 * Who coordinates: one node at a time, elected by its lease, for a term.
 *
 * A candidate takes the key `coordinator` with its node's lease, where nobody has it; the same
 * transaction advances the epoch of the coordinator's address, so every term has a number of its
 * own. The term ends when its holder is no longer certain of its lease, which is before the key
 * vanishes and another candidate can take it. Everybody else follows by a watch.
 *
 * @module
 */
import { type Registry, registryClosed, type RegistryEntry } from "../registry/mod.ts";
import type { NodeId, Ownership } from "../system/mod.ts";
import { deposed, resigned } from "./errors.ts";
import { followKey } from "./follow_key.ts";
import type { NodeHold, NodeLease } from "./node_lease.ts";
import {
  COORDINATOR_KEY,
  decodeRecord,
  encodeRecord,
  ownerRecordKey,
  ownerRecordSchema,
  type Term,
  termSchema,
} from "./records.ts";
import { aborted, asError, backOff, pause, randomName, type Timing } from "./waiting.ts";

/** A node that may coordinate. */
export interface CandidateNode {
  /** This node; that of the lease. */
  node: NodeId;
  /** Where its mailbox listens, as other nodes reach it. */
  host: string;
  /** Port of its mailbox. */
  port: number;
}

/** Options of an {@linkcode Election}. */
export interface ElectionOptions extends Timing {
  /** Where the coordinator is elected. */
  registry: Registry;
  /** Address of the actor that the coordinator runs; its epochs are the numbers of terms. */
  address: string;
  /** This node's lease; only a candidate needs one. */
  lease?: NodeLease;
  /** This node as a candidate. @default it only follows */
  candidate?: CandidateNode;
  /** Told who coordinates, whenever that changes; undefined: nobody, as far as is known. */
  onTerm?: (term: Term | undefined) => void;
  /**
   * Told that this node coordinates, after `onTerm` with its own term. `signal` aborts at the end of its term: at the moment from
   * which its lease is not certain, before anybody else can be elected; or when it resigned. Whoever
   * is about to act asks `ownership.certain()`, as the signal is late in a process that stood still.
   */
  onElected?: (term: Term, signal: AbortSignal, ownership: Ownership) => void;
  /** Told of each try that failed: the registry does not answer, or holds something else. */
  onFailure?: (error: Error) => void;
  /** Milliseconds after which a candidate looks anew, should a watch tell nothing. @default 1000 */
  lookMs?: number;
}

/** A term of this node. */
interface OwnTerm {
  readonly term: Term;
  /** Version of the key `coordinator`. */
  readonly version: number;
  readonly ended: AbortController;
  readonly ownership: Ownership;
}

/** See the module's text. */
export class Election {
  readonly #options: ElectionOptions;
  readonly #closing = new AbortController();
  #running?: Promise<unknown>;
  #current?: Term;
  /** Revision as of which `#current` was so. */
  #seen = 0;
  #own?: OwnTerm;
  /** Ends a candidate's wait: the key has changed. */
  #woken = new AbortController();
  #resigned?: PromiseWithResolvers<void>;

  /** Throws TypeError for a candidate without a lease, or with that of another node. */
  constructor(options: ElectionOptions) {
    const { candidate, lease } = options;
    if (candidate && candidate.node !== lease?.node) {
      throw new TypeError(`candidate ${candidate.node} needs the lease of its own node`);
    }
    this.#options = options;
  }

  /** The coordinator that was last known; undefined: there is none, or none is known yet. */
  get current(): Term | undefined {
    return this.#current;
  }

  /** This node's right to act as coordinator; undefined: it has none for certain. */
  get ownership(): Ownership | undefined {
    const own = this.#own?.ownership;
    return own?.certain() ? own : undefined;
  }

  /** Begins to follow and, as a candidate, to stand. Throws TypeError when called before. */
  start(): void {
    if (this.#running) throw new TypeError("this election was started before");
    const { candidate } = this.#options;
    const follow = followKey({
      ...this.#options,
      key: COORDINATOR_KEY,
      signal: this.#closing.signal,
      onValue: (entry, revision) => this.#see(entry, revision),
    });
    this.#running = Promise.all([follow, candidate && this.#stand(candidate)]);
  }

  /**
   * Ends this node's term, if it has one, and leaves the next to others for one length of the
   * lease. Resolves when the registry knows; at the latest when the lease has lapsed.
   */
  async resign(): Promise<void> {
    if (this.#own) {
      this.#resigned ??= Promise.withResolvers();
      this.#own.ended.abort(resigned(this.#own.term));
    }
    await this.#resigned?.promise;
  }

  /** Ends a term as {@linkcode Election.resign}, stands and follows no more. */
  async close(): Promise<void> {
    this.#own?.ended.abort(resigned(this.#own.term));
    this.#closing.abort(registryClosed());
    await this.#running;
  }

  /** Takes note of what the key holds. */
  #see(entry: RegistryEntry | undefined, revision: number): void {
    if (revision < this.#seen) return; // a watch that is behind what this node did itself
    this.#seen = revision;
    let term: Term | undefined;
    try {
      term = entry && decodeRecord(termSchema, entry);
    } catch (error) {
      this.#options.onFailure?.(asError(error));
    }
    const own = this.#own;
    // Nobody deletes the key of a lease that lives, unless somebody else decides who coordinates.
    if (own && revision > own.version && entry?.version !== own.version) {
      own.ended.abort(deposed(own.term));
    }
    this.#know(term);
    this.#woken.abort();
  }

  #know(term: Term | undefined): void {
    const before = this.#current;
    if (before?.epoch === term?.epoch && before?.node === term?.node) return;
    this.#current = term;
    this.#options.onTerm?.(term);
  }

  /** Stands as a candidate with one lease after the other. */
  async #stand(candidate: CandidateNode): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const hold = await this.#options.lease!.held({ signal }).catch(() => undefined);
      if (hold) await this.#standWith(hold, candidate, AbortSignal.any([hold.signal, signal]));
    }
  }

  /** Stands until this lease, or the election, is over. */
  async #standWith(hold: NodeHold, candidate: CandidateNode, over: AbortSignal): Promise<void> {
    const { lookMs = 1_000, onFailure } = this.#options;
    over.addEventListener("abort", () => this.#woken.abort(), { once: true });
    for (let failures = 0; !over.aborted;) {
      try {
        const woken = this.#woken = new AbortController();
        const won = await this.#take(hold, candidate, over);
        failures = 0;
        if (won) await this.#lead(won, hold, over);
        else await pause(this.#options, lookMs, woken.signal);
      } catch (error) {
        if (over.aborted) return;
        onFailure?.(asError(error));
        await backOff(this.#options, failures++, over);
      }
    }
  }

  /**
   * Takes the key if nobody has it. A write whose answer is lost throws; the next call finds by
   * reading whether it landed. Undefined: another has the key.
   */
  async #take(
    hold: NodeHold,
    candidate: CandidateNode,
    signal: AbortSignal,
  ): Promise<{ term: Term; version: number } | undefined> {
    const { registry, address, random, lease } = this.#options;
    const limits = { signal, deadlineMs: lease!.ttlMs / 2 };
    const key = COORDINATOR_KEY;
    const taken = await registry.get(key, limits);
    if (taken && taken.lease !== hold.id) return undefined;
    if (taken) return { term: decodeRecord(termSchema, taken), version: taken.version };
    const ownerKey = ownerRecordKey(address);
    const owner = await registry.get(ownerKey, limits);
    const before = owner ? decodeRecord(ownerRecordSchema, owner).epoch : 0;
    const term: Term = { ...candidate, epoch: before + 1 };
    const { node, epoch } = term;
    const record = { node, epoch, lease_epoch: hold.epoch, claim: randomName(random) };
    const result = await registry.transact({
      checks: [
        { key, version: 0 },
        { key: ownerKey, version: owner?.version ?? 0 },
        { key: hold.key, version: hold.version },
      ],
      sets: [
        { key, value: encodeRecord(term), lease: hold.id },
        { key: ownerKey, value: encodeRecord(record) },
      ],
    }, limits);
    return result.ok ? { term, version: result.revision } : undefined;
  }

  /** Coordinates until the term ends. */
  async #lead(
    { term, version }: { term: Term; version: number },
    hold: NodeHold,
    over: AbortSignal,
  ): Promise<void> {
    const ended = new AbortController();
    const end = () => ended.abort(over.reason);
    if (!hold.certain() || over.aborted) return;
    over.addEventListener("abort", end, { once: true });
    const certain = () => !ended.signal.aborted && hold.certain();
    const own = {
      term,
      version,
      ended,
      ownership: { epoch: term.epoch, signal: ended.signal, certain },
    };
    this.#own = own;
    this.#seen = Math.max(this.#seen, version);
    this.#know(term);
    this.#options.onElected?.(term, ended.signal, own.ownership);
    await aborted(ended.signal);
    over.removeEventListener("abort", end);
    this.#own = undefined;
    if (this.#current?.epoch === term.epoch) this.#know(undefined);
    await this.#giveUp(version, hold);
    const told = this.#resigned;
    this.#resigned = undefined;
    told?.resolve();
    if (told && !over.aborted) await pause(this.#options, this.#options.lease!.ttlMs, over);
  }

  /**
   * Deletes the key of a term that has ended. As long as that is not known to have happened this
   * node must not stand again with the same lease: it would find its own key and lead, while the
   * deletion may still be on its way.
   */
  async #giveUp(version: number, hold: NodeHold): Promise<void> {
    const { registry, lease } = this.#options;
    for (let failures = 0; hold.certain(); failures++) {
      try {
        await registry.transact({
          checks: [{ key: COORDINATOR_KEY, version }],
          deletes: [COORDINATOR_KEY],
        }, { deadlineMs: lease!.ttlMs / 2, signal: hold.signal });
        return; // deleted now, or its version has changed before
      } catch (error) {
        if (hold.signal.aborted) return;
        this.#options.onFailure?.(asError(error));
        if (this.#closing.signal.aborted) return; // it never stands again, and the lease will lapse
      }
      await backOff(this.#options, failures, hold.signal);
    }
  }
}
