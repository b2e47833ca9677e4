/**
 * The arbiter's side of an arena: frames that go out to it, come back from it, are called back or
 * go out again.
 *
 * Answers are matched by a frame's number and the place in its `want`, never by slot: rows may move
 * while frames are under way, as a stage carries out frames and layouts in one order.
 *
 * @module
 */
import type { WireError } from "../system/mod.ts";
import type { Effect } from "./effects.ts";
import { type Carried, type Flight, Flights, traced } from "./flights.ts";
import { FrameCost } from "./frame_cost.ts";
import type { StageTrace } from "../pipeline/mod.ts";
import { frameOf } from "./loading.ts";
import { type Layout, Memory, type MemoryOptions, type Room } from "./memory.ts";
import type { Requests } from "./requests.ts";
import type { Row } from "./row_pool.ts";
import { FrameLog } from "./usage.ts";

/** Rows that go out again in one frame. */
const REPLAY_ROWS = 64;

/** Options of an {@linkcode ArbiterArena}. */
export interface ArbiterArenaOptions extends MemoryOptions {
  /** Number of stages. */
  stages: number;
  /** Makes a name that no arena had before. */
  nameArena: () => string;
}

/** See the module's text. */
export class ArbiterArena {
  readonly memory: Memory;
  readonly flights = new Flights();
  readonly cost: FrameCost;
  readonly log: FrameLog;
  readonly #o: ArbiterArenaOptions;
  #name?: string;
  #effects: Effect[] = [];
  #seq = 0;
  /** Newest layout that was sent. */
  #layoutSeq = -1;
  /** Samplers that the stages may forget. */
  #forget: number[] = [];
  /** Rows that were refused memory: go out again before all others. */
  #replay: Carried[] = [];
  /** Frames that were called back, in this arena and those before. */
  cancelled = 0;

  /** An arena that is open nowhere: the first frame opens it. */
  constructor(options: ArbiterArenaOptions) {
    this.#o = options;
    this.memory = new Memory(options);
    this.cost = new FrameCost(options.stages);
    this.log = new FrameLog(options.stages);
  }

  /** Its name at the stages, while it is open. */
  get name(): string | undefined {
    return this.#name;
  }

  /** Something is to be done after all that came before. */
  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** What is to be done since the last call, in order. */
  takeEffects(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /**
   * Room for a frame of `wanted` rows; see {@linkcode Memory.room}. A new arena begins with room
   * for the largest request.
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

  /** Sends a frame of rows that have their slots. */
  send(carried: Carried[], layout?: Layout): void {
    const now = this.#o.now();
    const seq = this.#seq++;
    const { frame, flight } = frameOf(carried, {
      ...{ arena: this.#name!, seq, layout, forgotten: this.#forget.splice(0), now },
    });
    // Each request has had its share of the slowest stage's time.
    const share = this.cost.slowest(carried.length) / carried.length;
    for (const { pending: { request } } of carried) request.served += share;
    for (const request of new Set(carried.map((c) => c.pending.request))) {
      request.sentIn(carried.length, { at: now, busyMs: this.log.busyMs });
    }
    this.flights.add(flight);
    this.log.sent(now);
    if (layout) this.#layoutSeq = seq;
    this.memory.sent(seq);
    this.emit({ kind: "frame", frame });
  }

  /** A frame came back. Undefined: it was cancelled, or is another arena's. */
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
    this.log.answered(traced(flight, now, trace));
    this.memory.answered(seq);
    for (const { row, pending: { request } } of flight.carried) {
      row.done = true;
      request.rowDone(hidden_bytes / flight.carried.length, { at: now, busyMs: this.log.busyMs });
    }
    return flight;
  }

  /** The stages may forget a sampler. */
  forget(sampler: number): void {
    this.#forget.push(sampler);
  }

  /**
   * Rows, children first, that a request names no more; frames that carry nothing of use are
   * cancelled.
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
    if (seqs.length === 0) return;
    this.cancelled += seqs.length;
    this.emit({ kind: "cancel", arena: this.#name!, seqs });
  }

  /**
   * A stage had no memory for frame `seq`'s layout: what it and later frames carried will go out
   * again in the arena as it was. Returns true if it is open nowhere now.
   */
  takeBack(seq: number, error: WireError): boolean {
    const lost = this.flights.since(seq);
    for (const flight of lost) {
      this.flights.delete(flight.seq);
      this.log.lost(this.#o.now());
      for (const request of flight.announced) request.announced = false;
      this.#forget.push(...flight.forgotten);
    }
    // They went before what is left of an earlier refusal.
    this.#replay = [...lost.flatMap((f) => f.carried), ...this.#replay];
    // From the end downwards, so that the pool ends where it did before.
    for (const { row } of this.#replay.toReversed()) this.memory.pool.unplace(row);
    return this.memory.refuse(error);
  }

  /** Are there rows to go out again? */
  get replays(): boolean {
    this.#replay = this.#replay.filter(({ row }) => !row.freed);
    return this.#replay.length > 0;
  }

  /** Sends rows that go out again. False: there is no room for any. */
  replay(): boolean {
    const room = this.memory.room(Math.min(REPLAY_ROWS, this.#replay.length));
    if (room.rows === 0) return false;
    const carried = this.#replay.splice(0, room.rows);
    for (const { row } of carried) this.memory.pool.place(row);
    this.send(carried, room.layout);
    return true;
  }

  /**
   * Gives it back at every stage and forgets what stood there. The next frame opens another one.
   */
  close(): void {
    if (this.#name === undefined) return;
    for (let lost = this.flights.clear(); lost > 0; lost--) this.log.lost(this.#o.now());
    this.emit({ kind: "close", arena: this.#name });
    this.memory.clear();
    this.#name = undefined;
    this.#forget = [];
    this.#layoutSeq = -1;
    this.#seq = 0;
    this.#replay = [];
  }
}
