/**
 * The succession records that a node believes, on its disk: it shows them to nodes that were away,
 * and follows them from its own authority to the present one.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { fingerprintOf, RecordFile, rollSchema, trustError, trustFolder } from "../trust/mod.ts";
import {
  type KnownCluster,
  recordSchema,
  type Succession,
  type SuccessionRecord,
  verifyRecord,
} from "./record.ts";

/** So many records are kept, and followed one after the other. */
const MAX_RECORDS = 64;

const entrySchema = z.object({
  record: recordSchema,
  /** What was known of the cluster when the record was checked, to check others by. */
  known: z.object({
    authority: z.string(),
    epoch: z.int().optional(),
    roll: rollSchema.optional(),
    revoked: z.array(z.string()),
  }),
});
type Entry = z.infer<typeof entrySchema>;
type Believed = Entry & { succession: Succession };

/** See the module's text. */
export class KnownRecords {
  readonly #file: RecordFile<Entry[]>;
  /** Oldest first. */
  #all: Believed[] = [];

  private constructor(file: RecordFile<Entry[]>) {
    this.#file = file;
  }

  /** The records of a folder. Throws `file_broken` (group `trust`). */
  static async open(data: string): Promise<KnownRecords> {
    const path = join(trustFolder(data), "successions.json");
    const records = new KnownRecords(new RecordFile(path, z.array(entrySchema), () => []));
    await records.#take(await records.#file.read());
    return records;
  }

  /** The record by which this authority, named by its SHA-256, was followed or displaced. */
  after(authority: string): SuccessionRecord | undefined {
    return this.#next(authority)?.record;
  }

  /** The authority to which the chain leads that begins at this one; undefined: nobody followed it. */
  latest(authority: string): Succession | undefined {
    let last: Believed | undefined;
    for (let next = this.#next(authority); next; next = this.#next(next.succession.fingerprint)) {
      last = next; // epochs grow along the chain, so it ends
    }
    return last?.succession;
  }

  /** As {@linkcode latest}, of the authority whose SHA-256 begins so. */
  latestOf(beginning: string): Succession | undefined {
    const { succession } = this.#all.find((b) => b.succession.from.startsWith(beginning)) ??
      this.#all.find((b) => b.succession.fingerprint.startsWith(beginning)) ?? {};
    return succession &&
      this.latest(succession.from.startsWith(beginning) ? succession.from : succession.fingerprint);
  }

  /** The succession by which this authority came; undefined: it was a cluster's first one. */
  before(authority: string): Succession | undefined {
    return this.#made(authority)?.succession;
  }

  /**
   * Checks a record by what is known of the cluster, or, for a cluster that was followed already, by
   * what was known then: of two that follow the same authority the one of the later epoch counts.
   * Returns what it says if it is new, and keeps it. Throws `bad_succession` (group `trust`).
   */
  async consider(
    record: SuccessionRecord,
    current: KnownCluster | undefined,
  ): Promise<Succession | undefined> {
    const from = record.roll.authority;
    const before = this.#highest(from);
    const known = before ? withRemoved(before.known, current) : this.#knownOf(record, current);
    const succession = await verifyRecord(record, known);
    const epoch = Math.max(before?.record.epoch ?? 0, this.latest(from)?.epoch ?? 0);
    if (record.epoch <= epoch) return undefined;
    const entry: Entry = { record, known: { ...known, revoked: [...known.revoked] } };
    await this.#file.update(async (entries) => {
      const same = entries.findIndex((e) =>
        e.record.roll.authority === from && e.record.epoch === record.epoch
      );
      if (same >= 0) entries.splice(same, 1); // of another node with this folder
      entries.splice(0, Math.max(0, entries.length + 1 - MAX_RECORDS));
      entries.push(entry);
      await this.#take(entries);
    });
    return succession;
  }

  /** The record that leads on from an authority. */
  #next(authority: string): Believed | undefined {
    const made = this.#made(authority);
    const rival = made && this.#highest(made.succession.from);
    const follower = this.#highest(authority);
    const displaced = rival && rival.record.epoch > made.record.epoch &&
      rival.record.epoch > (follower?.record.epoch ?? 0);
    return displaced ? rival : follower;
  }

  /** Of the records that follow an authority, the one of the latest epoch. */
  #highest(from: string): Believed | undefined {
    return this.#all.filter((b) => b.succession.from === from)
      .reduce<Believed | undefined>(
        (a, b) => a && a.record.epoch >= b.record.epoch ? a : b,
        undefined,
      );
  }

  #made(authority: string): Believed | undefined {
    return this.#all.find((b) => b.succession.fingerprint === authority);
  }

  /** What is known of the cluster that a record is about. */
  #knownOf(record: SuccessionRecord, current: KnownCluster | undefined): KnownCluster {
    const cluster = record.roll.authority;
    if (current && fingerprintOf(new X509Certificate(current.authority)) === cluster) {
      return current;
    }
    const made = this.#made(cluster);
    if (!made) {
      throw trustError("bad_succession", "it is about a cluster that this node never knew");
    }
    // Its first node was followed before this node heard of any of its rolls.
    const { authority, epoch } = made.succession;
    return withRemoved({ authority, epoch, revoked: made.known.revoked }, current);
  }

  async #take(entries: Entry[]): Promise<void> {
    const all: Believed[] = [];
    for (const { record, known } of entries) {
      all.push({ record, known, succession: await verifyRecord(record, known) });
    }
    this.#all = all;
  }
}

/** A node that was removed since does not count in an earlier epoch either. */
function withRemoved(known: KnownCluster, current: KnownCluster | undefined): KnownCluster {
  return { ...known, revoked: [...new Set([...known.revoked, ...current?.revoked ?? []])] };
}
