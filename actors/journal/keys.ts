/**
 * Idempotency keys: which request stands for a key, in the whole cluster.
 *
 * | key in the registry    | value                    | lease                                   |
 * | ---------------------- | ------------------------ | --------------------------------------- |
 * | `idempotency/SHA-256`  | {@linkcode IdempotencyRecord}    | of the node that took it, for a day     |
 *
 * The name is the hash of who asked and of the client's key, so that a registry's listing tells no
 * client's keys. A node takes a lease each 12 hours and never renews it: so a key vanishes a day after
 * it was taken at the earliest, and 12 hours later at the latest.
 *
 * @module
 */
import { z } from "zod";
import { readJson, type Registry } from "../registry/mod.ts";
import { type Clock, hasCode, OrreryError } from "../system/mod.ts";
import { writeForCertain } from "./write_for_certain.ts";

/** First part of the keys of these records. */
export const IDEMPOTENCY = "idempotency/";

/** Milliseconds for which a key is kept. */
export const KEY_KEPT_MS: number = 24 * 3_600_000;
/** Milliseconds for which a node puts keys under one lease. */
const LEASE_USED_MS = 12 * 3_600_000;
/** Keys that one node takes with one lease. */
const MOST_KEYS = 50_000;
/** Milliseconds in which the registry must answer. */
const REGISTRY_MS = 5_000;

const recordSchema = z.object({
  /** The request that stands for the key. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  /** SHA-256 of what was asked, in hexadecimal digits. */
  asked: z.string(),
  /** Seed of the answer's first choice. */
  seed: z.number().int().nonnegative(),
});

/** What stands for a key. */
export type IdempotencyRecord = z.infer<typeof recordSchema>;

/** Options of {@linkcode IdempotencyKeys}. */
export interface KeysOptions {
  /** The cluster's registry, as this node reaches it now. */
  registry(): Registry;
  /** Times the use of leases. */
  clock: Clock;
  /** Uniform in [0, 1); names writes. */
  random(): number;
}

/** See the module's text. */
export class IdempotencyKeys {
  readonly #options: KeysOptions;
  #lease?: Promise<{ id: string; until: number; keys: number }>;

  /** No key is taken yet. */
  constructor(options: KeysOptions) {
    this.#options = options;
  }

  /**
   * Takes a key for the request `wanted.id`, or tells what stands for it already. `instead`: the
   * record that was read before and stands for a request that is lost. Throws group `journal`:
   * `key_reused` where something else was asked under this key, `keys_unavailable` while the registry
   * does not answer or this node has taken too many keys.
   */
  async take(
    name: string,
    wanted: IdempotencyRecord,
    instead?: IdempotencyRecord,
  ): Promise<{ taken: boolean; record: IdempotencyRecord }> {
    try {
      return await this.#take(IDEMPOTENCY + name, wanted, instead);
    } catch (error) {
      if (error instanceof OrreryError && error.group === "journal") throw error;
      throw keysUnavailable("the cluster's registry does not answer", error);
    }
  }

  async #take(key: string, wanted: IdempotencyRecord, instead?: IdempotencyRecord) {
    const { registry, clock, random } = this.#options;
    const since = clock.now();
    for (;;) {
      const entry = await registry().get(key, { deadlineMs: REGISTRY_MS });
      const record = entry && decode(entry.key, entry.value);
      if (record && record.asked !== wanted.asked) throw keyReused();
      if (record && record.id !== instead?.id) return { taken: record.id === wanted.id, record };
      const lease = await this.#leased();
      const value = new TextEncoder().encode(JSON.stringify(wanted));
      const within = () => clock.now() - since < REGISTRY_MS;
      try {
        const result = await writeForCertain(registry(), {
          checks: [{ key, version: entry?.version ?? 0 }],
          sets: [{ key, value, lease }],
        }, { clock, random, within });
        if (result.ok) return { taken: true, record: wanted };
      } catch (error) {
        // The coordinator has begun anew, and knows no leases of before.
        if (!hasCode(error, "lease_lost") || !within()) throw error;
        this.#lease = undefined;
      }
    }
  }

  /** Gives a key back whose request was refused. It stays where the registry does not answer. */
  async giveBack(name: string, { id }: IdempotencyRecord): Promise<void> {
    const { registry } = this.#options;
    const key = IDEMPOTENCY + name;
    try {
      const entry = await registry().get(key, { deadlineMs: REGISTRY_MS });
      if (!entry || decode(entry.key, entry.value).id !== id) return;
      const checks = [{ key, version: entry.version }];
      await registry().transact({ checks, deletes: [key] }, { deadlineMs: REGISTRY_MS });
    } catch {
      // Whoever comes with the key finds that no node knows its request, and takes it over.
    }
  }

  /** The lease for keys that are taken now. */
  async #leased(): Promise<string> {
    const { clock, registry } = this.#options;
    const current = await this.#lease?.catch(() => undefined);
    if (current && clock.now() < current.until) {
      if (++current.keys <= MOST_KEYS) return current.id;
      throw keysUnavailable(`this node has taken ${MOST_KEYS} keys in 12 hours`);
    }
    const lease = this.#lease = (async () => {
      const { id } = await registry().grant(KEY_KEPT_MS + LEASE_USED_MS, {
        deadlineMs: REGISTRY_MS,
      });
      return { id, until: clock.now() + LEASE_USED_MS, keys: 1 };
    })();
    return (await lease).id;
  }
}

function decode(key: string, value: Uint8Array): IdempotencyRecord {
  return readJson(recordSchema, { key, value });
}

const keyReused = () =>
  new OrreryError({
    group: "journal",
    code: "key_reused",
    message:
      "this Idempotency-Key stands for another request: repeat that one unchanged, or take " +
      "a new key",
  });

const keysUnavailable = (why: string, cause?: unknown) =>
  new OrreryError({
    group: "journal",
    code: "keys_unavailable",
    message: `no Idempotency-Key can be honoured now: ${why}; try again, or send none`,
    metadata: { retry_after_s: 2 },
    cause,
  });
