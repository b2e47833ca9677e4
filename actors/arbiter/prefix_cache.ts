/**
 * Rows that later requests may use again. The forest of rows itself is the radix tree over token
 * chains in which they are found.
 *
 * A cached row is found by its token under its cached parent. The rows of a request that begins
 * with the same tokens hang on these rows; nothing is copied. A cached row that no request names
 * any more stays until its slot is needed: the least recently used end of a chain is evicted first.
 *
 * @module
 */
import type { Row, RowPool } from "./row_pool.ts";

/** See the module's text. */
export class PrefixCache {
  readonly #pool: RowPool;
  /** Cached rows without a parent, by token id. */
  readonly #roots = new Map<number, Row>();
  /** See {@linkcode idle}. */
  #idle = 0;
  /** Counts requests that began or ended: the clock of `Row.used`. */
  #tick = 0;
  /** How often a request found a row here. */
  hits = 0;

  /** @param pool The slots in which the rows stand. */
  constructor(pool: RowPool) {
    this.#pool = pool;
  }

  /** Cached rows that no request names: they may be evicted. */
  get idle(): number {
    return this.#idle;
  }

  /**
   * The cached row with this token id under `parent` (undefined: a row without a parent), if it
   * stands in the arena. A row on the shelf is found only while the arena has room for another row:
   * the frame whose layout brings it down must carry at least one. Pass `shelf: false` to find none
   * on the shelf: once a frame has its layout, no row can come down for it.
   */
  find(
    parent: Row | undefined,
    token: number,
    { shelf = true }: { shelf?: boolean } = {},
  ): Row | undefined {
    if (parent && !parent.cached) return undefined;
    const row = this.#under(parent)?.get(token);
    if (!row || row.slot < 0) return undefined;
    if (!row.shelved) return row;
    return shelf && this.#pool.room + this.#pool.holes > 0 ? row : undefined;
  }

  /**
   * Caches a row that a request names. Returns false where its parent is not cached, or another row
   * is cached for the same tokens. A row that windowed layers have given up makes way for one that they
   * keep, and all rows that hang on it do: nobody can go on there.
   */
  add(row: Row): boolean {
    const { parent } = row;
    if (row.cached) return true;
    if (parent ? !parent.cached || row.position !== parent.position + 1 : row.position !== 0) {
      return false;
    }
    const siblings = parent ? parent.next ??= new Map() : this.#roots;
    const old = siblings.get(row.token);
    if (old) {
      if (row.near < 0 || old.near >= 0) return false;
      this.#forget(old);
    }
    siblings.set(row.token, row);
    row.cached = true;
    return true;
  }

  /** Notes that one more request names the row: it found it here. */
  claim(row: Row): void {
    if (row.cached && row.users === 0) {
      this.#idle--;
      if (row.shelved) this.#pool.call();
    }
    row.users++;
    this.hits++;
  }

  /**
   * Notes that a request names neither the row nor a descendant of it any more. Where no other
   * request does, the row stays if it is cached and every stage has run it; else its slot is freed.
   */
  release(row: Row): void {
    row.users--;
    if (row.users > 0) return;
    if (row.cached && row.done) {
      this.#idle++;
      if (row.shelved) this.#pool.uncall();
      row.used = this.#tick;
      return;
    }
    if (row.cached) this.#unlink(row);
    this.#pool.free(row);
  }

  /**
   * Notes that a request begins or ends: rows released from now on count as used later than those
   * released before.
   */
  tick(): void {
    this.#tick++;
  }

  /**
   * Frees up to `count` rows that no request names, least recently used first. Returns how many.
   */
  evict(count: number): number {
    const leaves = this.#leaves().sort((a, b) => a.used - b.used);
    let freed = 0;
    while (freed < count && leaves.length > 0) {
      let row: Row | undefined = leaves.shift()!;
      const { used } = row;
      // The chain is evicted upwards while its rows were not used later than its end; then the end
      // of another chain may have been used less recently.
      while (row && freed < count && row.users === 0 && !row.next?.size && row.used <= used) {
        const parent: Row | undefined = row.parent;
        this.#unlink(row);
        this.#idle--;
        this.#pool.free(row);
        freed++;
        row = parent;
      }
      if (row && row.users === 0 && !row.next?.size) {
        const at = leaves.findIndex((leaf) => leaf.used > row!.used);
        leaves.splice(at < 0 ? leaves.length : at, 0, row);
      }
    }
    return freed;
  }

  /** Forgets all rows: the arena is closed. */
  clear(): void {
    this.#roots.clear();
    this.#idle = 0;
  }

  /** Cached rows under a parent, by token id. */
  #under(parent: Row | undefined): Map<number, Row> | undefined {
    return parent ? parent.next : this.#roots;
  }

  #unlink(row: Row): void {
    this.#under(row.parent)?.delete(row.token);
    row.cached = false;
  }

  /** Stops caching a row and all that hang on it; those that no request names are freed. */
  #forget(top: Row): void {
    const rows = [top];
    for (const row of rows) rows.push(...row.next?.values() ?? []);
    for (const row of rows.reverse()) {
      this.#unlink(row);
      if (row.users > 0) continue;
      this.#idle--;
      this.#pool.free(row);
    }
  }

  /** Cached rows that no request names from which later ones are likely to go on. */
  anchors(): Row[] {
    const anchors: Row[] = [];
    const stack = [...this.#roots.values()];
    for (let row = stack.pop(); row; row = stack.pop()) {
      if (row.users === 0 && (row.anchor || !row.next?.size)) anchors.push(row);
      if (row.next?.size) stack.push(...row.next.values());
    }
    return anchors;
  }

  /** Ends of chains that no request names. */
  #leaves(): Row[] {
    const leaves: Row[] = [];
    const stack = [...this.#roots.values()];
    for (let row = stack.pop(); row; row = stack.pop()) {
      if (row.next?.size) stack.push(...row.next.values());
      else if (row.users === 0) leaves.push(row);
    }
    return leaves;
  }
}
