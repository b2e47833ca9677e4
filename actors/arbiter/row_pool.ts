/**
 * Which row stands in which slot of the arena.
 *
 * Slots are given out upwards from the last one in use, so that a parent always stands below its
 * children. A slot that is freed at the end is given out again; one that is freed in between is a
 * hole until the rows are moved together. A frame that was cancelled may have reached some stages
 * and not others: its slots are **suspect** until they are written again. The last slots of the
 * arena are the **shelf**: cached rows that no request names stand there, where no frame attends to
 * them.
 *
 * @module
 */

/** A row of the forest. */
export interface Row {
  /** Token id. */
  readonly token: number;
  /** RoPE position. */
  readonly position: number;
  /** The row that it hangs on; undefined: none. */
  readonly parent: Row | undefined;
  /** Slot in which it stands; -1: in none. */
  slot: number;
  /** Where it stands in windowed layers; -1: nowhere, or these layers keep all rows. */
  near: number;
  /** Later requests are likely to go on behind it: see `near_rows.ts`. */
  anchor: boolean;
  /** It stands on the shelf. */
  shelved: boolean;
  /** Number of requests that name it. A request that names a row names its ancestors too. */
  users: number;
  /** Every stage has run it. */
  done: boolean;
  /** It stays when no request names it; see `prefix_cache.ts`. */
  cached: boolean;
  /** Cached rows that hang on it, by token id. */
  next?: Map<number, Row>;
  /** When a request last used it, by the cache's count of requests. */
  used: number;
  /** It was given up: `slot` is -1, and the slot that it had may belong to another row. */
  freed: boolean;
}

/** A row that stands in no slot yet and is named by one request. */
export function newRow(token: number, position: number, { parent }: { parent?: Row } = {}): Row {
  return {
    token,
    position,
    parent,
    slot: -1,
    near: -1,
    anchor: false,
    shelved: false,
    users: 1,
    done: false,
    cached: false,
    used: 0,
    freed: false,
  };
}

/**
 * Which rows a layout moves where, by the slots that they had before. Slots on the shelf are
 * negative: -1 is the arena's last one.
 */
export interface Moved {
  /** Rows that move to slots 0, 1, 2 ... */
  keep: Int32Array<ArrayBuffer>;
  /** Rows that move to the arena's last slots, in order; undefined: the shelf is empty. */
  shelf?: Int32Array<ArrayBuffer>;
}

/** Other places that rows have as long as they have a slot. */
export interface MorePlaces {
  /** Gives a row a place. Throws RangeError where there is no room. */
  place(row: Row): void;
  /** Takes a row's place away, if it has one. */
  free(row: Row): void;
}

/** See the module's text. */
export class RowPool {
  /** See {@linkcode capacity}. */
  #capacity = 0;
  /** Rows from slot 0 on; undefined: a hole. */
  #rows: (Row | undefined)[] = [];
  /** Rows of the arena's last slots, in order; undefined: a hole. */
  #shelf: (Row | undefined)[] = [];
  /** Slots that some stage may not have written. */
  readonly #suspect = new Set<number>();
  /** See {@linkcode live}. */
  #live = 0;
  /** See {@linkcode shelved}. */
  #shelved = 0;
  /** See {@linkcode called}. */
  #called = 0;
  readonly #near?: MorePlaces;

  /** @param near Places in windowed layers. @default there are the slots alone */
  constructor(near?: MorePlaces) {
    this.#near = near;
  }

  /** Slots that the arena has at a stage which has run all frames sent so far. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The rows on the shelf move with the arena's end. */
  set capacity(capacity: number) {
    this.#stand(capacity, this.#rows, this.#shelf);
  }

  /** The slot after the last row that is not on the shelf: the next frame begins there. */
  get end(): number {
    return this.#rows.length;
  }

  /** Number of rows that are not on the shelf. */
  get live(): number {
    return this.#live;
  }

  /** Number of rows on the shelf. */
  get shelved(): number {
    return this.#shelved;
  }

  /** Number of rows on the shelf that a request names: the next layout must bring them down. */
  get called(): number {
    return this.#called;
  }

  /** Number of holes below the last row that is not on the shelf. */
  get gaps(): number {
    return this.end - this.#live;
  }

  /** Number of all holes, those on the shelf included: {@linkcode arrange} would free them. */
  get holes(): number {
    return this.gaps + this.#shelf.length - this.#shelved;
  }

  /** Number of free slots between the last row and the shelf. */
  get room(): number {
    return this.#capacity - this.end - this.#shelf.length;
  }

  /**
   * Every stage has written every slot below {@linkcode RowPool.end} and on the shelf, or will have
   * when it has run the frames sent so far.
   */
  get sound(): boolean {
    return this.#suspect.size === 0 && this.#shelf.length === this.#shelved;
  }

  /** The rows in order of their slots, those of the shelf last. */
  get standing(): Row[] {
    return [...this.#rows, ...this.#shelf].filter((row) => row !== undefined);
  }

  /** Gives a row the next slot, and near slot. Throws RangeError where there is no room. */
  place(row: Row): void {
    if (this.room <= 0) throw new RangeError(`no slot is left of ${this.#capacity}`);
    this.#near?.place(row);
    row.slot = this.end;
    this.#suspect.delete(row.slot);
    this.#rows.push(row);
    this.#live++;
  }

  /** Gives a row up: its slot becomes a hole, or is free again if no row stands above it. */
  free(row: Row): void {
    row.freed = true;
    this.unplace(row);
  }

  /** As {@linkcode RowPool.free}, for a row that will be placed again. */
  unplace(row: Row): void {
    if (row.slot < 0) return;
    this.#near?.free(row);
    if (row.shelved) {
      this.#shelf[row.slot - (this.#capacity - this.#shelf.length)] = undefined;
      this.#shelved--;
      if (row.users > 0) this.#called--;
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

  /** Marks the holes of slots base .. base + rows - 1 as suspect: their frame was cancelled. */
  suspect(base: number, rows: number): void {
    for (let s = base; s < base + rows && s < this.end; s++) {
      if (!this.#rows[s]) this.#suspect.add(s);
    }
  }

  /** Notes that a row on the shelf is named by a request from now on. */
  call(): void {
    this.#called++;
  }

  /** Notes that a row on the shelf is not named any more. */
  uncall(): void {
    this.#called--;
  }

  /**
   * Moves the rows together, those for which `away` is true to the shelf, and those of the shelf
   * that requests name down from there. Returns what the layout must say.
   */
  arrange(away: (row: Row) => boolean = () => false): Moved {
    const standing = this.#rows.filter((row) => row !== undefined);
    const shelf = this.#shelf.filter((row) => row !== undefined);
    const named = (row: Row) => row.users > 0;
    // On the shelf a row may stand before its parent, if the parent was moved there later.
    const down = shelf.filter(named).sort((a, b) => a.position - b.position);
    const rows = [...standing.filter((row) => !away(row)), ...down];
    // Rows that are new on the shelf stand below the old ones, so that these keep their slots.
    const shelved = [...standing.filter(away), ...shelf.filter((row) => !named(row))];
    const moved = this.#moved(rows, shelved);
    this.#suspect.clear();
    this.#stand(this.#capacity, rows, shelved);
    return moved;
  }

  /**
   * What the layout of a larger arena must say: no row moves and holes stay, so that stages that
   * refuse it and stages that do not agree on where each row stands. The pool must be sound.
   */
  identity(): Moved {
    const moved = this.#moved([], this.#shelf as Row[]);
    return { ...moved, keep: Int32Array.from({ length: this.end }, (_, slot) => slot) };
  }

  /** Forgets all rows: the arena is closed. */
  clear(): void {
    for (const row of [...this.#rows, ...this.#shelf]) {
      if (row) [row.slot, row.shelved] = [-1, false];
    }
    this.#suspect.clear();
    this.#stand(0, [], []);
  }

  /** The slots that these rows have before they move. */
  #moved(rows: Row[], shelf: Row[]): Moved {
    const slots = (all: Row[]) =>
      Int32Array.from(all, ({ slot, shelved }) => shelved ? slot - this.#capacity : slot);
    return { keep: slots(rows), ...(shelf.length > 0 && { shelf: slots(shelf) }) };
  }

  /** Gives rows and shelf their slots in an arena of `capacity` slots. */
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
