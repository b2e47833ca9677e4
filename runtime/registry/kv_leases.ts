/**
 * Who says that a lease in Deno KV has lapsed, without comparing clocks of two machines.
 *
 * A lease's record counts its renewals. Whoever judges looks at the records again and again and
 * notes on its own monotonic clock when it first saw a count; a count that stays as it is for the
 * lease's length means that the holder has not renewed it for at least as long. The record's
 * versionstamp is checked when the lease is ended, so a renewal that comes first wins.
 *
 * The node that hosts the embedded registry hears of every renewal itself. It keeps them in memory
 * (no write to disk for each), and every lease begins anew when the host restarts.
 *
 * @module
 */
import { type Clock, type LeaseGrant, leaseLost } from "../../actors/mod.ts";
import { type KvHandle, leaseKey, type LeaseRecord, leasesPrefix, readLease } from "./kv_layout.ts";
import type { KvWriter } from "./kv_writer.ts";

/** Bounds of the pause between two looks at the records, milliseconds. */
const SHORTEST_LOOK_MS = 20;
const LONGEST_LOOK_MS = 2_000;

/** What {@linkcode KvLeases} is made of. */
export interface KvLeasesOptions {
  kv: KvHandle;
  writer: KvWriter;
  clock: Clock;
  /** Does no other process write to this database? Then renewals stay in memory. */
  alone: boolean;
  closed: AbortSignal;
}

/** A lease as this process last saw it. */
interface Seen {
  beat: number;
  ttlMs: number;
  /** Time of this process's clock when this count was first seen, or at the last renewal here. */
  since: number;
}

/** See the module's text. */
export class KvLeases {
  readonly #o: KvLeasesOptions;
  readonly #seen = new Map<string, Seen>();
  #cancel = () => {};
  #looking: Promise<void> | undefined;

  constructor(options: KvLeasesOptions) {
    this.#o = options;
    this.#next(0);
  }

  /** Writes the record of a new lease. */
  async grant(id: string, ttlMs: number): Promise<LeaseGrant> {
    const record: LeaseRecord = { ttlMs, beat: 0, lapsing: false };
    // A second try must not begin it anew: that it is there already is as good.
    await this.#o.kv.atomic().check({ key: leaseKey(id), versionstamp: null })
      .set(leaseKey(id), record).commit();
    this.#note(id, record, this.#o.clock.now());
    this.#next(this.#pause());
    return { id, ttlMs };
  }

  /** Renews a lease. Throws `lease_lost`. */
  async keepAlive(id: string): Promise<void> {
    const stored = await this.#o.kv.get(leaseKey(id));
    const record = readLease(stored);
    if (!record || record.lapsing) throw leaseLost(id);
    if (this.#o.alone) {
      const seen = this.#seen.get(id);
      // Its time is over, and only the deletion of its keys is late.
      if (seen && this.#over(seen)) throw leaseLost(id);
      return this.#note(id, record, this.#o.clock.now());
    }
    const { ok } = await this.#o.kv.atomic().check(stored)
      .set(leaseKey(id), { ...record, beat: record.beat + 1 }).commit();
    if (!ok) throw new Error(`lease ${id} changed while it was renewed`); // the caller tries again
  }

  /** Stops judging. */
  async close(): Promise<void> {
    this.#cancel();
    await this.#looking?.catch(() => {});
  }

  #note(id: string, { ttlMs, beat }: LeaseRecord, since: number): void {
    this.#seen.set(id, { ttlMs, beat, since });
  }

  #over({ since, ttlMs }: Seen): boolean {
    return this.#o.clock.now() - since >= ttlMs;
  }

  /** Milliseconds until the records are looked at again. */
  #pause(): number {
    const shortest = Math.min(...[...this.#seen.values()].map(({ ttlMs }) => ttlMs));
    return Math.max(SHORTEST_LOOK_MS, Math.min(LONGEST_LOOK_MS, shortest / 4));
  }

  #next(ms: number): void {
    this.#cancel();
    if (this.#o.closed.aborted) return;
    this.#cancel = this.#o.clock.after(ms, () => {
      this.#looking ??= this.#look().catch(() => {}).finally(() => {
        this.#looking = undefined;
        this.#next(this.#pause()); // what failed is tried again then
      });
    });
  }

  async #look(): Promise<void> {
    const present = new Set<string>();
    for await (const entry of this.#o.kv.list({ prefix: leasesPrefix })) {
      const id = String(entry.key.at(-1));
      const record = readLease(entry)!;
      present.add(id);
      const seen = this.#seen.get(id);
      if (!seen || seen.beat !== record.beat) {
        this.#note(id, record, this.#o.clock.now());
        if (!record.lapsing) continue;
      }
      if (!record.lapsing && !this.#over(this.#seen.get(id)!)) continue;
      const { versionstamp } = entry;
      // What fails here is tried again at the next look.
      const over = await this.#o.writer.lapse(id, { versionstamp, signal: this.#o.closed });
      if (over) this.#seen.delete(id);
    }
    for (const id of this.#seen.keys()) if (!present.has(id)) this.#seen.delete(id);
  }
}
