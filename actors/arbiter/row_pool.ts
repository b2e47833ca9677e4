/**
 * Which row stands in which slot of the arena.
 *
 * Slots are handed out upwards from the last one in use, so that a parent always stands below its children; what is freed at
 * the end is handed out again, what is freed in between is a hole until the rows are moved together. A frame that was
 * cancelled may have reached some stages and not others: its slots are **suspect** until they are written again.
 *
 * @module
 */

/** A row of the forest. */
export interface Row {
  readonly token: number;
  readonly position: number;
  readonly parent: Row | undefined;
  /** Slot, -1: nowhere. */
  slot: number;
  /** Requests that name it. Who names a row names its ancestors too. */
  users: number;
  /** Every stage has run it. */
  done: boolean;
  /** Stays when nobody names it; see `prefix_cache.ts`. */
  cached: boolean;
  /** Cached rows that hang on it, by token. */
  next?: Map<number, Row>;
  /** Counts up with each request that used it. */
  used: number;
  /** It is no more; its slot is another's. */
  freed: boolean;
}

/** A row that stands nowhere yet, named by one request. */
export function newRow(token: number, position: number, { parent }: { parent?: Row } = {}): Row {
  return {
    token,
    position,
    parent,
    slot: -1,
    users: 1,
    done: false,
    cached: false,
    used: 0,
    freed: false,
  };
}

/** See the module's text. */
export class RowPool {
  /** Slots of the arena as the stages will have it after the frames sent so far. */
  capacity = 0;
  readonly #rows: (Row | undefined)[] = [];
  /** Slots that some stage may not have written. */
  readonly #suspect = new Set<number>();
  #live = 0;

  /** First slot above all rows: where the next frame goes. */
  get end(): number {
    return this.#rows.length;
  }

  /** Rows that stand somewhere. */
  get live(): number {
    return this.#live;
  }

  /** Freed slots below the last row. */
  get holes(): number {
    return this.end - this.#live;
  }

  /** Slots above the last row. */
  get room(): number {
    return this.capacity - this.end;
  }

  /** Has every stage written every slot below {@linkcode RowPool.end}, or will it have? */
  get sound(): boolean {
    return this.#suspect.size === 0;
  }

  /** Gives a row the next slot. The caller has seen to it that there is room. */
  place(row: Row): void {
    if (this.room <= 0) throw new RangeError(`no slot is left of ${this.capacity}`);
    row.slot = this.end;
    this.#suspect.delete(row.slot);
    this.#rows.push(row);
    this.#live++;
  }

  /** The row's slot is a hole from now on, or free again if nothing stands above it. */
  free(row: Row): void {
    row.freed = true;
    this.unplace(row);
  }

  /** As {@linkcode RowPool.free}, of a row that will be placed again. */
  unplace(row: Row): void {
    if (row.slot < 0) return;
    this.#rows[row.slot] = undefined;
    this.#live--;
    row.slot = -1;
    while (this.end > 0 && !this.#rows[this.end - 1]) {
      this.#rows.pop();
      this.#suspect.delete(this.end);
    }
  }

  /** A frame for slots base .. base + rows - 1 was cancelled: some stage may not have run it. */
  suspect(base: number, rows: number): void {
    for (let s = base; s < base + rows && s < this.end; s++) if (!this.#rows[s]) this.#suspect.add(s);
  }

  /** Moves the rows together. Returns the slots that they had, ascending: a layout's `keep`. */
  compact(): Int32Array<ArrayBuffer> {
    const keep = new Int32Array(this.#live);
    let n = 0;
    for (const [slot, row] of this.#rows.entries()) {
      if (!row) continue;
      keep[n] = slot;
      row.slot = n;
      this.#rows[n++] = row;
    }
    this.#rows.length = n;
    this.#suspect.clear();
    return keep;
  }

  /** All slots below the end, holes too: `keep` of a layout that moves nothing. Only of a sound pool. */
  identity(): Int32Array<ArrayBuffer> {
    return Int32Array.from({ length: this.end }, (_, s) => s);
  }

  /** Forgets everything: the arena is gone. */
  clear(): void {
    for (const row of this.#rows) if (row) row.slot = -1;
    this.#rows.length = 0;
    this.#suspect.clear();
    this.#live = 0;
    this.capacity = 0;
  }
}
