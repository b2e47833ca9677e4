/**
 * A member's copy of what the registry holds, on disk: where the registry was embedded in a node that
 * is gone for good, another one goes on from it (`deno task nodes promote`). It has no secrets: those
 * are not shown to members.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import {
  COORDINATOR_KEY,
  hasCode,
  type Registry,
  type RegistryChanges,
  type RegistryEntry,
  toOrreryError,
} from "../../actors/mod.ts";
import { IDENTITIES_KEY } from "../trust/mod.ts";

const log = getLogger(["orrery", "coordinator"]);

/** What is copied: keys, and what keys begin with. */
const COPIED = [
  ...["members/", "deployments/", "graphs/", "owners/orrery/"],
  ...[COORDINATOR_KEY, "serving", IDENTITIES_KEY],
];

/** The copy is written at most so often, milliseconds. */
const WRITE_MS = 1_000;
/** Pause before the registry is asked again, milliseconds. */
const RETRY_MS = 1_000;

const copySchema = z.object({
  /** The node that wrote it. */
  node: z.string(),
  /** Revision of the registry that it is as of, at least. */
  revision: z.int().nonnegative(),
  /** When it was written, milliseconds since 1970. */
  at_ms: z.number(),
  entries: z.array(z.object({
    key: z.string(),
    version: z.int().positive(),
    /** Base64. */
    value: z.base64(),
  })),
});

/** What a copy holds. */
export interface CopiedRegistry {
  /** The node that wrote it. */
  node: string;
  /** Revision of the registry that it is as of, at least. */
  revision: number;
  /** When it was written, milliseconds since 1970. */
  atMs: number;
  /** In the order of their keys; none has a lease. */
  entries: RegistryEntry[];
}

/** Where the copy of a node lies, whose key is in the file `NAME.json`. */
export const copyPath = (data: string, name: string): string =>
  join(data, "registry", "copies", `${name}.json`);

/** Reads a copy; undefined: there is none. Throws SyntaxError or ZodError where it is damaged. */
export async function readRegistryCopy(path: string): Promise<CopiedRegistry | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const { node, revision, at_ms: atMs, entries } = copySchema.parse(JSON.parse(text));
  return {
    ...{ node, revision, atMs },
    entries: entries.map(({ key, version, value }) => ({
      key,
      version,
      value: Uint8Array.fromBase64(value),
    })),
  };
}

/** Options of {@linkcode RegistryCopy}. */
export interface RegistryCopyOptions {
  registry: Registry;
  /** This node. */
  node: string;
  /** The file. */
  path: string;
}

/** See the module's text. */
export class RegistryCopy {
  readonly #options: RegistryCopyOptions;
  readonly #abort = new AbortController();
  readonly #entries = new Map<string, RegistryEntry>();
  #revision = 0;
  #timer?: ReturnType<typeof setTimeout>;
  #writing: Promise<unknown> = Promise.resolve();

  /** Follows the registry, as often as that is there, until {@linkcode RegistryCopy.close}. */
  constructor(options: RegistryCopyOptions) {
    this.#options = options;
    for (const prefix of COPIED) void this.#follow(prefix);
  }

  /** The entries whose keys begin with this, as they were last known. */
  entries(prefix: string): RegistryEntry[] {
    return [...this.#entries.values()].filter(({ key }) => key.startsWith(prefix));
  }

  /** Writes what is known, and follows the registry no more. */
  async close(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  async #follow(prefix: string): Promise<void> {
    const { registry } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        const { entries, revision } = await registry.list(prefix, { signal });
        const here = new Set(entries.map(({ key }) => key));
        const gone = this.entries(prefix).filter(({ key }) => !here.has(key));
        this.#note({
          revision,
          changes: [
            ...gone.map(({ key }) => ({ key })),
            ...entries.map((entry) => ({ key: entry.key, entry })),
          ],
        });
        for await (const told of registry.watch(prefix, { from: revision, signal })) {
          this.#note(told);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (hasCode(error, "compacted")) continue; // list again
        log.debug("the registry cannot be copied now: {message}", {
          message: toOrreryError(error).message,
        });
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }

  #note({ revision, changes }: RegistryChanges): void {
    this.#revision = Math.max(this.#revision, revision);
    if (changes.length === 0) return;
    for (const { key, entry } of changes) {
      if (entry) this.#entries.set(key, entry);
      else this.#entries.delete(key);
    }
    this.#timer ??= setTimeout(() => this.#write(), WRITE_MS);
  }

  #write(): void {
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#store()).catch((error) =>
      log.warn("the copy of the registry cannot be written: {message}", {
        message: (error as Error).message,
      })
    );
  }

  /** Replaces the file as a whole. */
  async #store(): Promise<void> {
    const { path, node } = this.#options;
    const entries = [...this.#entries.values()].sort((a, b) => a.key < b.key ? -1 : 1);
    const copy: z.infer<typeof copySchema> = {
      node,
      revision: this.#revision,
      at_ms: Date.now(),
      entries: entries.map(({ key, version, value }) => ({
        key,
        version,
        value: value.toBase64(),
      })),
    };
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(`${path}.new`, JSON.stringify(copy));
    await Deno.rename(`${path}.new`, path);
  }
}
