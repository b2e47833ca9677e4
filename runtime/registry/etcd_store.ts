/**
 * A registry in etcd (3.4 or later), by its JSON gateway.
 *
 *     PREFIX d/KEY              values
 *     PREFIX w/LANE/...         see `etcd_lanes.ts`
 *
 * @module
 */
import {
  type LeaseGrant,
  leaseLost,
  noAnswer,
  outcomeUnknown,
  type RegistryChanges,
  registryClosed,
  type RegistryEntry,
  type RegistryListing,
  type RegistryOptions,
  type TransactionResult,
} from "../../actors/mod.ts";
import { EtcdClient, EtcdError } from "./etcd_client.ts";
import { type EtcdLane, EtcdLanes, renewLease } from "./etcd_lanes.ts";
import type { EtcdAddress } from "./etcd_url.ts";
import { watchEtcd } from "./etcd_watch.ts";
import {
  decodeText,
  emptySchema,
  encodeKey,
  encodeValue,
  entryOf,
  grantSchema,
  keysBetween,
  keysWith,
  rangeSchema,
  revisionIs,
  txnSchema,
} from "./etcd_wire.ts";
import { retrying } from "./patience.ts";
import { endOf, type Store, type StoreTransaction } from "./store.ts";

/** Keys that a listing reads at once. */
const PAGE = 500;
/** Milliseconds that one member may take to answer, unless the address says otherwise. */
const TRY_MS = 2_000;
const GOODBYE_MS = 500;

/** See the module's text. */
export class EtcdStore implements Store {
  readonly #client: EtcdClient;
  readonly #data: string;
  readonly #lanes: EtcdLanes;
  readonly #tryMs: number;
  readonly #closing = new AbortController();

  private constructor(client: EtcdClient, { prefix, tryMs = TRY_MS }: EtcdAddress) {
    this.#client = client;
    this.#tryMs = tryMs;
    this.#data = `${prefix}d/`;
    this.#lanes = new EtcdLanes(client, { root: `${prefix}w/`, closed: this.#closing.signal });
  }

  /** Nothing is sent yet. Throws `registry/bad_url` where a file is not there. */
  static async open(address: EtcdAddress): Promise<EtcdStore> {
    return new EtcdStore(await EtcdClient.open(address), address);
  }

  /** The members are at these base URLs from now on. */
  follow(endpoints: string[]): void {
    this.#client.follow(endpoints);
  }

  get(key: string, options: RegistryOptions = {}): Promise<RegistryEntry | undefined> {
    return this.#try("get", options, async (signal) => {
      const request = { key: encodeKey(this.#data + key) };
      const { kvs } = await this.#client.call("/v3/kv/range", request, {
        schema: rangeSchema,
        signal,
      });
      return kvs.length > 0 ? entryOf(kvs[0], this.#data) : undefined;
    });
  }

  list(prefix: string, options: RegistryOptions = {}): Promise<RegistryListing> {
    return this.#try("list", options, async (signal) => {
      const entries: RegistryEntry[] = [];
      let from = this.#data + prefix;
      let revision: number | undefined;
      for (;;) {
        const page = await this.#client.call("/v3/kv/range", {
          ...keysBetween(from, endOf(this.#data + prefix)),
          limit: String(PAGE),
          ...revision === undefined ? {} : { revision: String(revision) },
        }, { schema: rangeSchema, signal });
        revision ??= page.header.revision;
        entries.push(...page.kvs.map((pair) => entryOf(pair, this.#data)));
        if (!page.more) return { entries, revision };
        from = `${decodeText(page.kvs.at(-1)!.key)}\0`;
      }
    });
  }

  async transact(
    transaction: StoreTransaction,
    options: RegistryOptions = {},
  ): Promise<TransactionResult> {
    const { id } = transaction;
    const landed = this.#lanes.landed(id);
    if (landed !== undefined) return { ok: true, revision: landed };
    const write: EtcdWrite = { transaction, lane: this.#lanes.unsettled(id), sent: false };
    write.sent = write.lane !== undefined;
    const late = (deadlineMs: number, cause: unknown) =>
      write.sent ? outcomeUnknown(id, deadlineMs, cause) : noAnswer("a write", deadlineMs, cause);
    try {
      const result = await retrying(
        { ...options, closed: this.#closing.signal, late, tryMs: this.#tryMs },
        (signal) => this.#write(write, signal),
      );
      const outcome = result.ok ? { id, revision: result.revision } : undefined;
      if (write.lane) this.#lanes.release(write.lane, outcome);
      return result;
    } catch (error) {
      if (write.lane && write.sent) this.#lanes.keep(id, write.lane);
      else if (write.lane) this.#lanes.release(write.lane);
      throw error;
    }
  }

  grant(ttlMs: number, options: RegistryOptions = {}): Promise<LeaseGrant> {
    return this.#try("grant", options, async (signal) => {
      const request = { TTL: String(Math.ceil(ttlMs / 1000)), ID: "0" };
      const { ID, TTL } = await this.#client.call("/v3/lease/grant", request, {
        schema: grantSchema,
        signal,
      });
      return { id: ID, ttlMs: TTL * 1000 };
    });
  }

  keepAlive(lease: string, options: RegistryOptions = {}): Promise<void> {
    return this.#try("keepAlive", options, async (signal) => {
      if (!isLease(lease) || !await renewLease(this.#client, lease, signal)) throw leaseLost(lease);
    });
  }

  revoke(lease: string, options: RegistryOptions = {}): Promise<void> {
    return this.#try("revoke", options, async (signal) => {
      if (!isLease(lease)) return;
      try {
        const request = { ID: lease };
        await this.#client.call("/v3/lease/revoke", request, { schema: emptySchema, signal });
      } catch (error) {
        if (!(error instanceof EtcdError && error.leaseNotFound)) throw error;
      }
    });
  }

  watch(
    prefix: string,
    { from, signal }: { from: number; signal?: AbortSignal },
  ): AsyncIterable<RegistryChanges> {
    const { signal: closed } = this.#closing;
    return watchEtcd(this.#client, { root: this.#data, prefix, from, signal, closed });
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(registryClosed());
    const enough = new AbortController();
    const timer = setTimeout(() => enough.abort(), GOODBYE_MS);
    await this.#lanes.close(enough.signal);
    clearTimeout(timer);
    this.#client.close();
  }

  /** One try of a transaction. */
  async #write(write: EtcdWrite, signal: AbortSignal): Promise<TransactionResult> {
    const { id, checks = [], sets = [] } = write.transaction;
    const lease = sets.find((set) => set.lease !== undefined && !isLease(set.lease))?.lease;
    if (lease !== undefined) throw leaseLost(lease);
    const lane = write.lane ??= await this.#lanes.take(signal);
    const again = write.sent; // an earlier try may have landed, or may land yet
    write.sent = true;
    let answer;
    try {
      answer = await this.#client.call("/v3/kv/txn", {
        compare: [
          ...conditions(lane),
          ...checks.map((c) => revisionIs(this.#data + c.key, c.version)),
        ],
        success: this.#changes(write.transaction, lane),
        failure: [
          ...[lane.key, lane.fence, ...checks.map(({ key }) => this.#data + key)].map((key) => ({
            request_range: { key: encodeKey(key) },
          })),
          ...again ? [moveFence(lane)] : [],
        ],
      }, { schema: txnSchema, signal });
    } catch (error) {
      if (error instanceof EtcdError && error.keyNotFound) this.#laneLost(write, again);
      if (!(error instanceof EtcdError && error.leaseNotFound)) throw error;
      const revision = again ? await this.#settle(id, lane, signal) : undefined;
      write.sent = false; // now it is known
      if (revision === undefined) throw leaseLost(sets.map((set) => set.lease ?? "").join(" "));
      return { ok: true, revision };
    }
    if (answer.succeeded) {
      lane.landed = answer.header.revision;
      return { ok: true, revision: lane.landed };
    }
    const [[held], [fence], ...found] = answer.responses.map((r) => r.response_range?.kvs ?? []);
    if (!held) this.#laneLost(write, again);
    if (decodeText(held.value) === id) {
      lane.landed = held.mod_revision;
      return { ok: true, revision: lane.landed };
    }
    lane.fenced = again ? answer.header.revision : fence?.mod_revision ?? 0;
    const conflicts = checks
      .map(({ key }, i) => ({ key, version: found[i][0]?.mod_revision ?? 0 }))
      .filter(({ version }, i) => version !== checks[i].version);
    if (conflicts.length > 0) return { ok: false, conflicts };
    throw new Error("the fence of an earlier try was found"); // and is known now
  }

  /** The lane's lease lapsed: what an earlier try did cannot be known any more. */
  #laneLost(write: EtcdWrite, again: boolean): never {
    this.#lanes.lost();
    write.lane = undefined;
    write.sent = false;
    const why = new Error("the lease of this client lapsed meanwhile");
    throw again ? outcomeUnknown(write.transaction.id, this.#tryMs, why) : why;
  }

  /** Has an earlier try landed? Gives its revision; undefined: it has not, and never will. */
  async #settle(id: string, lane: EtcdLane, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.#client.call("/v3/kv/txn", {
      compare: [revisionIs(lane.key, lane.landed)],
      success: [moveFence(lane)],
      failure: [{ request_range: { key: encodeKey(lane.key) } }],
    }, { schema: txnSchema, signal });
    if (answer.succeeded) {
      lane.fenced = answer.header.revision;
      return undefined;
    }
    const held = answer.responses[0]?.response_range?.kvs[0];
    if (!held || decodeText(held.value) !== id) return undefined;
    return lane.landed = held.mod_revision;
  }

  #changes(
    { id, sets = [], deletes = [], clears = [] }: StoreTransaction,
    lane: EtcdLane,
  ): unknown[] {
    const ranges = [
      ...deletes.map((key) => ({ key: encodeKey(this.#data + key) })),
      ...clears.flatMap(({ prefix, except }) => {
        const [whole, kept] = [this.#data + prefix, this.#data + (except ?? "")];
        if (except === undefined) return [keysWith(whole)];
        return [keysBetween(whole, kept), keysBetween(endOf(kept), endOf(whole))];
      }),
    ];
    const puts = [
      ...sets.map(({ key, value, lease }) => ({
        key: encodeKey(this.#data + key),
        value: encodeValue(value),
        ...lease === undefined ? {} : { lease },
      })),
      { key: encodeKey(lane.key), value: encodeKey(id), ignore_lease: true },
    ];
    return [
      ...ranges.map((request_delete_range) => ({ request_delete_range })),
      ...puts.map((request_put) => ({ request_put })),
    ];
  }

  #try<T>(
    what: string,
    options: RegistryOptions,
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return retrying({
      ...options,
      closed: this.#closing.signal,
      tryMs: this.#tryMs,
      late: (deadlineMs, cause) => noAnswer(what, deadlineMs, cause),
    }, attempt);
  }
}

/** A transaction on its way. */
interface EtcdWrite {
  transaction: StoreTransaction;
  lane?: EtcdLane;
  /** It may have landed. */
  sent: boolean;
}

const conditions = (lane: EtcdLane) => [
  revisionIs(lane.key, lane.landed),
  revisionIs(lane.fence, lane.fenced),
];

const moveFence = (lane: EtcdLane) => ({
  request_put: { key: encodeKey(lane.fence), value: "", ignore_lease: true },
});

/** Is it the name of a lease of etcd, a positive int64? */
const isLease = (text: string): boolean => /^[1-9]\d{0,18}$/.test(text);
