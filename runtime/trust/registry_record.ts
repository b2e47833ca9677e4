/**
 * A small JSON value in the registry, which several nodes change: each change names the version that
 * it was made from, so none is lost.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { hasCode, readJson, type Registry, type RegistryEntry } from "../../actors/mod.ts";
import { trustError } from "./errors.ts";
import type { RecordStore } from "./record_store.ts";

/** Most tries of a change that others forestall; each try takes what they wrote into account. */
const TRIES = 100;
/** Longest pause between two tries, milliseconds. */
const PAUSE_MS = 50;
/** How often a write whose answer was lost is sent again. */
const RESENDS = 3;

/** See the module's text. */
export class RegistryRecord<T> implements RecordStore<T> {
  readonly #registry: Pick<Registry, "get" | "transact">;
  readonly #key: string;
  readonly #schema: z.ZodType<T>;
  readonly #initial: () => T;

  /** `initial` makes the value where the registry has none yet. */
  constructor(
    registry: Pick<Registry, "get" | "transact">,
    key: string,
    schema: z.ZodType<T>,
    initial: () => NoInfer<T>,
  ) {
    this.#registry = registry;
    this.#key = key;
    this.#schema = schema;
    this.#initial = initial;
  }

  /** The value. Throws `wrong_data` (group `registry`), and what the registry throws. */
  async read(): Promise<T> {
    return this.#parse(await this.#registry.get(this.#key));
  }

  /**
   * Lets `change` change the value in place, and stores it unless `change` throws. It is called anew
   * on the new value where another node has changed it meanwhile. Returns what `change` returns.
   */
  async update<R>(change: (value: T) => R | Promise<R>): Promise<R> {
    for (let i = 0; i < TRIES; i++) {
      const entry = await this.#registry.get(this.#key);
      const value = this.#parse(entry);
      const result = await change(value);
      if (await this.#write(value, entry?.version ?? 0)) return result;
      await sleep(Math.random() * PAUSE_MS);
    }
    throw trustError(
      "record_busy",
      `other nodes have changed ${this.#key} in the registry ${TRIES} times meanwhile; try again`,
      { key: this.#key },
    );
  }

  /** Version of the value in the registry; 0: there is none. */
  async version(): Promise<number> {
    return (await this.#registry.get(this.#key))?.version ?? 0;
  }

  /**
   * Writes the value over this version; false: the version has passed. Where the answer was lost,
   * the same write with the same id is answered as it was.
   */
  async #write(value: T, version: number): Promise<boolean> {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const id = crypto.randomUUID();
    const checks = [{ key: this.#key, version }];
    for (let resends = 0;; resends++) {
      try {
        const sets = [{ key: this.#key, value: bytes }];
        return (await this.#registry.transact({ id, checks, sets })).ok;
      } catch (error) {
        if (!hasCode(error, "outcome_unknown") || resends === RESENDS) throw error;
      }
    }
  }

  #parse(entry: RegistryEntry | undefined): T {
    if (!entry) return this.#initial();
    return readJson(this.#schema, { key: this.#key, value: entry.value });
  }
}
