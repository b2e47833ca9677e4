/**
 * How a client of etcd learns whether a write landed whose reply was lost.
 *
 * Each transaction goes through a lane: a key of this client alone, whose revision the transaction
 * compares and to which it writes its id. So a transaction that is sent twice lands once, however
 * late the first one arrives: the second finds the lane changed and reads whose id it holds. A
 * transaction that is found not to have landed, while an earlier try may still be under way, moves
 * the lane's fence, a second key that is compared too: the earlier try then comes to nothing.
 *
 * One transaction at a time uses a lane. Lanes are keys with a lease, and vanish with their client.
 *
 * @module
 */
import { EtcdClient, EtcdError } from "./etcd_client.ts";
import { emptySchema, encodeKey, grantSchema, txnSchema } from "./etcd_wire.ts";

/** Seconds after which the lanes of a client that is gone vanish. */
const SESSION_S = 60;
const RENEW_MS = 20_000;
/** Most ids of transactions with known outcomes that are remembered. */
const MAX_SETTLED = 1_000;
/** Most lanes that wait for another try of a transaction whose outcome is not known. */
const MAX_UNSETTLED = 256;

/** See the module's text. */
export interface EtcdLane {
  /** Holds the id of the last transaction that landed. */
  key: string;
  /** Revision of `key`. */
  landed: number;
  /** Changed to make earlier tries fail. */
  fence: string;
  /** Revision of `fence`. */
  fenced: number;
}

/** The lanes of one client. */
export class EtcdLanes {
  readonly #client: EtcdClient;
  readonly #root: string;
  readonly #closed: AbortSignal;
  #free: EtcdLane[] = [];
  readonly #unsettled = new Map<string, EtcdLane>();
  readonly #settled = new Map<string, number>();
  #session: Promise<string> | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;

  /** `root` is what the names of lanes begin with. */
  constructor(client: EtcdClient, options: { root: string; closed: AbortSignal }) {
    this.#client = client;
    this.#root = options.root;
    this.#closed = options.closed;
  }

  /** The revision of the transaction with this id, if it is known to have landed. */
  landed(id: string): number | undefined {
    return this.#settled.get(id);
  }

  /** The lane of an earlier try of this id whose outcome is not known. */
  unsettled(id: string): EtcdLane | undefined {
    const lane = this.#unsettled.get(id);
    this.#unsettled.delete(id);
    return lane;
  }

  /** A lane that nobody uses. */
  async take(signal: AbortSignal): Promise<EtcdLane> {
    return this.#free.pop() ?? await this.#create(signal);
  }

  /** The outcome is known: the lane may be used again. */
  release(lane: EtcdLane, outcome?: { id: string; revision: number }): void {
    this.#free.push(lane);
    if (!outcome) return;
    this.#settled.set(outcome.id, outcome.revision);
    if (this.#settled.size > MAX_SETTLED) {
      this.#settled.delete(this.#settled.keys().next().value!);
    }
  }

  /** The outcome of this id is not known: its lane is kept for the next try. */
  keep(id: string, lane: EtcdLane): void {
    this.#unsettled.set(id, lane);
    if (this.#unsettled.size > MAX_UNSETTLED) {
      this.#unsettled.delete(this.#unsettled.keys().next().value!);
    }
  }

  /** A lane's key is gone: the session has lapsed, and all other lanes with it. */
  lost(): void {
    this.#session = undefined;
    this.#free = [];
  }

  /** Takes the lanes away, if that can be done at once. */
  async close(signal: AbortSignal): Promise<void> {
    clearTimeout(this.#renewal);
    const ID = await this.#session?.catch(() => undefined);
    if (ID === undefined) return;
    await this.#client.call("/v3/lease/revoke", { ID }, { schema: emptySchema, signal })
      .catch(() => {}); // they vanish by themselves
  }

  async #create(signal: AbortSignal): Promise<EtcdLane> {
    const lease = await (this.#session ??= this.#begin(signal));
    const name = crypto.randomUUID();
    const [key, fence] = [`${this.#root}${name}/landed`, `${this.#root}${name}/fence`];
    const success = [key, fence].map((key) => ({ request_put: { key: encodeKey(key), lease } }));
    try {
      const { header: { revision } } = await this.#client.call("/v3/kv/txn", { success }, {
        schema: txnSchema,
        signal,
      });
      return { key, landed: revision, fence, fenced: revision };
    } catch (error) {
      if (error instanceof EtcdError && error.leaseNotFound) this.lost();
      throw error;
    }
  }

  async #begin(signal: AbortSignal): Promise<string> {
    try {
      const request = { TTL: String(SESSION_S), ID: "0" };
      const { ID } = await this.#client.call("/v3/lease/grant", request, {
        schema: grantSchema,
        signal,
      });
      this.#renewLater(ID);
      return ID;
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }

  #renewLater(ID: string): void {
    clearTimeout(this.#renewal);
    this.#renewal = setTimeout(async () => {
      if (this.#closed.aborted) return;
      const signal = AbortSignal.any([this.#closed, AbortSignal.timeout(RENEW_MS / 4)]);
      // If it fails, the next one is tried; a lane that is gone is noticed by whoever uses it.
      await renewLease(this.#client, ID, signal).catch(() => {});
      if (!this.#closed.aborted) this.#renewLater(ID);
    }, RENEW_MS);
    Deno.unrefTimer(Number(this.#renewal)); // nobody waits for it
  }
}

/** Renews a lease; false: it has lapsed. */
export async function renewLease(
  client: EtcdClient,
  ID: string,
  signal: AbortSignal,
): Promise<boolean> {
  const enough = new AbortController();
  const options = { schema: grantSchema, signal: AbortSignal.any([signal, enough.signal]) };
  const { member } = client;
  try {
    for await (const { TTL } of client.stream("/v3/lease/keepalive", { ID }, options)) {
      return TTL > 0;
    }
    throw new Error("no answer to a renewal");
  } catch (error) {
    client.leave(member);
    throw error;
  } finally {
    enough.abort();
  }
}
