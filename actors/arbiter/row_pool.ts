/**
 * Which row stands in which slot of the arena.
 *
 * Slots are handed out upwards from the last one in use, so that a parent always stands below its
 * children; what is freed at the end is handed out again, what is freed in between is a hole until
 * the rows are moved together. A frame that was cancelled may have reached some stages and not
 * others: its slots are **suspect** until they are written again. The last slots are the shelf:
 * rows that nobody names now and that no frame is to meet.
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
  /** It stands on the shelf. */
  shelved: boolean;
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
    shelved: false,
    users: 1,
    done: false,
    cached: false,
    used: 0,
    freed: false,
  };
}

/**
 * Slots that rows had, in the order of those that they have now, as a layout names them: the
 * shelf's from the end.
 */
export interface Moved {
  keep: Int32Array<ArrayBuffer>;
  /** undefined: nothing is on the shelf. */
  shelf?: Int32Array<ArrayBuffer>;
}

/** See the module's text. */
export class RowPool {
  #capacity = 0;
  #rows: (Row | undefined)[] = [];
  /** The last slots, in order. */
  #shelf: (Row | undefined)[] = [];
  /** Slots that some stage may not have written. */
  readonly #suspect = new Set<number>();
  #live = 0;
  #shelved = 0;
  #called = 0;

  /** Slots of the arena as the stages will have it after the frames sent so far. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The shelf stays at the end. */
  set capacity(capacity: number) {
    this.#stand(capacity, this.#rows, this.#shelf);
  }

  /** First slot above all rows that are not on the shelf: where the next frame goes. */
  get end(): number {
    return this.#rows.length;
  }

  /** Rows that stand below it. */
  get live(): number {
    return this.#live;
  }

  /** Rows on the shelf. */
  get shelved(): number {
    return this.#shelved;
  }

  /** Rows on the shelf that a request names: the next frame needs them below. */
  get called(): number {
    return this.#called;
  }

  /** Freed slots below the last row. */
  get gaps(): number {
    return this.end - this.#live;
  }

  /** Freed slots that an arrangement would win. */
  get holes(): number {
    return this.gaps + this.#shelf.length - this.#shelved;
  }

  /** Slots above the last row. */
  get room(): number {
    return this.#capacity - this.end - this.#shelf.length;
  }

  /**
   * Has every stage written every slot below {@linkcode RowPool.end} and the shelf's, or will it
   * have?
   */
  get sound(): boolean {
    return this.#suspect.size === 0 && this.#shelf.length === this.#shelved;
  }

  /** Gives a row the next slot. The caller has seen to it that there is room. */
  place(row: Row): void {
    if (this.room <= 0) throw new RangeError(`no slot is left of ${this.#capacity}`);
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
    if (row.shelved) {
      this.#shelf[row.slot - (this.#capacity - this.#shelf.length)] = undefined;
      this.#shelved--;
      row.shelved = false;
    } else {
      this.#rows[row.slot] = undefined;
      this.#live--;
      while (this.end > 0 && !this.#rows[this.end - 1]) {
        this.#rows.pop();
        this.#suspect.delete(this.end);
      }
    }
    row.slot = -1;
  }

  /** A frame for slots base .. base + rows - 1 was cancelled: some stage may not have run it. */
  suspect(base: number, rows: number): void {
    for (let s = base; s < base + rows && s < this.end; s++) {
      if (!this.#rows[s]) this.#suspect.add(s);
    }
  }

  /** A request begins to name a row on the shelf. */
  call(): void {
    this.#called++;
  }

  /** Nobody names it any more. */
  uncall(): void {
    this.#called--;
  }

  /**
   * Moves the rows together, and to the shelf those that `away` says; rows of the shelf that
   * requests name come down. Returns what the layout must say.
   */
  arrange(away: (row: Row) => boolean = () => false): Moved {
    const standing = this.#rows.filter((row) => row !== undefined);
    const shelf = this.#shelf.filter((row) => row !== undefined);
    const named = (row: Row) => row.users > 0;
    // On the shelf a row may stand before its parent, which came later.
    const down = shelf.filter(named).sort((a, b) => a.position - b.position);
    const rows = [...standing.filter((row) => !away(row)), ...down];
    // New rows of the shelf stand below the old ones, which so keep their slots.
    const shelved = [...standing.filter(away), ...shelf.filter((row) => !named(row))];
    const moved = this.#moved(rows, shelved);
    this.#suspect.clear();
    this.#stand(this.#capacity, rows, shelved);
    return moved;
  }

  /**
   * What the layout of a larger arena must say: nothing moves, so that stages which refuse it and
   * stages which do not agree on where all stands. Holes stay too. Only of a sound pool.
   */
  identity(): Moved {
    const moved = this.#moved([], this.#shelf as Row[]);
    return { ...moved, keep: Int32Array.from({ length: this.end }, (_, slot) => slot) };
  }

  /** Forgets everything: the arena is gone. */
  clear(): void {
    for (const row of [...this.#rows, ...this.#shelf]) {
      if (row) [row.slot, row.shelved] = [-1, false];
    }
    this.#suspect.clear();
    this.#stand(0, [], []);
  }

  #moved(rows: Row[], shelf: Row[]): Moved {
    const slots = (all: Row[]) =>
      Int32Array.from(all, ({ slot, shelved }) => shelved ? slot - this.#capacity : slot);
    return { keep: slots(rows), ...(shelf.length > 0 && { shelf: slots(shelf) }) };
  }

  #stand(capacity: number, rows: (Row | undefined)[], shelf: (Row | undefined)[]): void {
    this.#capacity = capacity;
    this.#rows = rows;
    this.#shelf = shelf;
    this.#live = this.#shelved = this.#called = 0;
    for (const [slot, row] of rows.entries()) {
      if (!row) continue;
      [row.slot, row.shelved] = [slot, false];
      this.#live++;
    }
    for (const [i, row] of shelf.entries()) {
      if (!row) continue;
      [row.slot, row.shelved] = [capacity - shelf.length + i, true];
      this.#shelved++;
      if (row.users > 0) this.#called++;
    }
  }
}
