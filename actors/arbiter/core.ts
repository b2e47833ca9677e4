/**
 * The arbiter's decisions, without effects: messages in, effects out. `actors/arbiter/actor.ts`
 * carries them out.
 *
 * One arena serves all requests of a gateway node. (One arena a request, as first designed, would
 * keep rows of different requests out of one frame, and no request could use another's prompt.)
 *
 * @module
 */
import type { OpenMessage, RequestUsage, ResultsMessage, RowsMessage } from "./messages.ts";
import type { Shape, StageTrace, TokenResult } from "../pipeline/mod.ts";
import { OrreryError, type WireError } from "../system/mod.ts";
import { ArbiterArena } from "./arena.ts";
import type { Effect } from "./effects.ts";
import { load } from "./loading.ts";
import { outOfMemory, tooLarge } from "./memory_errors.ts";
import { choose, windowOf } from "./policy.ts";
import { ArbiterRequest } from "./request.ts";
import { Requests } from "./requests.ts";
import { situationOf } from "./situation.ts";
import type { ArbiterStats } from "./stats.ts";
import { type FrameTrace, NO_USAGE } from "./usage.ts";

/** Options of an {@linkcode ArbiterCore}. */
export interface CoreOptions {
  /** Address of the arbiter: where stages answer. */
  self: string;
  /** Number of stages. */
  stages: number;
  shape: Shape;
  /** Rows that the arena may ever hold. */
  capacityRows: number;
  /** Milliseconds, monotonic. */
  now: () => number;
  /** Makes a name that no arena had before. */
  nameArena: () => string;
}

/** See the module's text. */
export class ArbiterCore {
  readonly #o: CoreOptions;
  readonly #arena: ArbiterArena;
  readonly #requests = new Requests();
  #order = 0;
  #lastWasPiece = false;

  /** An arbiter without an arena: the first request opens it. */
  constructor(options: CoreOptions) {
    const { stages, capacityRows, now, nameArena, self, shape } = options;
    this.#o = options;
    this.#arena = new ArbiterArena({
      stages,
      capacityRows,
      now,
      nameArena,
      replyTo: self,
      wire: shape.wire,
    });
  }

  /** Open arena. */
  get arena(): string | undefined {
    return this.#arena.name;
  }

  /** Is there no request? */
  get idle(): boolean {
    return this.#requests.runs + this.#requests.waits === 0;
  }

  /** Frames that are under way. */
  get inFlight(): number[] {
    return this.#arena.flights.seqs;
  }

  /** A request begins; it may have to wait until others end. */
  open(open: OpenMessage): void {
    const { capacityRows, shape } = this.#o;
    if (this.#requests.find(open.generation)) {
      return this.#tellFailed(open.generation, {
        group: "actor",
        code: "already_started",
        message: `${open.generation} has opened its request already`,
      });
    }
    const refused = tooLarge(open, capacityRows);
    if (refused) return this.#tellFailed(open.generation, refused);
    this.#requests.add(new ArbiterRequest(open, { order: this.#order++, shape }));
    this.#admit();
  }

  /** More rows of a request. Unknown ones are ignored: it has ended meanwhile. */
  rows(rows: RowsMessage): void {
    const request = this.#requests.find(rows.generation);
    if (!request) return;
    try {
      request.add(rows, this.#o.shape);
    } catch (error) {
      if (!(error instanceof OrreryError)) throw error;
      this.#end(request);
      this.#tellFailed(request.generation, error.toWire());
    }
  }

  /** Rows of a request are of no use any more. */
  drop({ generation, rows }: { generation: string; rows: Int32Array }): void {
    const request = this.#requests.find(generation);
    if (!request) return;
    const standing = request.drop(rows);
    this.#arena.log.wasted += standing.length;
    this.#arena.release(standing);
  }

  /** A request is over. What of it may be of use to others stays. */
  close(generation: string): RequestUsage {
    const request = this.#requests.find(generation);
    if (!request) return NO_USAGE;
    this.#end(request);
    return request.usage(this.#arena.log);
  }

  /** The last stage's answer to a frame. */
  answered(answer: {
    arena: string;
    seq: number;
    tokens: TokenResult[];
    trace: StageTrace[];
    hidden_bytes: number;
  }): void {
    const flight = this.#arena.answered(answer);
    if (!flight) return;
    const now = this.#o.now();
    const common = { in_flight: this.#arena.flights.size, frame_ms: now - flight.sent };
    const toldTo = new Map<ArbiterRequest, ResultsMessage>();
    for (const [i, { row, pending: { request, number, kind } }] of flight.wanted.entries()) {
      const result = answer.tokens[i];
      if (!result || request.closed || request.rows[number] !== row) continue; // nobody waits for it
      let results = toldTo.get(request);
      if (!results) {
        toldTo.set(request, results = { results: [], ...common });
        if (!request.reportedReuse) results.reused_rows = request.reused;
        request.reportedReuse = true;
      }
      const { slot: _, ...rest } = result;
      results.results.push({ ...rest, row: number });
      if (kind !== "draft") request.owed.push(now);
    }
    for (const [request, results] of toldTo) {
      this.#arena.emit({ kind: "results", to: request.generation, results });
    }
  }

  /**
   * A stage could not run a frame. Memory that it does not have is done without, if that can be;
   * else the arena is gone and with it the requests that have rows there. The others begin anew in
   * another one.
   */
  failed({ arena, seq, error }: { arena: string; seq?: number; error: WireError }): void {
    if (arena !== this.#arena.name) return;
    if (error.code === "arena_memory" && this.#arena.memory.asked(seq)) {
      return this.#shrink(seq!, error);
    }
    this.#lose(error, { all: false });
  }

  /**
   * Closes the arena: no stage answers, nobody needs it, or the arbiter ends. Open requests fail
   * with `error`.
   */
  end(error: WireError): void {
    this.#lose(error, { all: true });
  }

  /**
   * Hands out frames as far as the window goes. Returns milliseconds after which to call again, if
   * there is a need.
   */
  pump(): number | undefined {
    const arena = this.#arena;
    const { stages, shape, now } = this.#o;
    const { flights, cost, memory } = arena;
    this.#admit();
    for (;;) {
      const { running } = this.#requests;
      if (arena.replays) {
        if (flights.size >= windowOf(stages, cost)) return undefined;
        if (arena.replay() || this.#stuck()) continue;
        return undefined;
      }
      const choice = choose(situationOf({
        ...{ stages, running, flights, cost, cap: shape.rows_per_frame, cache: memory.cache },
        ...{ lastWasPiece: this.#lastWasPiece, now: now() },
      }));
      if (choice.kind === "none") return undefined;
      if (choice.kind === "linger") return choice.ms;
      const pieces = choice.pieces.flatMap(({ job, rows }) =>
        job.rows.slice(job.at, job.at + rows)
      );
      const rows = [...pieces, ...choice.decodes, ...choice.drafts];
      const room = arena.room(rows.length, this.#requests);
      if (room.rows === 0) {
        if (this.#stuck()) continue;
        return undefined; // frames that are under way may make room
      }
      this.#lastWasPiece = pieces.length > 0;
      arena.send(load(rows, { room: room.rows, running, memory }), room.layout);
    }
  }

  /** What is to be done since the last call, in order. */
  takeEffects(): Effect[] {
    return this.#arena.takeEffects();
  }

  /** See {@linkcode ArbiterStats}. */
  stats(): ArbiterStats {
    const { name, log, memory, flights, cost, cancelled } = this.#arena;
    const { pool, cache, compactions, growths } = memory;
    const { frames, rows, wasted } = log;
    return {
      arena: name,
      requests: this.#requests.runs,
      waiting: this.#requests.waits,
      capacity: pool.capacity,
      free_rows: pool.room,
      holes: pool.holes,
      cached_rows: cache.idle,
      shelved_rows: pool.shelved,
      frames_in_flight: flights.size,
      window: windowOf(this.#o.stages, cost),
      frames,
      rows,
      rows_per_frame: frames ? rows / frames : 0,
      bubble_share: log.bubbleShare(this.#o.now()),
      wasted_row_share: rows ? Math.min(1, wasted / rows) : 0,
      reused_rows: cache.hits,
      compactions,
      growths,
      cancelled_frames: cancelled,
    };
  }

  /** The last frames, for a picture. */
  traces(): FrameTrace[] {
    return this.#arena.log.traces();
  }

  #admit(): void {
    const { memory } = this.#arena;
    if (this.#requests.admit(memory.limit) > 0) memory.changed();
  }

  /**
   * A request is over: what of it may be of use to others goes into the cache, the rest is given
   * back.
   */
  #end(request: ArbiterRequest): void {
    const { memory: { cache }, log } = this.#arena;
    this.#requests.remove(request);
    cache.tick();
    const accepted = new Set(request.accepted().map((n) => request.rows[n]!));
    if (request.open.reuse) { for (const row of accepted) if (row.done) cache.add(row); }
    const standing = request.rows.filter((row) => row !== undefined).reverse();
    this.#arena.release(standing);
    const wasted = standing.filter((row) => !accepted.has(row) || (row.freed && !row.done)).length;
    request.wasted += wasted;
    log.wasted += wasted;
    if (request.announced) this.#arena.forget(request.order);
    this.#arena.memory.changed();
  }

  #tellFailed(to: string, error: WireError): void {
    this.#arena.emit({ kind: "failed", to, error });
  }

  /**
   * A stage had no memory for frame `seq`'s layout: all goes on in the arena as it was, if there
   * was one.
   */
  #shrink(seq: number, error: WireError): void {
    const { memory } = this.#arena;
    if (!this.#arena.takeBack(seq, error)) return;
    // Nothing is open there. The requests that are here must fit into half of it, or the newest of
    // them must go.
    while (this.#requests.runs > 0 && this.#requests.rowsNeeded() > memory.pool.capacity) {
      this.#failNewest();
    }
    if (this.#requests.runs > 0) return;
    memory.forgetRefusal();
    this.#arena.close();
  }

  /**
   * No row can go, and none that is under way will make room: the newest request must give its rows
   * back.
   */
  #stuck(): boolean {
    if (this.#arena.flights.size > 0 || this.#requests.runs === 0) return false;
    this.#failNewest();
    return true;
  }

  #failNewest(): void {
    const newest = this.#requests.newest();
    this.#end(newest);
    this.#tellFailed(newest.generation, outOfMemory(newest.open, this.#arena.memory));
  }

  /** The arena is lost, or of no use any more. */
  #lose(error: WireError, { all }: { all: boolean }): void {
    for (const request of this.#requests.list({ all })) {
      if (all || !request.fresh) {
        this.#requests.remove(request);
        this.#tellFailed(request.generation, error);
      } else request.restart();
    }
    this.#arena.close();
  }
}
