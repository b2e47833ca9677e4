/**
 * Responses that later requests may go on from. They are kept in this node's memory.
 *
 * @module
 */
import type { InputItem } from "./input.ts";

/** A response that is kept. */
export interface StoredResponse {
  /** The response as its client got it. */
  response: { id: string; [field: string]: unknown };
  /** The request's own input, each item with an id. */
  input: (InputItem & { id: string })[];
  /** The whole conversation, those of earlier responses included, without instructions. */
  items: InputItem[];
}

/** Bounds of a {@linkcode ResponseStore}. */
export interface ResponseStoreLimits {
  /** Responses at most; the oldest go first. @default 1000 */
  count?: number;
  /** Characters of all kept conversations together. @default 32 Mi */
  chars?: number;
  /** Milliseconds for which a response is kept. @default 24 hours */
  keptMs?: number;
  /** The time in milliseconds, monotonic. @default the real one */
  now?: () => number;
}

interface KeptResponse extends StoredResponse {
  chars: number;
  until: number;
  /** Ids of the items that came in with it or out of it. */
  own: string[];
}

/** See the module's text. */
export class ResponseStore {
  readonly #limits: Required<ResponseStoreLimits>;
  /** By id, oldest first. */
  readonly #entries = new Map<string, KeptResponse>();
  readonly #items = new Map<string, InputItem>();
  #chars = 0;

  constructor(limits: ResponseStoreLimits = {}) {
    this.#limits = {
      count: 1000,
      chars: 32 << 20,
      keptMs: 24 * 3_600_000,
      now: () => performance.now(),
      ...limits,
    };
  }

  /** Keeps a response. One that is too large for the store by itself is not kept. */
  add(stored: StoredResponse, output: (InputItem & { id: string })[]): void {
    const chars = JSON.stringify(stored.items).length + JSON.stringify(stored.response).length;
    const { count, chars: most, keptMs, now } = this.#limits;
    if (chars > most) return;
    this.#expire();
    const own = [...stored.input, ...output];
    const entry = { ...stored, chars, until: now() + keptMs, own: own.map(({ id }) => id) };
    this.#entries.set(stored.response.id, entry);
    for (const item of own) this.#items.set(item.id, item);
    this.#chars += chars;
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= count && this.#chars <= most) break;
      this.delete(id);
    }
  }

  /** The response of this id; undefined: it is not kept, or not any more. */
  get(id: string): StoredResponse | undefined {
    this.#expire();
    return this.#entries.get(id);
  }

  /** The item of this id of a response that is kept. */
  item(id: string): InputItem | undefined {
    this.#expire();
    return this.#items.get(id);
  }

  /** Forgets a response; false: there was none. */
  delete(id: string): boolean {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    this.#entries.delete(id);
    for (const item of entry.own) this.#items.delete(item);
    this.#chars -= entry.chars;
    return true;
  }

  #expire(): void {
    const now = this.#limits.now();
    for (const [id, { until }] of this.#entries) {
      if (until > now) break;
      this.delete(id);
    }
  }
}
