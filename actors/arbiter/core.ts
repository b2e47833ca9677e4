/**
 * The arbiter's decisions, without effects: messages in, effects out. `actors/arbiter.ts` carries them out.
 *
 * One arena serves all requests of a gateway node. (One arena a request, as first designed, would keep rows of different
 * requests out of one frame, and no request could use another's prompt.) Attention over the masked slots of others costs about
 * 1 % of a frame at a few thousand slots, as the matrices dominate; a row more in a frame saves half a frame of its own.
 *
 * Answers are matched by a frame's number and the place in its `want`, never by slot: rows may move while frames are under
 * way, as a stage carries out frames and layouts in one order.
 *
 * @module
 */
import type { Open, Results, Rows, Usage } from "../arbiter_messages.ts";
import type { Shape } from "../deployment.ts";
import { OrreryError, type WireError } from "../errors.ts";
import type { Frame, TokenResult } from "../frame.ts";
import { FrameCost, type StageTrace } from "./frame_cost.ts";
import { choose, type DecodeOffer, type DraftOffer, type PieceOffer, windowOf } from "./policy.ts";
import { PrefixCache } from "./prefix_cache.ts";
import { type Job, nextPiece, type Pending, Request } from "./request.ts";
import { newRow, type Row, RowPool } from "./row_pool.ts";
import { FrameLog, type FrameTrace } from "./usage.ts";

/** Arenas begin with a multiple of so many rows. */
const ROUND_ROWS = 256;
/** Part of the arena that must be gained before rows are moved together rather than the arena grown. */
const WORTH = 1 / 4;
/** Rows by which an arena grows at least after a refusal. */
const LEAST_STEP = 64;
/** Milliseconds before memory that was refused is asked for again. */
const REFUSED_MS = 60_000;
/** Milliseconds within which an answered lane is expected back. */
const BACK_MS = 20;

/** Something that the arbiter wants done, in order. */
export type Effect =
  | { kind: "frame"; frame: Frame }
  | { kind: "cancel"; arena: string; seqs: number[] }
  | { kind: "close"; arena: string }
  | { kind: "results"; to: string; results: Results }
  | { kind: "failed"; to: string; error: WireError };

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

/** A row as a frame carries it. */
interface Carried {
  row: Row;
  pending: Pending;
}

interface Flight {
  seq: number;
  base: number;
  carried: Carried[];
  wanted: Carried[];
  sent: number;
  /** It announces or forgets samplers, or has a layout: it must reach every stage. */
  bound: boolean;
  announced: Request[];
  forgotten: number[];
}

/** Counters of an arbiter. */
export interface ArbiterStats {
  /** Name of the open arena, if there is one. */
  arena?: string;
  /** Requests that run. */
  requests: number;
  /** Requests that wait for rows. */
  waiting: number;
  /** Rows of the arena. */
  capacity: number;
  /** Rows above the last one in use. */
  free_rows: number;
  /** Freed rows in between. */
  holes: number;
  /** Rows that no request names, kept for later ones. */
  cached_rows: number;
  frames_in_flight: number;
  /** Most frames in flight, as of now. */
  window: number;
  /** Frames that came back, since the arbiter was made. */
  frames: number;
  rows: number;
  /** Rows in a frame in the mean. */
  rows_per_frame: number;
  /** Share of stage time without work while a frame was under way, 0 .. 1. */
  bubble_share: number;
  /** Share of rows that were dropped after they had been sent, 0 .. 1. */
  wasted_row_share: number;
  /** Prompt rows that did not have to be computed. */
  reused_rows: number;
  compactions: number;
  growths: number;
  cancelled_frames: number;
}

/** See the module's text. */
export class ArbiterCore {
  readonly #o: CoreOptions;
  readonly #pool = new RowPool();
  readonly #cache = new PrefixCache(this.#pool);
  readonly #cost: FrameCost;
  readonly #log: FrameLog;
  readonly #running = new Map<string, Request>();
  readonly #waiting: Request[] = [];
  readonly #flights = new Map<number, Flight>();
  #effects: Effect[] = [];
  #arena?: string;
  #seq = 0;
  #order = 0;
  #lastWasPiece = false;
  #lastAnswer = 0;
  /** Samplers that the stages may forget. */
  #forget: number[] = [];
  /** Newest layout that was sent. */
  #layoutSeq = -1;
  /** A layout that asked for memory and was not answered yet; what the arena held before. */
  #growth?: { seq: number; from: number };
  /** Rows that were refused memory: go out again before all others. */
  #replay: Carried[] = [];
  /** The next frame must carry a layout. */
  #relayout = false;
  /** Memory that a stage did not have. */
  #refused?: { rows: number; at: number; error: WireError };
  #reused = 0;
  #compactions = 0;
  #growths = 0;
  #cancelled = 0;

  /** An arbiter without an arena: the first request opens it. */
  constructor(options: CoreOptions) {
    this.#o = options;
    this.#cost = new FrameCost(options.stages);
    this.#log = new FrameLog(options.stages);
  }

  /** Open arena. */
  get arena(): string | undefined {
    return this.#arena;
  }

  /** Is there no request? */
  get idle(): boolean {
    return this.#running.size + this.#waiting.length === 0;
  }

  /** Frames that are under way. */
  get inFlight(): number[] {
    return [...this.#flights.keys()];
  }

  /** A request begins; it may have to wait until others end. */
  open(open: Open): void {
    const { capacityRows } = this.#o;
    if (this.#find(open.generation)) {
      return this.#tellFailed(open.generation, {
        group: "actor",
        code: "already_started",
        message: `${open.generation} has opened its request already`,
      });
    }
    if (open.max_rows > capacityRows || open.prompt.length > capacityRows) {
      const needed = Math.max(open.max_rows, open.prompt.length);
      return this.#tellFailed(open.generation, {
        group: "engine",
        code: "arena_memory",
        message: `the request needs ${needed} KV rows, the stages have memory for ${capacityRows}; ` +
          "ask for fewer tokens or give the stages more memory",
        metadata: { rows: needed, capacity_rows: capacityRows },
      });
    }
    const request = new Request(open, { order: this.#order++, shape: this.#o.shape });
    this.#waiting.push(request);
    this.#admit();
  }

  /** More rows of a request. Unknown ones are ignored: it has ended meanwhile. */
  rows(rows: Rows): void {
    const request = this.#find(rows.generation);
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
    const request = this.#find(generation);
    if (!request) return;
    const standing = request.drop(rows);
    this.#log.wasted += standing.length;
    this.#release(standing);
  }

  /** A request is over. What of it may be of use to others stays. */
  close(generation: string): Usage {
    const request = this.#find(generation);
    if (request) this.#end(request);
    return (request ?? NOTHING).usage((b, w) => this.#log.idleShare(b, w), this.#log.bytesPerRow);
  }

  /** The last stage's answer to a frame. */
  answered({ arena, seq, tokens, trace, hidden_bytes }: {
    arena: string;
    seq: number;
    tokens: TokenResult[];
    trace: StageTrace[];
    hidden_bytes: number;
  }): void {
    const flight = arena === this.#arena ? this.#flights.get(seq) : undefined;
    if (!flight) return; // cancelled, or of an arena that is gone
    const now = this.#o.now();
    const tripMs = now - flight.sent;
    this.#flights.delete(seq);
    this.#cost.measure(flight.carried.length, tripMs, trace);
    this.#log.answered(traced(flight, now, trace), hidden_bytes);
    this.#lastAnswer = now;
    if (this.#growth?.seq === seq) this.#growth = undefined;
    const toldTo = new Map<Request, Results>();
    for (const { row, pending: { request } } of flight.carried) {
      row.done = true;
      request.ended = { at: now, busyMs: this.#log.busyMs };
    }
    for (const [i, { row, pending: { request, number, kind } }] of flight.wanted.entries()) {
      const result = tokens[i];
      if (!result || request.closed || request.rows[number] !== row) continue; // nobody waits for it
      let results = toldTo.get(request);
      if (!results) {
        toldTo.set(request, results = { results: [], in_flight: this.#flights.size, frame_ms: tripMs });
        if (!request.reportedReuse) results.reused_rows = request.reused;
        request.reportedReuse = true;
      }
      const { slot: _, ...rest } = result;
      results.results.push({ ...rest, row: number });
      if (kind !== "draft") request.owed++;
      request.answeredAt = now;
    }
    for (const [request, results] of toldTo) {
      this.#effects.push({ kind: "results", to: request.generation, results });
    }
  }

  /**
   * A stage could not run a frame. Memory that it does not have is done without, if that can be; else the arena is gone and
   * with it the requests that have rows there. The others begin anew in another one.
   */
  failed({ arena, seq, error }: { arena: string; seq?: number; error: WireError }): void {
    if (arena !== this.#arena) return;
    if (error.code === "arena_memory" && this.#growth && this.#growth.seq === seq) {
      return this.#shrink(this.#growth, error);
    }
    this.#lose(error, { all: false });
  }

  /** No stage answers: every request fails. */
  silent(error: WireError): void {
    this.#lose(error, { all: true });
  }

  /** Closes the arena: nobody needs it, or the arbiter ends. Requests that are open fail with `error`. */
  end(error: WireError): void {
    this.#lose(error, { all: true });
  }

  /** Hands out frames as far as the window goes. Returns milliseconds after which to call again, if there is a need. */
  pump(): number | undefined {
    this.#admit();
    for (;;) {
      if (this.#replay.length > 0) {
        if (!this.#sendReplay()) return undefined;
        continue;
      }
      const choice = choose<Job, Pending>(this.#situation());
      if (choice.kind === "none") return undefined;
      if (choice.kind === "linger") return choice.ms;
      const pieces = choice.pieces.flatMap(({ job, rows }) => job.rows.slice(job.at, job.at + rows));
      const rows = [...pieces, ...choice.decodes, ...choice.drafts];
      const room = this.#makeRoom(rows.length);
      if (room.rows === 0) {
        if (this.#stuck()) continue;
        return undefined; // frames that are under way may make room
      }
      this.#lastWasPiece = pieces.length > 0;
      this.#send(this.#carry(rows, room.rows), room.layout);
    }
  }

  /** What is to be done since the last call, in order. */
  takeEffects(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** See {@linkcode ArbiterStats}. */
  stats(): ArbiterStats {
    const { frames, rows, wasted } = this.#log;
    return {
      arena: this.#arena,
      requests: this.#running.size,
      waiting: this.#waiting.length,
      capacity: this.#pool.capacity,
      free_rows: this.#pool.room,
      holes: this.#pool.holes,
      cached_rows: this.#cache.idle,
      frames_in_flight: this.#flights.size,
      window: windowOf(this.#o.stages, this.#cost),
      frames,
      rows,
      rows_per_frame: frames ? rows / frames : 0,
      bubble_share: this.#log.bubbleShare(this.#o.now()),
      wasted_row_share: rows ? Math.min(1, wasted / rows) : 0,
      reused_rows: this.#reused,
      compactions: this.#compactions,
      growths: this.#growths,
      cancelled_frames: this.#cancelled,
    };
  }

  /** The last frames, for a picture. */
  traces(): FrameTrace[] {
    return this.#log.traces();
  }

  // --- requests ---

  #find(generation: string): Request | undefined {
    return this.#running.get(generation) ?? this.#waiting.find((r) => r.generation === generation);
  }

  /** Lets requests in, in the order of arrival, while what they may need at most fits together. */
  #admit(): void {
    let claimed = 0;
    for (const r of this.#running.values()) claimed += r.open.max_rows;
    while (this.#waiting.length > 0) {
      const [request] = this.#waiting;
      claimed += request.open.max_rows;
      if (claimed > this.#limit() && this.#running.size > 0) return;
      this.#waiting.shift();
      // It takes its turn beside the others, neither before nor after all that they have had.
      request.served = Math.min(...[...this.#running.values()].map((r) => r.served), Infinity);
      if (request.served === Infinity) request.served = 0;
      this.#running.set(request.generation, request);
    }
  }

  /** Rows that the arena may hold: a refusal counts for a while. */
  #limit(): number {
    const { capacityRows, now } = this.#o;
    if (this.#refused && now() - this.#refused.at > REFUSED_MS) this.#refused = undefined;
    return Math.min(capacityRows, this.#refused?.rows ?? Infinity);
  }

  #end(request: Request): void {
    request.closed = true;
    this.#running.delete(request.generation);
    const at = this.#waiting.indexOf(request);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#cache.tick();
    if (request.open.reuse) {
      for (const n of request.accepted()) {
        const row = request.rows[n]!;
        if (row.done) this.#cache.add(row);
      }
    }
    const standing = request.rows.filter((row) => row !== undefined).reverse();
    const accepted = new Set(request.accepted().map((n) => request.rows[n]));
    this.#release(standing);
    const wasted = standing.filter((row) => !accepted.has(row) || (row.freed && !row.done)).length;
    request.wasted += wasted;
    this.#log.wasted += wasted;
    if (request.announced) this.#forget.push(request.order);
  }

  /** Rows, children first, that a request names no more; frames that carry nothing of use are cancelled. */
  #release(rows: Row[]): void {
    if (rows.length === 0) return;
    for (const row of rows) this.#cache.release(row);
    const seqs = this.#useless();
    for (const seq of seqs) {
      const { base, carried } = this.#flights.get(seq)!;
      this.#flights.delete(seq);
      this.#log.lost(this.#o.now());
      this.#pool.suspect(base, carried.length);
    }
    if (seqs.length === 0) return;
    this.#cancelled += seqs.length;
    this.#effects.push({ kind: "cancel", arena: this.#arena!, seqs });
  }

  /** Frames that carry nothing of use and that no other frame needs: a row, dead or not, must hang on one that was run. */
  #useless(): number[] {
    // Rows of a frame before a layout may be named in it: they must be written everywhere.
    const useless = new Map(
      [...this.#flights].filter(([seq, { bound, carried }]) =>
        !bound && seq > this.#layoutSeq && carried.every((c) => c.row.freed)
      ),
    );
    if (useless.size === 0) return [];
    const flightOf = new Map<Row, number>();
    for (const [seq, { carried }] of useless) for (const { row } of carried) flightOf.set(row, seq);
    // Newest first: a frame that stays keeps what it hangs on.
    for (const [seq, { carried }] of [...this.#flights].sort(([a], [b]) => b - a)) {
      if (useless.has(seq)) continue;
      for (const { row } of carried) if (row.parent) useless.delete(flightOf.get(row.parent) ?? -1);
    }
    return [...useless.keys()];
  }

  #tellFailed(to: string, error: WireError): void {
    this.#effects.push({ kind: "failed", to, error });
  }

  // --- frames ---

  #situation() {
    const pieces: PieceOffer<Job>[] = [];
    const decodes: DecodeOffer<Pending>[] = [];
    const drafts: DraftOffer<Pending>[] = [];
    const sinceAnswerMs = this.#o.now() - this.#lastAnswer;
    let lanesOwed = 0;
    for (const request of this.#running.values()) {
      const { served } = request;
      for (const job of request.jobs) {
        this.#reuse(job);
        if (!stands(job.rows[job.at])) continue;
        pieces.push({ job, served, left: job.rows.length - job.at, size: nextPiece(job) });
      }
      const going = new Map<number, Pending>();
      for (const row of request.decodes) {
        if (!stands(row)) continue;
        decodes.push({ row, request, served });
        going.set(row.number, row);
      }
      for (const row of request.drafts) {
        const parent = going.get(row.parent);
        if (!parent && !stands(row)) continue;
        drafts.push({ row, request, parent, chance: row.chance });
        going.set(row.number, row);
      }
      if (this.#o.now() - request.answeredAt < BACK_MS) lanesOwed += request.owed;
      else request.owed = 0;
    }
    let lanesInFlight = 0;
    for (const { wanted } of this.#flights.values()) {
      lanesInFlight += wanted.filter(({ row, pending }) => pending.kind !== "draft" && !row.freed).length;
    }
    return {
      stages: this.#o.stages,
      inFlight: this.#flights.size,
      lanesInFlight,
      lanesOwed,
      sinceAnswerMs,
      cap: this.#o.shape.rows_per_frame,
      lastWasPiece: this.#lastWasPiece,
      cost: this.#cost,
      pieces,
      decodes,
      drafts,
    };
  }

  /** Rows that others have in the arena stand for the prompt's next ones. The last is always run: its token is wanted. */
  #reuse(job: Job): void {
    const { request } = job;
    if (!job.prompt || !request.open.reuse) return;
    while (job.at < job.rows.length - 1) {
      const { number, token, parent } = job.rows[job.at];
      const row = this.#cache.find(request.rows[parent], token);
      if (!row) return;
      this.#cache.claim(row);
      request.rows[number] = row;
      request.reused++;
      this.#reused++;
      job.at++;
    }
  }

  /** Takes rows out of what waits, as many as there is room for, and gives each its slot. */
  #carry(rows: Pending[], room: number): Carried[] {
    const carried: Carried[] = [];
    const gone = new Set<Pending>();
    const jobs = new Set<Job>();
    const jobOf = new Map<Pending, Job>();
    for (const request of this.#running.values()) {
      for (const job of request.jobs) jobOf.set(job.rows[job.at], job);
    }
    let job: Job | undefined;
    for (const pending of rows) {
      if (carried.length >= room) break;
      const { request } = pending;
      if (pending.kind === "prefill") {
        job = jobOf.get(pending) ?? job!;
        if (job.at >= job.rows.length || job.rows[job.at] !== pending) {
          continue; // rows of this very frame stand for it
        }
        if (!stands(pending)) continue;
        this.#reuse(job);
        if (job.rows[job.at] !== pending) continue;
        job.at++;
        jobs.add(job);
      } else if (!stands(pending)) continue; // its parent found no room
      const row = newRow(pending.token, pending.position, { parent: request.rows[pending.parent] });
      this.#pool.place(row);
      request.rows[pending.number] = row;
      if (job?.prompt && pending.kind === "prefill" && request.open.reuse) this.#cache.add(row);
      carried.push({ row, pending });
      gone.add(pending);
      request.sentRows++;
    }
    for (const { request, prompt } of jobs) if (prompt) request.pieces++;
    for (const job of jobs) job.gone++;
    for (const request of new Set(carried.map((c) => c.pending.request))) {
      request.jobs = request.jobs.filter((job) => job.at < job.rows.length);
      request.decodes = request.decodes.filter((p) => !gone.has(p));
      request.drafts = request.drafts.filter((p) => !gone.has(p));
    }
    return carried;
  }

  /** Sends a frame of rows that have their slots. */
  #send(carried: Carried[], layout?: Frame["layout"]): void {
    const seq = this.#seq++;
    const base = carried[0].row.slot;
    const wanted: Carried[] = [];
    const want: number[] = [];
    const announced: Request[] = [];
    for (const [i, c] of carried.entries()) {
      const { request, want: wants, number } = c.pending;
      if (!wants || request.closed || request.rows[number] !== c.row) continue;
      want.push(i);
      wanted.push(c);
      if (!request.announced) announced.push(request);
      request.announced = true;
    }
    const forgotten = this.#forget.splice(0);
    const now = this.#o.now();
    this.#account(carried, now);
    this.#flights.set(seq, {
      ...{ seq, base, carried, wanted, sent: now, announced, forgotten },
      bound: layout !== undefined || announced.length + forgotten.length > 0,
    });
    this.#log.sent(now);
    if (layout) this.#layoutSeq = seq;
    if (this.#growth?.seq === -1) this.#growth.seq = seq;
    const rows = carried.map((c) => c.row);
    this.#effects.push({
      kind: "frame",
      frame: {
        arena: this.#arena!,
        seq,
        ...(layout && { layout }),
        ...(announced.length && {
          samplers: announced.map(({ order, open }) => ({
            ...{ id: order, sampling: open.sampling, prompt_rows: open.prompt.length },
          })),
        }),
        ...(forgotten.length && { drop_samplers: forgotten }),
        base,
        tokens: Int32Array.from(rows, (r) => r.token),
        positions: Int32Array.from(rows, (r) => r.position),
        parents: Int32Array.from(rows, (r) => r.parent?.slot ?? -1),
        want: Int32Array.from(want),
        want_samplers: Int32Array.from(wanted, (c) => c.pending.request.order),
      },
    });
  }

  /** Notes what the frame costs its requests: each its share of the slowest stage's time. */
  #account(carried: Carried[], now: number): void {
    const ms = this.#cost.slowest(carried.length) / carried.length;
    for (const { pending: { request } } of carried) request.served += ms;
    for (const request of new Set(carried.map((c) => c.pending.request))) {
      request.frames++;
      request.framesRows += carried.length;
      request.began ??= { at: now, busyMs: this.#log.busyMs };
    }
  }

  // --- memory ---

  /**
   * Room for a frame of `wanted` rows, or for as many of them as there can be, and the layout that makes it. An arena grows
   * while it may; rows are moved together where that gains much or nothing else does; unused cached rows go last.
   */
  #makeRoom(wanted: number): { rows: number; layout?: Frame["layout"] } {
    const pool = this.#pool;
    if (this.#arena === undefined) {
      this.#arena = this.#o.nameArena();
      const needed = [...this.#running.values()].reduce((n, r) => Math.max(n, r.open.max_rows), wanted);
      return this.#grow(0, Math.ceil(needed / ROUND_ROWS) * ROUND_ROWS, wanted);
    }
    if (this.#relayout) {
      // Nothing moves: it may ask for memory again in the same layout.
      if (pool.holes === 0 && pool.room < wanted && pool.capacity < this.#limit()) {
        this.#relayout = false;
        return this.#grow(pool.capacity, Math.max(2 * pool.capacity, pool.end + wanted), wanted);
      }
      if (pool.holes === 0 && pool.room <= 0) this.#cache.evict(wanted);
      if (pool.holes === 0 && pool.room <= 0) return { rows: 0 };
      const layout = this.#layout(pool.compact());
      this.#relayout = false;
      if (pool.end === 0) this.#growth = { seq: -1, from: 0 }; // it may be refused again
      return { rows: Math.min(wanted, pool.room), layout };
    }
    // No layout while one that may be refused is under way: it would have to be undone too.
    if (pool.room >= wanted || this.#growth) return { rows: Math.min(wanted, pool.room) };
    const limit = this.#limit();
    const mayGrow = pool.capacity < limit;
    if (!mayGrow && pool.holes < Math.max(wanted, WORTH * pool.capacity)) {
      const short = Math.max(wanted, Math.ceil(WORTH * pool.capacity)) - pool.holes - pool.room;
      this.#cache.evict(Math.max(0, short));
    }
    const worth = pool.holes >= Math.max(wanted, WORTH * pool.capacity);
    if (pool.holes > 0 && (worth || !mayGrow || !pool.sound)) {
      this.#compactions++;
      const layout = this.#layout(pool.compact());
      return { rows: Math.min(wanted, pool.room), layout };
    }
    if (mayGrow) return this.#grow(pool.capacity, Math.max(2 * pool.capacity, pool.end + wanted), wanted);
    return { rows: Math.min(wanted, pool.room) };
  }

  #grow(from: number, capacity: number, wanted: number): { rows: number; layout: Frame["layout"] } {
    const pool = this.#pool;
    pool.capacity = Math.min(this.#limit(), capacity);
    this.#growth = { seq: -1, from };
    if (from > 0) this.#growths++;
    return { rows: Math.min(wanted, pool.room), layout: this.#layout(pool.identity()) };
  }

  #layout(keep: Int32Array<ArrayBuffer>): NonNullable<Frame["layout"]> {
    return { capacity: this.#pool.capacity, keep, reply_to: this.#o.self, wire: this.#o.shape.wire };
  }

  /** A stage had no memory for a layout: what it and later frames carried goes out again in the arena as it was. */
  #shrink({ seq, from }: { seq: number; from: number }, error: WireError): void {
    const tried = this.#pool.capacity;
    const lost = [...this.#flights.values()].filter((f) => f.seq >= seq).sort((a, b) => a.seq - b.seq);
    this.#growth = undefined;
    this.#relayout = true;
    for (const flight of lost) {
      this.#flights.delete(flight.seq);
      this.#log.lost(this.#o.now());
      for (const request of flight.announced) request.announced = false;
      this.#forget.push(...flight.forgotten);
    }
    // They went before what is left of an earlier refusal.
    this.#replay = [...lost.flatMap((f) => f.carried), ...this.#replay];
    // From the end downwards, so that the pool ends where it did before.
    for (const { row } of this.#replay.toReversed()) this.#pool.unplace(row);
    if (from > 0) this.#pool.capacity = from;
    // Half of the step may do, until steps are small.
    const rows = from === 0 || tried - from > LEAST_STEP ? (from + tried) >> 1 : from;
    this.#refused = { rows, at: this.#o.now(), error };
    if (from > 0) return;
    // Nothing is open there. The requests that are here must fit into half of it, or the newest of them must go.
    this.#pool.capacity = this.#refused.rows;
    while (this.#running.size > 0 && this.#rowsNeeded() > this.#refused.rows) this.#failNewest();
    if (this.#running.size > 0) return;
    this.#effects.push({ kind: "close", arena: this.#arena! });
    this.#refused = undefined; // it says nothing about requests to come, which may be smaller
    this.#arenaGone();
  }

  /** Rows that the running requests' prompts and answers need at least: their prompts and a row each. */
  #rowsNeeded(): number {
    let rows = 0;
    for (const { open } of this.#running.values()) rows += open.prompt.length + 1;
    return rows;
  }

  /** No row can go, and none that is under way will make room: the newest request must give its rows back. */
  #stuck(): boolean {
    if (this.#flights.size > 0 || this.#running.size === 0) return false;
    this.#failNewest();
    return true;
  }

  #failNewest(): void {
    const newest = [...this.#running.values()].reduce((a, b) => b.order > a.order ? b : a);
    this.#end(newest);
    const { capacityRows } = this.#o;
    const { metadata, message } = this.#refused?.error ?? {};
    this.#tellFailed(newest.generation, {
      group: "engine",
      code: "arena_memory",
      message:
        `there is no memory for the request's KV rows: the arena holds ${this.#pool.capacity} of at most ` +
        `${capacityRows} rows${message ? `; a stage said: ${message}` : ""}`,
      metadata: {
        capacity_rows: this.#pool.capacity,
        max_rows: newest.open.max_rows,
        ...metadata,
      },
    });
  }

  /** Sends rows that were refused. False: not now. */
  #sendReplay(): boolean {
    this.#replay = this.#replay.filter(({ row }) => !row.freed);
    if (this.#replay.length === 0) return true;
    if (this.#flights.size >= windowOf(this.#o.stages, this.#cost)) return false;
    const room = this.#makeRoom(Math.min(64, this.#replay.length));
    if (room.rows === 0) return this.#stuck();
    const carried = this.#replay.splice(0, room.rows);
    for (const { row } of carried) this.#pool.place(row);
    this.#send(carried, room.layout);
    return true;
  }

  /** The arena is lost, or of no use any more. */
  #lose(error: WireError, { all }: { all: boolean }): void {
    const arena = this.#arena;
    const requests = [...this.#running.values(), ...(all ? this.#waiting : [])];
    for (const request of requests) {
      if (all || !request.fresh) {
        request.closed = true;
        this.#running.delete(request.generation);
        const at = this.#waiting.indexOf(request);
        if (at >= 0) this.#waiting.splice(at, 1);
        this.#tellFailed(request.generation, error);
      } else request.restart();
    }
    if (arena === undefined) return;
    for (const _ of this.#flights) this.#log.lost(this.#o.now());
    this.#flights.clear();
    this.#arenaGone();
    this.#effects.push({ kind: "close", arena });
  }

  #arenaGone(): void {
    this.#pool.clear();
    this.#cache.clear();
    this.#arena = undefined;
    this.#forget = [];
    this.#growth = undefined;
    this.#relayout = false;
    this.#layoutSeq = -1;
    this.#seq = 0;
    this.#replay = [];
  }
}

/** Can the row go: does its parent stand in the arena? */
const stands = ({ request, parent }: Pending) => parent < 0 || (request.rows[parent]?.slot ?? -1) >= 0;

function traced({ seq, sent, carried }: Flight, answered: number, stages: StageTrace[]): FrameTrace {
  const rows = { prefill: 0, decode: 0, draft: 0 };
  for (const { pending } of carried) rows[pending.kind]++;
  const requests = [...new Set(carried.map((c) => c.pending.request.generation))];
  return { seq, rows, requests, sent, answered, stages };
}

const NOTHING = {
  usage: (): Usage => ({
    ...{ frames: 0, rows: 0, wasted_rows: 0, pieces: 0, reused_rows: 0 },
    ...{ bubble_share: 0, rows_per_frame: 0, bytes_per_row_per_hop: 0 },
  }),
};
