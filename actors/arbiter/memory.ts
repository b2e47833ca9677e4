/**
 * Memory of the arena: when it grows, when its rows are moved together, and what happens when a
 * stage has no more.
 *
 * A layout that asks for memory may be refused by any stage. Until it is answered no other layout
 * goes out (it would have to be undone too). After a refusal the arena is as it was before; the
 * next frame carries a layout that says so, and memory is asked for in smaller steps, for a minute
 * not beyond what was refused.
 *
 * @module
 */
import type { WireError } from "../system/mod.ts";
import type { Frame } from "../pipeline/mod.ts";
import { PrefixCache } from "./prefix_cache.ts";
import { type Moved, type Row, RowPool } from "./row_pool.ts";
import { spareRows, type TidySituation, worthTidying } from "./tidy.ts";

/** Arenas begin with a multiple of so many rows. */
const ROUND_ROWS = 256;
/**
 * Part of the arena that must be gained before rows are moved together rather than the arena grown.
 */
const WORTH = 1 / 4;
/** Rows by which an arena grows at least after a refusal. */
const LEAST_STEP = 64;
/** Milliseconds before memory that was refused is asked for again. */
const REFUSED_MS = 60_000;

/** Foreign slots that come up before it is asked again whether they are to be moved out. */
const TIDY_STEP = 32;
/** And rows that run: an answer that goes on for longer than was thought has more to gain. */
const TIDY_ROWS = 24;

/** What {@linkcode Memory.room} must know beside what it holds. */
export type Prospects = Pick<TidySituation, "rowsToCome" | "rowMs" | "moveRowMs">;

/** A frame's layout. */
export type Layout = NonNullable<Frame["layout"]>;

/** Rows that a frame may have, and the layout that it must carry. */
export interface Room {
  rows: number;
  layout?: Layout;
}

/** Options of a {@linkcode Memory}. */
export interface MemoryOptions {
  /** Rows that the arena may ever hold. */
  capacityRows: number;
  /** Milliseconds, monotonic. */
  now: () => number;
  /** Address that gets the stages' answers. */
  replyTo: string;
  wire: Layout["wire"];
}

/** See the module's text. */
export class Memory {
  readonly pool = new RowPool();
  readonly cache = new PrefixCache(this.pool);
  readonly #o: MemoryOptions;
  /**
   * A layout that asked for memory and was not answered yet (-1: nor sent); what the arena held
   * before.
   */
  #growth?: { seq: number; from: number };
  /** The next frame must carry a layout. */
  #relayout = false;
  /** Memory that a stage did not have. */
  #refused?: { rows: number; at: number; error: WireError };
  /** Foreign slots when they were last found to be worth their place; undefined: look again. */
  #tidyAt?: number;
  /** Rows run since then. */
  #ranSince = 0;
  /** Times that rows were moved together. */
  compactions = 0;
  /** Times that more memory was asked for. */
  growths = 0;

  /** Memory of an arena that is not open. */
  constructor(options: MemoryOptions) {
    this.#o = options;
  }

  /** Rows that the arena may hold: a refusal counts for a while. */
  get limit(): number {
    const { capacityRows, now } = this.#o;
    if (this.#refused && now() - this.#refused.at > REFUSED_MS) this.#refused = undefined;
    return Math.min(capacityRows, this.#refused?.rows ?? Infinity);
  }

  /** Rows that the arena may ever hold. */
  get most(): number {
    return this.#o.capacityRows;
  }

  /** What a stage said when it refused memory, if that holds. */
  get refusal(): WireError | undefined {
    return this.#refused?.error;
  }

  /** Room in a new arena that is to hold `needed` rows soon, for a frame of `wanted` rows. */
  open(needed: number, wanted: number): Room {
    return this.#grow(Math.ceil(needed / ROUND_ROWS) * ROUND_ROWS, wanted);
  }

  /**
   * Room for a frame of `wanted` rows, or for as many of them as there can be, and the layout that
   * makes it. An arena grows while it may; rows are moved together where that gains much or nothing
   * else does; unused cached rows go last. With `prospects`, what slows the rows to come more than
   * moving it costs goes to the shelf at once: see `tidy.ts`.
   */
  room(wanted: number, prospects?: () => Prospects): Room {
    const { pool, cache } = this;
    if (this.#relayout) return this.#roomAgain(wanted);
    this.#ranSince += wanted;
    const called = pool.called > 0;
    if (this.#growth) return { rows: called ? 0 : Math.min(wanted, pool.room) };
    const away = prospects && this.#tidy(prospects) ? idle : undefined;
    if (called || away) return this.#compact(wanted, away);
    if (pool.room >= wanted) return { rows: wanted };
    const mayGrow = pool.capacity < this.limit;
    const worth = Math.max(wanted, WORTH * pool.capacity);
    if (!mayGrow && pool.holes < worth) {
      cache.evict(Math.max(0, Math.ceil(worth) - pool.holes - pool.room));
    }
    if (pool.holes > 0 && (pool.holes >= worth || !mayGrow || !pool.sound)) {
      return this.#compact(wanted);
    }
    if (mayGrow) return this.#grow(pool.capacity + Math.max(pool.capacity, wanted), wanted);
    return { rows: Math.min(wanted, pool.room) };
  }

  /** A request begins or ends: what is worth its place has changed. */
  changed(): void {
    this.#tidyAt = undefined;
  }

  /** A frame with the layout of the last room went out. */
  sent(seq: number): void {
    if (this.#growth?.seq === -1) this.#growth.seq = seq;
  }

  /** A frame came back: what it asked for was there. */
  answered(seq: number): void {
    if (this.#growth?.seq === seq) this.#growth = undefined;
  }

  /** Did frame `seq` ask for memory that may be refused? */
  asked(seq: number | undefined): boolean {
    return this.#growth !== undefined && this.#growth.seq === seq;
  }

  /**
   * The memory that was asked for is not there. The caller has taken back every row that was sent
   * since. Returns true if the arena is open nowhere now: it had been asked for the first time.
   */
  refuse(error: WireError): boolean {
    const { pool } = this;
    const tried = pool.capacity;
    const { from } = this.#growth!;
    this.#growth = undefined;
    this.#relayout = true;
    // Half of the step may do, until steps are small.
    const rows = from === 0 || tried - from > LEAST_STEP ? (from + tried) >> 1 : from;
    this.#refused = { rows, at: this.#o.now(), error };
    pool.capacity = from > 0 ? from : rows;
    return from === 0;
  }

  /** What was refused says nothing about requests to come, which may be smaller. */
  forgetRefusal(): void {
    this.#refused = undefined;
  }

  /** Forgets everything but refusals: the arena is gone. */
  clear(): void {
    this.pool.clear();
    this.cache.clear();
    this.#growth = undefined;
    this.#relayout = false;
    this.#tidyAt = undefined;
  }

  /**
   * After a refusal: nothing moves where nothing must, and memory may be asked for again in the
   * same layout.
   */
  #roomAgain(wanted: number): Room {
    const { pool } = this;
    if (pool.holes + pool.called === 0 && pool.room < wanted && pool.capacity < this.limit) {
      this.#relayout = false;
      return this.#grow(pool.capacity + Math.max(pool.capacity, wanted), wanted);
    }
    const room = this.#arrange(wanted);
    if (!room.layout) return room;
    this.#relayout = false;
    if (pool.end + pool.shelved === 0) this.#growth = { seq: -1, from: 0 }; // it may be refused again
    return room;
  }

  /** Is there more below that no open request names than is worth its place? */
  #tidy(prospects: () => Prospects): boolean {
    const { pool, cache } = this;
    const cold = cache.idle - (pool.shelved - pool.called);
    const live = pool.live - cold;
    const foreign = pool.gaps + cold;
    if (foreign <= spareRows(live)) return false;
    if (foreign < (this.#tidyAt ?? 0) + TIDY_STEP && this.#ranSince < TIDY_ROWS) return false;
    this.#tidyAt = foreign;
    this.#ranSince = 0;
    const worth = worthTidying({ ...prospects(), live, cold, gaps: pool.gaps });
    if (worth) this.#tidyAt = undefined;
    return worth;
  }

  #compact(wanted: number, away?: (row: Row) => boolean): Room {
    const room = this.#arrange(wanted, away);
    if (room.layout) this.compactions++;
    return room;
  }

  /**
   * Moves the rows together; where not even one is left room for, cached rows go. Without a layout
   * there is none at all.
   */
  #arrange(wanted: number, away?: (row: Row) => boolean): Room {
    const { pool, cache } = this;
    if (pool.room + pool.holes <= 0) cache.evict(wanted);
    if (pool.room + pool.holes <= 0) return { rows: 0 };
    const layout = this.#layout(pool.arrange(away));
    return { rows: Math.min(wanted, pool.room), layout };
  }

  #grow(capacity: number, wanted: number): Room {
    const { pool } = this;
    this.#growth = { seq: -1, from: pool.capacity };
    if (pool.capacity > 0) this.growths++;
    pool.capacity = Math.min(this.limit, capacity);
    return { rows: Math.min(wanted, pool.room), layout: this.#layout(pool.identity()) };
  }

  #layout(moved: Moved): Layout {
    return {
      capacity: this.pool.capacity,
      ...moved,
      reply_to: this.#o.replyTo,
      wire: this.#o.wire,
    };
  }
}

/** Rows that no open request names. */
const idle = (row: Row) => row.users === 0;
