/**
 * The arbiter's side of an arena: its frames are sent, come back, are called back, or are sent
 * again.
 *
 * Answers are matched by the number of the frame and the place in its `want`, never by slot: rows
 * may move to other slots while frames are under way, since a stage carries out frames and layouts
 * in one order.
 *
 * @module
 */
import type { WireError } from "../system/mod.ts";
import type { Effect } from "./effects.ts";
import { type Carried, type Flight, Flights, traced } from "./flights.ts";
import { FrameCost } from "./frame_cost.ts";
import type { StageTrace } from "../pipeline/mod.ts";
import { LaidLayouts } from "./laid_layouts.ts";
import { frameOf } from "./loading.ts";
import { LateBook } from "./late_book.ts";
import { MaskBook } from "./mask_book.ts";
import { type Layout, Memory, type MemoryOptions, type Room } from "./memory.ts";
import { LateMask } from "./request_masks.ts";
import { rebuildFrames, type RebuildPlan, segmentsOf } from "./rebuild.ts";
import { rebuiltNear } from "./rebuilt_near.ts";
import type { Requests } from "./requests.ts";
import type { Moved, Row } from "./row_pool.ts";
import { FrameLog, type FrameTrace } from "./usage.ts";

/** Most rows in one frame that are sent again. */
const REPLAY_ROWS = 64;

/** Options of an {@linkcode ArbiterArena}. */
export interface ArbiterArenaOptions extends MemoryOptions {
  /** Number of stages. */
  stages: number;
  /** See `PipelineRoute.shardStages`. @default no shard shares a device with a stage */
  shardStages?: readonly (number | undefined)[];
  /** Makes the name of a new arena; it must be unique. */
  nameArena: () => string;
  /** Told of each frame that has come back, once it is counted. @default nobody is */
  onFrame?: (arena: string, trace: FrameTrace) => void;
}

/** See the module's text. */
export class ArbiterArena {
  /** Which row stands in which slot, and what layouts the frames carry. */
  readonly memory: Memory;
  /** Frames under way. */
  readonly flights = new Flights();
  /** How long frames take. */
  readonly cost: FrameCost;
  /** What frames have cost so far. */
  readonly log: FrameLog;
  readonly #o: ArbiterArenaOptions;
  /** undefined: the arena is not open. */
  #name?: string;
  /** Effects that have not been taken. */
  #effects: Effect[] = [];
  /** Number of the next frame. */
  #seq = 0;
  /** Number of the last frame that carried a layout; -1: none did. */
  #layoutSeq = -1;
  /** Layouts that some stage may not have carried out. */
  readonly #laid = new LaidLayouts();
  /** See {@linkcode floor}. */
  #floor = 0;
  /** Ids of samplers that the next frame tells the stages to forget. */
  #forget: number[] = [];
  /** Masks that the stages know. */
  readonly #masks = new MaskBook();
  /** Late masks that the last stage knows. */
  readonly #late = new LateBook();
  /** Rows whose frames were refused memory: they are sent again before all others. */
  #replay: Carried[] = [];
  /** Number of frames that were called back, in this arena and those before. */
  cancelled = 0;

  /** Number of the next frame. */
  get nextSeq(): number {
    return this.#seq;
  }

  /** An arena that is not open at the stages: its first frame opens it. */
  constructor(options: ArbiterArenaOptions) {
    this.#o = options;
    this.memory = new Memory(options);
    this.cost = new FrameCost(options.stages, options.shardStages);
    this.log = new FrameLog(options.stages);
  }

  /** Its name at the stages; undefined: it is not open. */
  get name(): string | undefined {
    return this.#name;
  }

  /** Frames with smaller numbers were sent before the pipeline was rebuilt: they count no more. */
  get floor(): number {
    return this.#floor;
  }

  /** Adds an effect, to be carried out after all others. */
  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** Effects since the last call, in order. */
  takeEffects(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /**
   * Room for a frame of `wanted` rows; see {@linkcode Memory.room}. A new arena has room for the
   * largest of the running requests.
   */
  room(wanted: number, requests: Requests): Room {
    if (this.#name === undefined) {
      this.#name = this.#o.nameArena();
      return this.memory.open(
        Math.max(wanted, ...requests.running.map((r) => r.open.max_rows)),
        wanted,
      );
    }
    return this.memory.room(wanted, () => ({
      rowsToCome: requests.rowsToCome(),
      rowMs: this.cost.slowest(1),
      moveRowMs: this.cost.moveRowMs,
    }));
  }

  /** Sends a frame of rows that have their slots. The layout comes from {@linkcode room}. */
  send(carried: Carried[], layout?: Layout): void {
    const now = this.#o.now();
    const seq = this.#seq++;
    const { frame, flight } = frameOf(carried, {
      arena: this.#name!,
      seq,
      layout,
      forgotten: this.#forget.splice(0),
      masks: this.#masks,
      now,
    });
    // Each row takes an equal share of the slowest stage's time from its request's turn.
    const share = this.cost.slowest(carried.length) / carried.length;
    for (const { pending: { request } } of carried) request.served += share;
    for (const request of new Set(carried.map((c) => c.pending.request))) {
      request.tally.sentIn(carried.length, { at: now, busyMs: this.log.busyMs });
    }
    this.flights.add(flight);
    this.log.sent(now);
    if (layout) {
      this.#layoutSeq = seq;
      this.#laid.sent(seq, layout as Layout & Moved);
    }
    this.memory.sent(seq);
    const floor = this.#floor;
    this.emit({ kind: "frame", frame: floor > 0 ? { ...frame, floor } : frame });
  }

  /** Takes in that a frame came back. Returns undefined where it was cancelled or is unknown. */
  answered({ arena, seq, trace, hidden_bytes }: {
    arena: string;
    seq: number;
    trace: StageTrace[];
    hidden_bytes: number;
  }): Flight | undefined {
    const flight = arena === this.#name ? this.flights.get(seq) : undefined;
    if (!flight) return undefined;
    const now = this.#o.now();
    this.flights.delete(seq);
    this.cost.measure(flight.carried.length, now - flight.sent, trace);
    this.cost.measureLayout(flight.moved, trace);
    const known = traced(flight, now, trace);
    this.log.answered(known);
    this.#o.onFrame?.(arena, known);
    this.memory.answered(seq);
    this.#laid.answered(seq);
    for (const { row, pending: { request } } of flight.carried) {
      row.done = true;
      request.tally.rowDone(hidden_bytes / flight.carried.length, {
        at: now,
        busyMs: this.log.busyMs,
      });
    }
    return flight;
  }

  /** A late mask has come: the last stage is told of it if its row is under way. */
  settled(mask: LateMask): void {
    for (const { seq, wanted } of this.flights.all) {
      const row = wanted.findIndex(({ pending }) => pending.mask === mask);
      if (row < 0) continue;
      const arena = this.#name!;
      const late = { arena, seq, row, ...this.#late.name(mask.settled?.mask) };
      return this.emit({ kind: "late", late });
    }
  }

  /** Lets the stages forget a sampler, with the next frame. */
  forget(sampler: number): void {
    this.#forget.push(sampler);
  }

  /**
   * Gives rows back that a request does not name any more, children first. Frames that carry none
   * but unneeded rows are cancelled.
   */
  release(rows: Row[]): void {
    if (rows.length === 0) return;
    for (const row of rows) this.memory.cache.release(row);
    const seqs = this.flights.useless(this.#layoutSeq);
    for (const seq of seqs) {
      const { base, carried } = this.flights.get(seq)!;
      this.flights.delete(seq);
      this.log.lost(this.#o.now());
      this.memory.pool.suspect(base, carried.length);
    }
    this.#giveUp();
    if (seqs.length === 0) return;
    this.cancelled += seqs.length;
    this.emit({ kind: "cancel", arena: this.#name!, seqs });
  }

  /** Frees the last stage of waiting for masks of rows that nobody needs: they might never come. */
  #giveUp(): void {
    for (const { wanted } of this.flights.all) {
      for (const { row, pending: { request, number, mask } } of wanted) {
        if (!(mask instanceof LateMask) || mask.settled) continue;
        if (!request.closed && request.rows[number] === row) continue;
        mask.settled = {};
        this.settled(mask);
      }
    }
  }

  /**
   * Takes back frame `seq`, for whose layout a stage had no memory, and all later ones: their rows
   * will be sent again in the arena as it was before. Returns true if that was the arena's first
   * layout, so that the arena is not open now.
   */
  takeBack(seq: number, error: WireError): boolean {
    this.#recall(seq);
    return this.memory.refuse(error);
  }

  /**
   * How the pipeline is rebuilt, where the stages of `lost` have nothing of the arena any more and
   * those of `gone` have not kept what they sent. All frames under way are taken back: their rows
   * will be sent again. Cached rows that no request names are given up, unless no stage was lost.
   * undefined: no row is left, and the next frame opens an arena of another name.
   */
  rebuild(
    requests: Requests,
    { lost, gone }: { lost: ReadonlySet<number>; gone: ReadonlySet<number> },
  ): RebuildPlan | undefined {
    const { memory, memory: { pool, cache } } = this;
    const order = new Map(pool.standing.map((row, i) => [row, i]));
    const older = this.#replay.splice(0);
    this.#recall(0);
    memory.recall();
    this.#masks.forgetAll();
    this.#late.clear();
    for (const request of requests.running) request.announced = false;
    if (lost.size > 0) cache.evict(Infinity);
    const adrift = this.#adrift(requests);
    const placeOf = ({ row }: Carried) => order.get(row) ?? -1;
    this.#replay = [...this.#replay, ...adrift].sort((a, b) => placeOf(a) - placeOf(b));
    this.#replay.push(...older);
    const moved = pool.arrange();
    const arena = this.#name!;
    this.#floor = this.#seq++;
    const moves = this.#laid.moves(moved);
    this.#laid.sent(this.#floor, moved);
    const { standing, capacity } = pool;
    const { near } = memory;
    if (standing.length === 0) {
      memory.reopen();
      if (lost.size > 0) return this.#rename();
    }
    return {
      realign: { arena, floor: this.#floor, capacity, moves },
      frames: rebuildFrames(standing, segmentsOf(this.#o.stages, { lost, gone, anew: !!near }), {
        arena,
        near: near && ((rows) => rebuiltNear(standing, near, rows)),
        floor: this.#floor,
        layout: memory.empty,
        nextSeq: () => this.#seq++,
      }),
    };
  }

  /**
   * The next frame opens an arena of another name. An earlier frame that is still on its way would
   * open the old one at a stage that is new and was told nothing, and stand there beside those to come.
   */
  #rename(): undefined {
    this.emit({ kind: "close", arena: this.#name! });
    this.#name = this.#o.nameArena();
    this.#layoutSeq = -1;
    this.#laid.clear();
  }

  /**
   * Takes rows back that have run, but hang on one that was taken back: their frames needed no
   * answer of the LM head's shards, and were answered before earlier ones.
   */
  #adrift({ running }: Requests): Carried[] {
    const { pool, cache } = this.memory;
    const hangs = ({ parent }: Row) => parent !== undefined && parent.slot < 0;
    if (!pool.standing.some(hangs)) return [];
    cache.evict(Infinity); // those that are left are named by a request
    const adrift = new Set<Row>();
    for (const row of pool.standing) {
      if (!hangs(row)) continue;
      pool.unplace(row);
      row.done = false;
      adrift.add(row);
    }
    const carried: Carried[] = [];
    for (const request of running) {
      for (const [number, row] of request.rows.entries()) {
        if (row && adrift.delete(row)) carried.push({ row, pending: request.again(number, row) });
      }
    }
    return carried;
  }

  /** Every stage that is left stands as the rebuild with this floor says. */
  realigned(floor: number): void {
    if (floor === this.#floor) this.#laid.answered(floor);
  }

  /** Takes back frame `seq` and all later ones: their rows will be sent again. */
  #recall(seq: number): void {
    const lost = this.flights.since(seq);
    for (const flight of lost) {
      this.flights.delete(flight.seq);
      this.log.lost(this.#o.now());
      for (const request of flight.announced) request.announced = false;
      this.#forget.push(...flight.forgotten);
      this.#masks.takeBack(flight.masks, flight.forgottenMasks);
    }
    // These rows were sent before those that are left of an earlier refusal.
    this.#replay = [...lost.flatMap((f) => f.carried), ...this.#replay];
    // Slots are freed from the last one downwards, so that the pool ends where it did before.
    for (const { row } of this.#replay.toReversed()) this.memory.pool.unplace(row);
  }

  /** There are rows to be sent again. */
  get replays(): boolean {
    this.#replay = this.#replay.filter(({ row }) => !row.freed);
    return this.#replay.length > 0;
  }

  /** Sends a frame of rows that are to be sent again. Returns false where no row has room. */
  replay(): boolean {
    const room = this.memory.room(Math.min(REPLAY_ROWS, this.#replay.length));
    if (room.rows === 0) return false;
    const carried = this.#replay.splice(0, room.rows);
    for (const { row } of carried) this.memory.pool.place(row);
    this.send(carried, room.layout);
    return true;
  }

  /**
   * Closes the arena at every stage and forgets its rows and frames. The next frame opens a new
   * one.
   */
  close(): void {
    if (this.#name === undefined) return;
    for (let lost = this.flights.clear(); lost > 0; lost--) this.log.lost(this.#o.now());
    this.emit({ kind: "close", arena: this.#name });
    this.memory.clear();
    this.#name = undefined;
    this.#forget = [];
    this.#masks.clear();
    this.#late.clear();
    this.#layoutSeq = -1;
    this.#laid.clear();
    this.#seq = this.#floor = 0;
    this.#replay = [];
  }
}
