/**
 * Memory of the arena: when the arena grows, when its rows are moved together, and what happens
 * when a stage has no more memory.
 *
 * A layout that asks for memory may be refused by any stage. Until it is answered no other layout
 * is sent, since that one would have to be undone too. After a refusal the arena is as it was
 * before: the next frame carries a layout that says so. Memory is asked for in smaller steps then,
 * and for a minute not beyond half of the step that was refused.
 *
 * @module
 */
import type { WireError } from "../system/mod.ts";
import type { Frame } from "../pipeline/mod.ts";
import { type NearPlan, NearRows, type Windowed } from "./near_rows.ts";
import { PrefixCache } from "./prefix_cache.ts";
import type { ArbiterRequest } from "./request.ts";
import { type Moved, type Row, RowPool } from "./row_pool.ts";
import { spareRows, type TidySituation, worthTidying } from "./tidy.ts";

/** A new arena has a multiple of this many rows. */
const ROUND_ROWS = 256;
/**
 * Share of the arena that holes must make up for rows to be moved together while the arena may
 * still grow, 0 to 1.
 */
const WORTH = 1 / 4;
/** Steps of at most this many rows are not halved after a refusal: the arena stays as it is. */
const LEAST_STEP = 64;
/** Milliseconds after a refusal before as much memory is asked for again. */
const REFUSED_MS = 60_000;

/**
 * Rows for which windowed layers have room when they begin to ask for more: frames that carry other layouts
 * before take some of it.
 */
const NEAR_RESERVE = 8;

/**
 * Foreign slots (see `tidy.ts`) that must be added before it is worked out again whether to move
 * them out of the way.
 */
const TIDY_STEP = 32;
/** Rows that must run before it is worked out again: a longer answer has more to gain. */
const TIDY_ROWS = 24;

/** What {@linkcode Memory.room} must know about rows to come to decide whether to tidy up. */
export type Prospects = Pick<TidySituation, "rowsToCome" | "rowMs" | "moveRowMs">;

/** What a stage does with the rows of its arena before it runs a frame: see `frameSchema`. */
export type Layout = NonNullable<Frame["layout"]>;

/** Room for a frame. */
export interface Room {
  /** Most rows that the frame may have; 0: it cannot be sent now. */
  rows: number;
  /** Layout that the frame must carry, if any. */
  layout?: Layout;
}

/** Options of a {@linkcode Memory}. */
export interface MemoryOptions {
  /** Most rows that the arena may hold. */
  capacityRows: number;
  /** The time in milliseconds, monotonic. */
  now: () => number;
  /** Address that the stages answer to. */
  replyTo: string;
  /** How hidden states travel between stages. */
  wire: Layout["wire"];
  /**
   * The model's windowed layers, which keep only the rows that they need, and the requests that run.
   * @default all layers keep all rows
   */
  near?: { windowed: Windowed; running: () => readonly ArbiterRequest[] };
}

/** See the module's text. */
export class Memory {
  /** Which rows windowed layers keep; undefined: all. */
  readonly near?: NearRows;
  /** Which row stands in which slot. */
  readonly pool: RowPool;
  /** Rows that later requests may use. */
  readonly cache: PrefixCache;
  readonly #o: MemoryOptions;
  /**
   * The layout that asks for memory and has not been answered yet. `seq`: number of its frame, -1
   * before it is sent; `from`: rows of the arena before it; `nearFrom`: those of windowed layers.
   */
  #growth?: { seq: number; from: number; nearFrom: number };
  /** After a refusal: the next frame must carry a layout that says how the arena is. */
  #relayout = false;
  /** The last refusal: most rows to ask for, when it came (milliseconds), what the stage said. */
  #refused?: { rows: number; near: number; at: number; error: WireError };
  /** Foreign slots when moving them last did not pay; undefined: it has to be worked out again. */
  #tidyAt?: number;
  /** Rows sent since then. */
  #ranSince = 0;
  /** How often rows were moved together. */
  compactions = 0;
  /** How often an open arena asked for more memory. */
  growths = 0;

  /** The memory of an arena that is not open. */
  constructor(options: MemoryOptions) {
    this.#o = options;
    if (options.near) this.near = new NearRows(options.near.windowed);
    this.pool = new RowPool(this.near);
    this.cache = new PrefixCache(this.pool);
  }

  /** Most rows that the arena may hold now: a refusal bounds them for a minute. */
  get limit(): number {
    return Math.min(this.#o.capacityRows, this.#bound?.rows ?? Infinity);
  }

  /** The last refusal, while it counts. */
  get #bound(): { rows: number; near: number } | undefined {
    if (this.#refused && this.#o.now() - this.#refused.at > REFUSED_MS) this.#refused = undefined;
    return this.#refused;
  }

  /** Most rows that the arena may hold, whatever was refused. */
  get most(): number {
    return this.#o.capacityRows;
  }

  /** What a stage said when it last refused memory; undefined: that is too long ago. */
  get refusal(): WireError | undefined {
    return this.#refused?.error;
  }

  /**
   * Opens an arena that is to hold `needed` rows soon; room for its first frame of `wanted` rows.
   */
  open(needed: number, wanted: number): Room {
    const room = this.#grow(Math.ceil(needed / ROUND_ROWS) * ROUND_ROWS, wanted);
    const { near, pool } = this;
    if (!near) return room;
    near.capacity = near.opening(room.rows, pool.capacity);
    room.layout!.near = { capacity: near.capacity, keep: new Int32Array(0) };
    return { ...room, rows: Math.min(room.rows, near.room) };
  }

  /**
   * Room for a frame of `wanted` rows, or for as many of them as fit, and the layout that makes
   * this room. The arena grows while it may. Rows are moved together where that gains much, or
   * where the arena may not grow. Cached rows that no request names are evicted last. With
   * `prospects`, cached rows that would slow the rows to come by more than moving costs go to the
   * shelf: see `tidy.ts`.
   */
  room(wanted: number, prospects?: () => Prospects): Room {
    const { near } = this;
    if (!near) return this.#room(wanted, prospects);
    if (!this.#relayout) {
      if (this.#growth || near.room >= wanted + NEAR_RESERVE) {
        return this.#asTheyAre(wanted, prospects);
      }
      const wished = this.#nearPlan(wanted);
      if (wished.capacity > near.capacity) {
        const room = this.#growNear(wished);
        if (room) return room;
      }
    }
    const plan = this.#nearPlan(wanted, near.capacity);
    if (!this.#relayout && (plan.rows <= Math.min(wanted, near.room))) {
      return this.#asTheyAre(wanted, prospects); // nothing is gained by giving rows up
    }
    return this.#giveUp(plan, prospects);
  }

  /** Room for rows where windowed layers keep what they have. */
  #asTheyAre(wanted: number, prospects?: () => Prospects): Room {
    const rows = Math.min(wanted, this.near!.room);
    if (rows <= 0) return { rows: 0 };
    const room = this.#room(rows, prospects);
    const { pool } = this;
    // Windowed layers may have to grow soon, for which slots must be sound.
    const mend = rows < wanted && !room.layout && !this.#growth && room.rows > 0 && !pool.sound;
    return mend ? { ...room, layout: this.#layout(pool.arrange()) } : room;
  }

  /** Room for rows where windowed layers give up what is not needed, in as much room as they have. */
  #giveUp(plan: NearPlan, prospects?: () => Prospects): Room {
    if (plan.rows <= 0) return { rows: 0 };
    const room = this.#room(plan.rows, prospects);
    if (room.rows === 0) return room;
    const { pool } = this;
    const layout = room.layout ?? this.#layout(pool.sound ? pool.identity() : pool.arrange());
    return { ...room, layout: { ...layout, near: this.#keepNear(plan) } };
  }

  /**
   * Asks for more memory for windowed layers. A layout that may be refused must not move rows, so that all
   * stages agree on where these stand; undefined: it would have to.
   */
  #growNear(plan: NearPlan): Room | undefined {
    const { pool } = this;
    if (!pool.sound || pool.called > 0 || plan.rows <= 0) return undefined;
    const more = pool.room < plan.rows && pool.capacity < this.limit;
    if (!more && pool.room <= 0) return undefined;
    const { rows, layout } = more
      ? this.#grow(pool.capacity + Math.max(pool.capacity, plan.rows), plan.rows)
      : { rows: Math.min(plan.rows, pool.room), layout: this.#layout(pool.identity()) };
    this.#growth ??= { seq: -1, from: pool.capacity, nearFrom: this.near!.capacity };
    return { rows, layout: { ...layout!, near: this.#keepNear(plan) } };
  }

  /** What windowed layers are to keep, so that a frame has room. */
  #nearPlan(wanted: number, most = Infinity): NearPlan {
    const { cache, pool: { capacity } } = this;
    return this.near!.plan(wanted, {
      running: this.#o.near!.running(),
      cache,
      slots: capacity,
      most: Math.min(capacity, most, this.#bound?.near ?? Infinity),
    });
  }

  /** Carries out what windowed layers are to keep, and says what a layout must say of it. */
  #keepNear(plan: NearPlan): Layout["near"] {
    const slots = this.near!.arrange(plan).map(({ slot }) => slot);
    return { capacity: plan.capacity, keep: Int32Array.from(slots) };
  }

  /** As {@linkcode Memory.room}, for the slots of the arena. */
  #room(wanted: number, prospects?: () => Prospects): Room {
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

  /** A request begins or ends: it has to be worked out again what to move out of the way. */
  changed(): void {
    this.#tidyAt = undefined;
  }

  /** The frame that carries the layout of the last room was sent. */
  sent(seq: number): void {
    if (this.#growth?.seq === -1) this.#growth.seq = seq;
  }

  /** A frame came back: every stage had the memory that its layout asked for. */
  answered(seq: number): void {
    if (this.#growth?.seq === seq) this.#growth = undefined;
  }

  /** Does frame `seq` ask for memory that has neither been given nor refused? */
  asked(seq: number | undefined): boolean {
    return this.#growth !== undefined && this.#growth.seq === seq;
  }

  /**
   * Takes in that a stage has refused the memory. The caller has taken back every row that was sent
   * since. Returns true if the arena is not open now: this was its first layout.
   */
  refuse(error: WireError): boolean {
    const { pool } = this;
    const tried = pool.capacity;
    const { from, nearFrom } = this.#growth!;
    this.#growth = undefined;
    this.#relayout = true;
    // Next time half of the step is asked for, until steps are small.
    const rows = from === 0 || tried - from > LEAST_STEP ? (from + tried) >> 1 : from;
    this.#refused = {
      rows: Math.max(rows, 1),
      near: nearFrom || Infinity,
      at: this.#o.now(),
      error,
    };
    pool.capacity = from > 0 ? from : rows;
    if (this.near) this.near.capacity = Math.min(nearFrom || this.near.capacity, pool.capacity);
    return from === 0;
  }

  /**
   * Every frame under way was taken back, and all stages are about to be told how the arena is:
   * memory that was asked for and not given yet is not asked for any more.
   */
  recall(): void {
    const { pool } = this;
    const { from = 0, nearFrom = 0 } = this.#growth ?? {};
    if (from > 0 && pool.capacity - pool.room <= from) pool.capacity = from;
    if (this.near && nearFrom > 0) this.near.capacity = nearFrom;
    this.#growth = undefined;
    // Stages that begin anew have kept other rows in windowed layers than those that went on.
    this.#relayout = this.near !== undefined;
  }

  /** The arena has no row: the next frame opens it anew at every stage. */
  reopen(): void {
    this.#relayout = true;
  }

  /** The layout of an arena as large as this one, and empty. */
  get empty(): Layout {
    const keep = new Int32Array(0);
    const { near } = this;
    return { ...this.#layout({ keep }), ...(near && { near: { capacity: near.capacity, keep } }) };
  }

  /** Lifts the bound of the last refusal: requests to come may be smaller. */
  forgetRefusal(): void {
    this.#refused = undefined;
  }

  /** Forgets everything but refusals: the arena is closed. */
  clear(): void {
    this.pool.clear();
    this.near?.clear();
    this.cache.clear();
    this.#growth = undefined;
    this.#relayout = false;
    this.#tidyAt = undefined;
  }

  /**
   * Room after a refusal. Where there is nothing to move, the layout asks for memory again, in a
   * smaller step; else it moves the rows together.
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
    // Without any row this layout opens the arena, and may be refused.
    if (pool.end + pool.shelved === 0) this.#growth = { seq: -1, from: 0, nearFrom: 0 };
    return room;
  }

  /**
   * Does it pay to move cached rows that no request names to the shelf, and the rest together? It
   * is worked out only now and then.
   */
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

  /** As `#arrange`, and counts it. */
  #compact(wanted: number, away?: (row: Row) => boolean): Room {
    const room = this.#arrange(wanted, away);
    if (room.layout) this.compactions++;
    return room;
  }

  /**
   * Moves the rows together, and those of `away` to the shelf. Where that leaves room for no row,
   * cached rows are evicted. Without a layout in the answer there is no room at all.
   */
  #arrange(wanted: number, away?: (row: Row) => boolean): Room {
    const { pool, cache } = this;
    if (pool.room + pool.holes <= 0) cache.evict(wanted);
    if (pool.room + pool.holes <= 0) return { rows: 0 };
    const layout = this.#layout(pool.arrange(away));
    return { rows: Math.min(wanted, pool.room), layout };
  }

  /** Asks for an arena of `capacity` rows, within the limit. */
  #grow(capacity: number, wanted: number): Room {
    const { pool } = this;
    this.#growth = { seq: -1, from: pool.capacity, nearFrom: this.near?.capacity ?? 0 };
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

/** Does no open request name the row? */
const idle = (row: Row) => row.users === 0;
