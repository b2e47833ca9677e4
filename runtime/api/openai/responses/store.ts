/**
 * Responses that later requests may go on from. They are kept in this node's memory, and in files
 * where it has some.
 *
 * @module
 */
import type { ResponseFiles } from "./files.ts";
import type { InputItem } from "./input.ts";
import type { KeptResponse, StoredResponse } from "./kept_response.ts";

export type { StoredResponse } from "./kept_response.ts";

/** Bounds of a {@linkcode ResponseStore}. */
export interface ResponseStoreLimits {
  /** Responses at most; the oldest go first. @default 1000 */
  count?: number;
  /** Characters of all kept conversations together. @default 32 Mi */
  chars?: number;
  /** Milliseconds for which a response is kept. @default 24 hours */
  keptMs?: number;
  /** The time in Unix milliseconds. @default the real one */
  now?: () => number;
  /** Where they are kept beyond this process. @default nowhere */
  files?: ResponseFiles;
}

/** See the module's text. */
export class ResponseStore {
  readonly #limits: Required<Omit<ResponseStoreLimits, "files">>;
  readonly #files?: ResponseFiles;
  /** By id, oldest first. */
  readonly #entries = new Map<string, KeptResponse>();
  readonly #items = new Map<string, InputItem>();
  #chars = 0;
  /** Resolves when the responses of earlier processes are known. */
  readonly #loaded: Promise<void>;

  /** Opens a store with these bounds; what its files hold is read meanwhile. */
  constructor({ files, ...limits }: ResponseStoreLimits = {}) {
    this.#limits = {
      count: 1000,
      chars: 32 << 20,
      keptMs: 24 * 3_600_000,
      now: Date.now,
      ...limits,
    };
    this.#files = files;
    this.#loaded = files ? this.#load(files) : Promise.resolve();
  }

  /** Keeps a response. One that is too large for the store by itself is not kept. */
  add(stored: StoredResponse, output: (InputItem & { id: string })[]): void {
    const chars = JSON.stringify(stored.items).length + JSON.stringify(stored.response).length;
    const { chars: most, keptMs, now } = this.#limits;
    if (chars > most) return;
    const kept = { ...stored, chars, until: now() + keptMs, output };
    this.#files?.write(kept);
    this.#take(kept);
  }

  /** The response of this id; undefined: it is not kept, or not any more. */
  async get(id: string): Promise<StoredResponse | undefined> {
    await this.#loaded;
    this.#expire();
    const known = this.#entries.get(id);
    if (known || !this.#files) return known;
    // Another process of this data folder may have made it.
    const kept = await this.#files.read(id);
    return kept && kept.until > this.#limits.now() ? kept : undefined;
  }

  /** The item of this id of a response that is kept. */
  async item(id: string): Promise<InputItem | undefined> {
    await this.#loaded;
    this.#expire();
    return this.#items.get(id);
  }

  /** Forgets a response. */
  delete(id: string): void {
    this.#files?.remove(id);
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    for (const item of ownItems(entry)) this.#items.delete(item.id);
    this.#chars -= entry.chars;
  }

  /** Takes what earlier processes have kept beside what has come since: the oldest first. */
  async #load(files: ResponseFiles): Promise<void> {
    const found = await files.all();
    const all = [...found, ...this.#entries.values()].sort((a, b) => a.until - b.until);
    this.#entries.clear();
    this.#chars = 0;
    for (const kept of all) this.#take(kept);
  }

  #take(kept: KeptResponse): void {
    this.#expire();
    this.#entries.set(kept.response.id, kept);
    for (const item of ownItems(kept)) this.#items.set(item.id, item);
    this.#chars += kept.chars;
    const { count, chars } = this.#limits;
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= count && this.#chars <= chars) break;
      this.delete(id);
    }
  }

  #expire(): void {
    const now = this.#limits.now();
    for (const [id, { until }] of this.#entries) {
      if (until > now) break;
      this.delete(id);
    }
  }
}

/** The items that came in with a response or out of it. */
const ownItems = ({ input, output }: KeptResponse) => [...input, ...output];
