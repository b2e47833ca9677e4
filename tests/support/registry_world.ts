/**
 * A registry under test: the world that a back end's tests give it, and what all tests ask of one.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Registry, RegistryChanges, RegistryEntry } from "../../actors/mod.ts";

/** A registry without data, several clients of it, and the means to disturb it. */
export interface RegistryWorld extends AsyncDisposable {
  /** Another client; the world closes it. */
  client(): Promise<Registry>;
  /** Lets this much time pass, as whoever judges leases measures it. */
  pass(ms: number): Promise<void>;
  /** The next so many writes land, and their replies are lost. */
  loseReplies(count: number): void;
  /** How many replies were lost so far. */
  readonly lost: number;
  /**
   * The server stops without a goodbye and starts again over the same data. Clients made before
   * are of no use afterwards, if `clientsSurvive` is false.
   */
  restart(): Promise<void>;
  readonly clientsSurvive: boolean;
  /** The shortest lease that the back end grants, milliseconds. */
  readonly shortestLeaseMs: number;
}

/** A text in UTF-8: the values that most tests write. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
/** The text that {@linkcode bytes} wrote; undefined: there is no entry. */
export const text = (entry?: RegistryEntry): string | undefined =>
  entry && new TextDecoder().decode(entry.value);

/** For large values, on a machine that has much else to do. */
export const PATIENT = { deadlineMs: 120_000 };

/** Polls until `condition` gives something true; fails after `ms` with `what`. */
export async function eventually<T>(
  condition: () => Promise<T>,
  what: string,
  ms = 30_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (performance.now() > end) assert.fail(`waited ${ms} ms for ${what}`);
    await sleep(10);
  }
}

/** Waits until the key has vanished with its lease; time passes meanwhile. */
export async function vanished(
  world: RegistryWorld,
  registry: Registry,
  key: string,
): Promise<void> {
  await eventually(async () => {
    await world.pass(50); // whoever judges may have seen the last renewal late
    return !(await registry.get(key));
  }, `${key} to vanish with its lease`);
}

/** Adds one to a number by compare-and-swap until that succeeds; gives how often it was refused. */
export async function increment(registry: Registry, key: string): Promise<number> {
  for (let refused = 0;; refused++) {
    const entry = await registry.get(key);
    const result = await registry.transact({
      checks: [{ key, version: entry?.version ?? 0 }],
      sets: [{ key, value: bytes(String(Number(text(entry) ?? 0) + 1)) }],
    });
    if (result.ok) return refused;
  }
}

/** Registers a test of a back end, whose world it makes; `what` completes "Registry (NAME) ...". */
export type RegisterTest = (
  what: string,
  body: (world: RegistryWorld, registry: Registry) => Promise<void>,
) => void;

/** A registry's keys as a watch tells them, from a listing on. */
export class Mirror {
  readonly entries = new Map<string, RegistryEntry>();
  readonly told: RegistryChanges[] = [];
  revision = 0;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(readonly registry: Registry, readonly prefix: string) {}

  async start(): Promise<void> {
    const { entries, revision } = await this.registry.list(this.prefix);
    for (const entry of entries) this.entries.set(entry.key, entry);
    this.revision = revision;
    this.resume();
  }

  resume(): void {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#running = (async () => {
      for await (
        const told of this.registry.watch(this.prefix, { from: this.revision, signal })
      ) {
        assert.ok(told.revision >= this.revision, "revisions of a watch do not fall");
        this.revision = told.revision;
        this.told.push(told);
        for (const { key, entry } of told.changes) {
          if (entry) this.entries.set(key, entry);
          else this.entries.delete(key);
        }
      }
    })();
    this.#running.catch(() => {}); // `stop` throws it
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Waits until it shows what a listing shows. */
  async caughtUp(): Promise<void> {
    const wanted = await this.registry.list(this.prefix, PATIENT);
    const plain = (entries: Iterable<RegistryEntry>) =>
      [...entries].map(({ key, version, value }) => `${key} ${version} ${value.byteLength}`).sort();
    await eventually(
      () => Promise.resolve(plain(this.entries.values()).join() === plain(wanted.entries).join()),
      `the watch to show ${plain(wanted.entries)}; it shows ${plain(this.entries.values())}`,
      PATIENT.deadlineMs,
    );
  }
}

/** Have both the same bytes? */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, i) => byte === b[i]);
}
