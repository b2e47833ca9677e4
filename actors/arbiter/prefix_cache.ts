/**
 * Rows that later requests may use again: a radix tree over token chains, which is the forest of
 * rows itself.
 *
 * A cached row is found by its token under its cached parent. A request that begins with the same
 * tokens hangs on these rows; nothing is copied. A row that no request names stays until its slot
 * is needed: the least recently used end of a chain goes first.
 *
 * @module
 */
import type { Row, RowPool } from "./row_pool.ts";

/** See the module's text. */
export class PrefixCache {
  readonly #pool: RowPool;
  readonly #roots = new Map<number, Row>();
  #idle = 0;
  #tick = 0;
  /** Times that a row was found here. */
  hits = 0;

  /** @param pool Where the rows stand. */
  constructor(pool: RowPool) {
    this.#pool = pool;
  }

  /** Cached rows that no request names: what may be evicted. */
  get idle(): number {
    return this.#idle;
  }

  /**
   * The cached row with this token under a cached parent (undefined: a first row), if it stands in
   * the arena. One on the shelf is found only while there is room: the frame whose layout brings it
   * down must have a row. Once a frame has its layout, no row can come down for it: pass `shelf`
   * false, and rows on the shelf are not found.
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
   * Caches a row that a request names. False: its parent is not cached, or another row stands for
   * the same tokens.
   */
  add(row: Row): boolean {
    const { parent } = row;
    if (row.cached) return true;
    if (parent ? !parent.cached || row.position !== parent.position + 1 : row.position !== 0) {
      return false;
    }
    const siblings = parent ? parent.next ??= new Map() : this.#roots;
    if (siblings.has(row.token)) return false;
    siblings.set(row.token, row);
    row.cached = true;
    return true;
  }

  /** One more request names the row, which it found here. */
  claim(row: Row): void {
    if (row.cached && row.users === 0) {
      this.#idle--;
      if (row.shelved) this.#pool.call();
    }
    row.users++;
    this.hits++;
  }

  /**
   * A request names the row no more, nor any below it. It stays if it is cached and has been run.
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
   * A request begins or ends: what is released from now on was used later than what was released
   * before.
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
      // Up the chain as long as it was used no later; then another chain's end may be older.
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

  /** Forgets everything: the arena is gone. */
  clear(): void {
    this.#roots.clear();
    this.#idle = 0;
  }

  #under(parent: Row | undefined): Map<number, Row> | undefined {
    return parent ? parent.next : this.#roots;
  }

  #unlink(row: Row): void {
    this.#under(row.parent)?.delete(row.token);
    row.cached = false;
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
