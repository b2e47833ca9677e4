/**
 * The arbiter's decisions, without effects: messages in, effects out. `send_effects.ts`
 * carries the effects out.
 *
 * One arena serves all requests of an arbiter. With one arena for each request, as first
 * designed, rows of different requests could not share a frame, and no request could use the rows
 * of another's prompt.
 *
 * @module
 */
import type {
  MaskMessage,
  OpenMessage,
  RequestUsage,
  ResultsMessage,
  RowsMessage,
} from "./messages.ts";
import type { PartialMessage, Shape, StageTrace, TokenResult } from "../pipeline/mod.ts";
import { OrreryError, type WireError } from "../system/mod.ts";
import { ArbiterArena } from "./arena.ts";
import type { Effect } from "./effects.ts";
import { HeadAnswers } from "./head_answers.ts";
import { load } from "./loading.ts";
import { outOfMemory, tooLarge } from "./memory_errors.ts";
import { lanesOf, type Outlook, outlookOf } from "./outlook.ts";
import type { Windowed } from "./near_rows.ts";
import { choose, spreadOf, windowOf } from "./policy.ts";
import { ArbiterRequest } from "./request.ts";
import { alreadyStarted, badPartial } from "./request_errors.ts";
import type { RebuildPlan } from "./rebuild.ts";
import { Requests } from "./requests.ts";
import { situationOf } from "./situation.ts";
import type { ArbiterStats } from "./stats.ts";
import { type CostNews, type FrameTrace, NO_USAGE } from "./usage.ts";

/** Options of an {@linkcode ArbiterCore}. */
export interface CoreOptions {
  /** Address of the arbiter: the stages answer there. */
  self: string;
  /** Number of stages that a frame passes; the LM head counts as one where shards have it. */
  stages: number;
  /** Number of shards of the LM head; 0: the last stage has it. @default 0 */
  shards?: number;
  /** See `PipelineRoute.shardStages`. */
  shardStages?: readonly (number | undefined)[];
  /** How requests run, as planned. */
  shape: Shape;
  /** Most rows that the arena may hold. */
  capacityRows: number;
  /**
   * The model's windowed layers: they keep only the rows that they need. @default no layer has a window
   */
  windowed?: Windowed;
  /** The time in milliseconds, monotonic. */
  now: () => number;
  /** Makes the name of a new arena; it must be unique. */
  nameArena: () => string;
  /** Told of each frame that has come back, once it is counted. @default nobody is */
  onFrame?: (arena: string, trace: FrameTrace) => void;
}

/** See the module's text. */
export class ArbiterCore {
  readonly #o: CoreOptions;
  readonly #arena: ArbiterArena;
  readonly #requests = new Requests();
  /** Number of the next request, in order of arrival. */
  #order = 0;
  /** See `Situation.pieceMs`. */
  #pieceMs = 0;
  /** See {@linkcode hold}. */
  #held = false;

  /** An arbiter whose arena is not open: the first frame opens it. */
  constructor(options: CoreOptions) {
    const { stages, shardStages, capacityRows, windowed, now, nameArena, self, shape, onFrame } =
      options;
    this.#o = options;
    this.#arena = new ArbiterArena({
      stages,
      shardStages,
      capacityRows,
      ...(windowed && { near: { windowed, running: () => this.#requests.running } }),
      now,
      nameArena,
      onFrame,
      replyTo: self,
      wire: shape.wire,
    });
  }

  /** Name of the open arena; undefined: none is open. */
  get arena(): string | undefined {
    return this.#arena.name;
  }

  /** Number of stages that a frame passes; the LM head counts as one where shards have it. */
  get stages(): number {
    return this.#o.stages;
  }

  /** Addresses of the generations whose rows frame `seq` carries, which is under way. */
  carried(seq: number): string[] {
    const { carried = [] } = this.#arena.flights.get(seq) ?? {};
    return [...new Set(carried.map(({ pending }) => pending.request.generation))];
  }

  /** No request is open. */
  get idle(): boolean {
    return this.#requests.runs + this.#requests.waits === 0;
  }

  /** Numbers of the frames that are under way, ascending. */
  get inFlight(): number[] {
    return this.#arena.flights.seqs;
  }

  /** Number of frames that came back, of any arena. */
  get frames(): number {
    return this.#arena.log.frames;
  }

  /** What frames have cost since the last call. */
  costs(): CostNews {
    return this.#arena.log.news(this.#o.now());
  }

  /** Opens a request, which may have to wait until others end. Refusals are sent as `failed`. */
  open(open: OpenMessage): void {
    const { capacityRows, shape } = this.#o;
    if (this.#requests.find(open.generation)) {
      const error = alreadyStarted(open.generation, "opened its request");
      return this.#tellFailed(open.generation, error.toWire());
    }
    const refused = tooLarge(open, capacityRows);
    if (refused) return this.#tellFailed(open.generation, refused);
    this.#requests.add(new ArbiterRequest(open, { order: this.#order++, shape }));
    this.#admit();
  }

  /** Takes rows to run. Those of a request that is not open are ignored: it has just ended. */
  rows(rows: RowsMessage): void {
    const request = this.#requests.find(rows.generation);
    if (!request) return;
    // Shards of the head are told a frame's masks with its rows: they know no late ones.
    if (this.#o.shards && request.masks.defer(rows)) return;
    this.#add(request, rows);
  }

  /** Takes a mask in that rows were sent without. */
  mask(message: MaskMessage): void {
    const request = this.#requests.find(message.generation);
    if (!request) return;
    this.#arena.settled(request.masks.settle(message));
    for (const rows of request.masks.undeferred()) this.#add(request, rows);
  }

  #add(request: ArbiterRequest, rows: RowsMessage): void {
    try {
      request.add(rows, this.#o.shape);
    } catch (error) {
      if (!(error instanceof OrreryError)) throw error;
      this.#end(request);
      this.#tellFailed(request.generation, error.toWire());
    }
  }

  /** Forgets rows of a request and their descendants. */
  drop({ generation, rows }: { generation: string; rows: Int32Array }): void {
    const request = this.#requests.find(generation);
    if (!request) return;
    const standing = request.drop(rows);
    this.#arena.log.wasted += standing.length;
    this.#arena.release(standing);
  }

  /** Ends a request. Its rows stay in the cache as far as later requests may use them. */
  close(generation: string): RequestUsage {
    const request = this.#requests.find(generation);
    if (!request) return NO_USAGE;
    this.#end(request);
    return request.tally.usage(this.#arena.log);
  }

  /**
   * Takes what a shard of the LM head says of a frame. When all have answered, the tokens are
   * chosen, and all goes on as if the last stage had answered.
   */
  partial(message: PartialMessage): void {
    const { arena, seq } = message;
    const flight = arena === this.#arena.name ? this.#arena.flights.get(seq) : undefined;
    if (!flight) return;
    const { shards = 0, stages } = this.#o;
    flight.head ??= new HeadAnswers(flight.wanted, { shards, stages: stages - 1 });
    const step = flight.head.add(message);
    if (step.kind === "more") {
      this.#arena.emit({ kind: "more", arena, seq, asked: step.asked });
    } else if (step.kind === "done") {
      this.answered({ arena, seq, ...step.answer });
    } else if (step.kind === "broken") {
      const { self } = this.#o;
      this.#lose(badPartial({ self, seq, shard: message.shard, why: step.why }).toWire(), {
        all: false,
      });
    }
  }

  /** Takes the last stage's answer to a frame; `tokens` are in the order of the frame's `want`. */
  answered(answer: {
    arena: string;
    seq: number;
    tokens: Omit<TokenResult, "slot">[];
    trace: StageTrace[];
    hidden_bytes: number;
  }): void {
    const flight = this.#arena.answered(answer);
    if (!flight) return;
    const now = this.#o.now();
    const { trace } = answer;
    const common = {
      in_flight: this.#arena.flights.size,
      frame_ms: now - flight.sent,
      wait_ms: trace.reduce((sum, t) => sum + Math.max(0, t.began - t.received), 0),
      slowest_ms: this.#arena.cost.slowest(flight.carried.length),
    };
    const toldTo = new Map<ArbiterRequest, Omit<ResultsMessage, "lanes">>();
    for (const [i, { row, pending }] of flight.wanted.entries()) {
      const { request, number } = pending;
      const result = answer.tokens[i];
      const dropped = request.closed || request.rows[number] !== row;
      if (!result || dropped) continue;
      let results = toldTo.get(request);
      if (!results) {
        const { run } = request.open;
        toldTo.set(request, results = { results: [], ...(run && { run }), ...common });
        if (!request.reportedReuse) results.reused_rows = request.tally.reused;
        request.reportedReuse = true;
      }
      const { slot: _, ...rest } = result as TokenResult; // shards name no slots
      results.results.push({ ...rest, row: number });
      if (pending.lane) request.owed.push(now);
    }
    const lanes = lanesOf(this.#requests.running, this.#arena.flights);
    for (const [request, results] of toldTo) {
      this.#arena.emit({ kind: "results", to: request.generation, results: { ...results, lanes } });
    }
  }

  /**
   * Takes in that a stage could not run frame `seq`, or has lost the arena. Where it refused memory
   * for a larger arena, all goes on in the arena as it was. Else the arena is lost, and the
   * requests that have rows in it fail; the others begin anew in a new arena.
   */
  failed({ arena, seq, error }: { arena: string; seq?: number; error: WireError }): void {
    if (!this.concerns({ arena, seq })) return;
    if (error.code === "arena_memory" && this.#arena.memory.asked(seq)) {
      return this.#shrink(seq!, error);
    }
    this.#lose(error, { all: false });
  }

  /**
   * Whether what a stage says of an arena, or of its frame `seq`, counts: the arena is open, and the
   * frame was not sent before the pipeline was rebuilt.
   */
  concerns({ arena, seq }: { arena: string; seq?: number }): boolean {
    return arena === this.#arena.name && (seq === undefined || seq >= this.#arena.floor);
  }

  /** Sends nothing until {@linkcode resume}: a stage is lost, and may be replaced. */
  hold(): void {
    this.#held = true;
  }

  /** The number of the next frame. */
  get nextFrame(): number {
    return this.#arena.nextSeq;
  }

  /** Goes on: the frames that were under way are sent again. */
  resume(): void {
    this.#held = false;
  }

  /** See {@linkcode ArbiterArena.rebuild}; undefined: nothing is to be rebuilt. */
  rebuild(
    stages: { lost: ReadonlySet<number>; gone: ReadonlySet<number> },
  ): RebuildPlan | undefined {
    return this.arena === undefined ? undefined : this.#arena.rebuild(this.#requests, stages);
  }

  /** See {@linkcode ArbiterArena.realigned}. */
  realigned(floor: number): void {
    this.#arena.realigned(floor);
  }

  /**
   * Closes the arena because no stage answers, no request is open, or the arbiter ends. Requests
   * that are open fail with `error`.
   */
  end(error: WireError): void {
    this.#lose(error, { all: true });
  }

  /**
   * Sends frames until the window is full or no row may go. Returns the milliseconds after which to
   * call again; undefined: the next message will do.
   */
  pump(): number | undefined {
    const arena = this.#arena;
    const { stages, shape, now } = this.#o;
    const { flights, cost, memory } = arena;
    if (this.#held) return undefined;
    this.#admit();
    for (;;) {
      const { running } = this.#requests;
      if (arena.replays) {
        if (flights.size >= windowOf(stages, cost)) return undefined;
        if (arena.replay() || this.#stuck()) continue;
        return undefined;
      }
      const choice = choose(situationOf({
        stages,
        running,
        flights,
        cache: memory.cache,
        near: memory.near,
        cost,
        cap: shape.rows_per_frame,
        pieceMs: this.#pieceMs,
        now: now(),
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
        return undefined; // frames under way may make room when they come back
      }
      this.#pieceMs = pieces.length > 0 ? this.#pieceMs + cost.slowest(rows.length) : 0;
      if (choice.decodes.length > 0 && pieces.length === 0) cost.tried(choice.decodes.length);
      arena.send(load(rows, { room: room.rows, running, memory }), room.layout);
    }
  }

  /** Effects since the last call, in order. */
  takeEffects(): Effect[] {
    return this.#arena.takeEffects();
  }

  /** What a request with this prompt would find here; see {@linkcode Outlook}. */
  outlook(prompt: Int32Array): Outlook {
    const { flights, memory: { cache, near } } = this.#arena;
    return outlookOf(prompt, { requests: this.#requests, flights, cache, near });
  }

  /** See {@linkcode ArbiterStats}. */
  stats(): Omit<ArbiterStats, "rebuilds"> {
    const { name, log, memory, flights, cost, cancelled } = this.#arena;
    const { pool, cache, compactions, growths } = memory;
    const { frames, rows, wasted } = log;
    return {
      arena: name,
      requests: this.#requests.runs,
      waiting: this.#requests.waits,
      capacity: pool.capacity,
      window_rows: memory.near?.capacity ?? 0,
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

  /** The last frames that came back, oldest first. */
  traces(): FrameTrace[] {
    return this.#arena.log.traces();
  }

  /** Lets waiting requests begin whose rows fit, while tokens come quickly enough. */
  #admit(): void {
    const { memory } = this.#arena;
    if (this.#requests.admit(memory.limit, () => this.#quick()) > 0) memory.changed();
  }

  /** Would a token of every lane come within the latency that the graph asks for, with one more? */
  #quick(): boolean {
    const { admission, rows_per_frame } = this.#o.shape;
    if (admission?.latency_ms === undefined) return true;
    const { flights, cost } = this.#arena;
    const lanes = lanesOf(this.#requests.running, flights) + 1;
    return spreadOf(lanes, rows_per_frame, { cost }).roundMs <= admission.latency_ms;
  }

  /**
   * Removes a request. Those of its rows that came true go into the cache; the slots of the others
   * are freed.
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
    request.tally.wasted += wasted;
    log.wasted += wasted;
    if (request.sampled) this.#arena.forget(request.order);
    this.#arena.memory.changed();
  }

  #tellFailed(to: string, error: WireError): void {
    this.#arena.emit({ kind: "failed", to, error });
  }

  /**
   * Goes on in the arena as it was before frame `seq`, for whose layout a stage had no memory.
   * Where that was the arena's first frame, a smaller arena is opened.
   */
  #shrink(seq: number, error: WireError): void {
    const { memory } = this.#arena;
    if (!this.#arena.takeBack(seq, error)) return;
    // No arena is open now. The running requests must fit into one of half the size; if they do
    // not, the newest of them fail.
    while (this.#requests.runs > 0 && this.#requests.rowsNeeded() > memory.pool.capacity) {
      this.#failNewest();
    }
    if (this.#requests.runs > 0) return;
    memory.forgetRefusal();
    this.#arena.close();
  }

  /**
   * Fails the newest request to make room where no row can go and no frame is under way that might
   * make room. Returns whether a request failed.
   */
  #stuck(): boolean {
    if (this.#arena.flights.size > 0 || this.#requests.runs === 0) return false;
    this.#failNewest();
    this.#admit();
    return true;
  }

  /** Fails the running request that came last: there is no memory for it. */
  #failNewest(): void {
    const newest = this.#requests.newest();
    this.#end(newest);
    this.#tellFailed(newest.generation, outOfMemory(newest.open, this.#arena.memory));
  }

  /**
   * Closes the arena and fails the requests that have rows in it, or with `all` every request. The
   * others begin anew.
   */
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
