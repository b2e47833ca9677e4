/**
 * What a stage does with frames: it carries out their layouts, runs their rows, and sends what comes
 * of them on. `stage.ts` says which message leads to which of these.
 *
 * @module
 */
import {
  type ActorContext,
  hasCode,
  type Message,
  OrreryError,
  parseAddress,
  toOrreryError,
} from "../system/mod.ts";
import { ownerOf } from "./callers.ts";
import type { NormedRow, RowStates, StageEngine, StageOutput } from "./engine.ts";
import type { Frame, StageTrace } from "./frame.ts";
import { headAddress } from "./head.ts";
import type { CarriedFacts } from "./head_messages.ts";
import { HeadNews, normedMessages } from "./head_news.ts";
import { keptRowBytes, KeptStates } from "./kept_states.ts";
import { LateMasks } from "./late_masks.ts";
import { crashIfDead, type OpenArena, OpenArenas, ResultOutbox } from "./open_arenas.ts";
import type { RealignMessage } from "./rebuild.ts";
import { SOLO, stageAddress } from "./stage_address.ts";
import { decodeHidden, encodeHidden, type Tensor, type Wire } from "./tensor.ts";
import { tellRun } from "./work_spans.ts";

/** What a stage knows about an open arena. */
export interface StageArena extends OpenArena {
  /** Wire format of its hidden states. */
  wire: Wire;
  /**
   * True: the last layout did not fit into memory. Frames behind it may name slots that are not
   * there, so they are dropped until the next layout.
   */
  refused: boolean;
  /** Of the last stage, where shards have the LM head: what they have not been told yet. */
  news: HeadNews;
  /** Of the last stage: masks that come by themselves. */
  late: LateMasks;
  /** The hidden states that it has sent on; the last stage sends none on. */
  kept: KeptStates;
  /** Number of the last layout that was carried out; -1: none was. */
  laid: number;
  /** Frames with smaller numbers were sent before the pipeline was rebuilt: they are ignored. */
  floor: number;
}

/** Options of {@linkcode StageFrames}. */
export interface StageFramesOptions {
  /** Runs the rows. */
  engine: StageEngine;
  /** See `leaseMsSchema`. */
  leaseMs: number;
  /** Milliseconds after which a frame that could not be delivered to the next stage is given up. */
  frameDeadlineMs: number;
}

/** See the module's text. Of an actor whose key is the index of its stage, or `solo`. */
export class StageFrames {
  /** The arenas that are open here. */
  readonly arenas: OpenArenas<StageArena>;
  readonly #ctx: ActorContext;
  readonly #engine: StageEngine;
  readonly #outbox: ResultOutbox;
  readonly #deployment: string;
  /** Index of this stage, 0 for the first. */
  readonly #index: number;
  /** Address of the stage after this one. */
  readonly #next: string;
  /** It has the model's last layer, so its results go to the arbiter or the shards. */
  readonly #last: boolean;

  /** No arena is open. Begins to watch the leases of those to come. */
  constructor(ctx: ActorContext, { engine, leaseMs, frameDeadlineMs }: StageFramesOptions) {
    this.#ctx = ctx;
    this.#engine = engine;
    this.#outbox = new ResultOutbox(ctx, frameDeadlineMs);
    const { deployment, key } = parseAddress(ctx.self);
    this.#deployment = deployment;
    this.#index = key === SOLO ? 0 : Number(key);
    this.#next = stageAddress(deployment, this.#index + 1);
    this.#last = engine.info.lastLayer === engine.info.layers - 1;
    this.arenas = new OpenArenas<StageArena>(ctx, {
      leaseMs,
      ended: "freed it",
      free: (arena) =>
        engine.close(arena).catch((error) => {
          // a plain Error is a crash: a dead engine must be replaced
          throw new Error(toOrreryError(error).message, { cause: error });
        }),
    });
  }

  /**
   * Runs a frame, which came at `received` (`ctx.now`, milliseconds), and sends its result on. A
   * frame that cannot be run ends its arena, of which the arena's owner is told; a dead engine is
   * thrown as a crash.
   */
  async frame(frame: Frame, received: number): Promise<void> {
    const { arenas } = this;
    if (arenas.isClosed(frame.arena)) return; // the arena was closed while the frame was queued
    try {
      await this.#run(frame, received);
    } catch (error) {
      if (arenas.isClosed(frame.arena)) return; // the arena was closed while the frame ran
      await this.#fail(frame, error);
    }
  }

  /** See `realignSchema`. Throws `no_arena`. */
  async realign({ arena, floor, capacity, moves }: RealignMessage): Promise<void> {
    const state = this.arenas.get(arena);
    if (!state) {
      throw this.#noArena("a realignment", arena, { closed: this.arenas.isClosed(arena) });
    }
    if (floor <= state.floor) return; // a later one has overtaken it
    const move = moves.find(({ laid }) => laid === state.laid);
    if (!move) throw this.#noArena(`a realignment after other layouts than ${state.laid}`, arena);
    const layout = { capacity, keep: move.keep, shelf: move.shelf };
    state.floor = floor;
    this.arenas.renew(state);
    await this.#engine.layout(arena, { ...layout, beside: this.#keptBytes(state.wire) });
    if (!this.#last) state.kept.layout(layout);
    state.cancelled.clear();
    const news = new HeadNews();
    const late = new LateMasks(this.#engine.info.vocab);
    Object.assign(state, { refused: false, laid: floor, news, late });
  }

  /**
   * Sends a frame on with the hidden states that were kept of its rows, and runs nothing. Throws
   * `no_arena`, and `states_gone` where a row's are not here.
   */
  async rebuild(frame: Frame): Promise<void> {
    const { arena, seq, base, tokens: { length } } = frame;
    const state = this.arenas.get(arena);
    if (!state) {
      throw this.#noArena(`frame ${seq}`, arena, { closed: this.arenas.isClosed(arena) });
    }
    if (seq < state.floor) return; // another rebuild has begun
    const hidden = state.kept.get(base, length);
    if (!hidden) {
      throw new OrreryError({
        group: "engine",
        code: "states_gone",
        message: `${this.#ctx.self} has not kept the hidden states of slots ${base}-${
          base + length - 1
        } of ${arena}`,
        metadata: { arena, base, rows: length },
      });
    }
    this.arenas.renew(state);
    await this.#send(frame, [[this.#next, { type: "frame", ...frame, hidden }]]);
  }

  async #run(frame: Frame, received: number): Promise<void> {
    const laying = this.#ctx.now();
    const state = await this.#admit(frame);
    if (!state) return;
    const layout_ms = this.#ctx.now() - laying;
    const began = this.#ctx.now();
    // counted before the engine takes the buffer
    const hidden_bytes = frame.hidden ? bytesOf(frame.hidden) : 0;
    const hidden = frame.hidden && decodeHidden(frame.hidden);
    const output = await this.#engine.run({ ...frame, hidden });
    const ended = this.#ctx.now();
    const { computeMs: busy_ms } = output;
    const rows = frame.tokens.length;
    const [index, busyMs] = [this.#index, busy_ms];
    tellRun(this.#ctx, { what: "stage", index, frame, rows, busyMs, received, began, ended });
    const times = { stage: index, received, began, ended, busy_ms };
    const trace = [...frame.trace ?? [], { ...times, ...(frame.layout && { layout_ms }) }];
    if (output.kind === "hidden") await this.#sendHidden(state, frame, output.hidden, trace);
    else if (frame.rebuild?.until === index) await this.#sendRebuilt(state, frame);
    else await this.#sendChoices(state, frame, { output, trace, hidden_bytes });
  }

  /**
   * Carries out a frame's layout, if it has one for this stage. Returns the arena in which its rows
   * are to run; undefined: they are not, since they are of no use or the owner was told that they
   * cannot. Throws `no_arena`.
   */
  async #admit(frame: Frame): Promise<StageArena | undefined> {
    const { arenas } = this;
    const { arena, seq, floor = 0 } = frame;
    const known = arenas.get(arena);
    if (known && seq < known.floor) return undefined;
    // The arena was realigned without this stage: others stood in for it, and it was told nothing.
    if (known && floor > known.floor && !frame.rebuild) {
      await arenas.drop(arena);
      const error = this.#noArena(`frame ${seq}`, arena, { seq });
      await arenas.report(known.replyTo, arena, error, seq);
      return undefined;
    }
    const lays = frame.layout && isMeantFor(this.#index, frame.rebuild);
    if (lays && !await this.#lay(frame)) return undefined;
    const state = arenas.get(arena);
    if (!state) throw this.#noArena(`frame ${seq}`, arena, { seq });
    if (state.refused || arenas.takeCancelled(state, seq)) return undefined;
    arenas.renew(state);
    return state;
  }

  /**
   * Carries out a frame's layout. False: there is no memory for it; the arena is as it was and its
   * owner has been told. Throws `no_arena`.
   */
  async #lay({ arena, seq, floor, layout, rebuild }: Frame): Promise<boolean> {
    const { reply_to: replyTo, wire, capacity, keep, shelf, near } = layout!;
    const anew = rebuild?.fresh.includes(this.#index);
    const before = anew ? undefined : this.arenas.get(arena);
    // It is not this stage that had those rows: nothing is opened, so that it can be rebuilt here.
    if (!before && keep.length + (shelf?.length ?? 0) > 0) {
      throw this.#noArena(`frame ${seq}`, arena);
    }
    // what may be here is of an attempt that came to nothing
    if (anew) await this.#engine.close(arena);
    const state = before ?? this.#newArena({ replyTo, wire, floor: rebuild?.floor ?? floor ?? 0 });
    Object.assign(state, { replyTo, wire });
    this.arenas.renew(state);
    if (!before) this.arenas.open(arena, state);
    try {
      const beside = this.#keptBytes(wire);
      await this.#engine.layout(arena, { capacity, keep, shelf, near, beside });
      if (!this.#last) state.kept.layout({ capacity, keep, shelf });
      Object.assign(state, { refused: false, laid: rebuild?.floor ?? seq });
    } catch (error) {
      if (!hasCode(error, "arena_memory")) throw error;
      state.refused = true;
      await this.arenas.report(replyTo, arena, error, seq);
    }
    return !state.refused;
  }

  #newArena(init: Pick<StageArena, "replyTo" | "wire" | "floor">): StageArena {
    const { hidden, vocab } = this.#engine.info;
    return {
      ...init,
      until: 0,
      cancelled: new Set<number>(),
      refused: false,
      news: new HeadNews(),
      late: new LateMasks(vocab),
      kept: new KeptStates(hidden),
      laid: -1,
    };
  }

  /** Bytes of the hidden states that are kept for each slot. */
  #keptBytes(wire: Wire): number {
    return this.#last ? 0 : keptRowBytes(wire, this.#engine.info.hidden);
  }

  /** Keeps the hidden states of a frame's rows, and sends them on to the next stage. */
  async #sendHidden(
    state: StageArena,
    frame: Frame,
    states: Tensor,
    trace: StageTrace[],
  ): Promise<void> {
    const hidden = encodeHidden(states, state.wire);
    state.kept.put(frame.base, hidden);
    if (frame.rebuild?.until === this.#index) return await this.#sendRebuilt(state, frame);
    await this.#send(frame, [[this.#next, { type: "frame", ...frame, hidden, trace }]]);
  }

  /** Tells the arbiter that the last of the lost stages has run a frame again. */
  async #sendRebuilt({ replyTo }: StageArena, frame: Frame): Promise<void> {
    const { arena, seq } = frame;
    await this.#send(frame, [[replyTo, { type: "rebuilt", arena, seq }]]);
  }

  /**
   * Of the last stage: sends the arbiter the tokens of a frame's wanted rows, as soon as their late
   * masks have come; where shards have the LM head, sends these the rows after the final norm.
   */
  async #sendChoices(
    state: StageArena,
    frame: Frame,
    { output, trace, hidden_bytes }: {
      output: Exclude<StageOutput, { kind: "hidden" }>;
      trace: StageTrace[];
      hidden_bytes: number;
    },
  ): Promise<void> {
    if (output.kind === "normed" && output.rows.length > 0) {
      const facts = { trace, hidden_bytes, ...(output.states && { states: output.states }) };
      return await this.#send(frame, this.#toHead(state, frame, { ...output, facts }));
    }
    const { arena, seq } = frame;
    const tokens = output.kind === "tokens" ? output.tokens : output.states?.results ?? [];
    if (output.kind === "normed") state.news.take(frame); // the next wanted row's message has it
    const answer = { type: "tokens", arena, seq, tokens, trace, hidden_bytes };
    const send = () => this.#send(frame, [[state.replyTo, answer]]);
    if (output.kind === "normed" || !output.late) return await send();
    state.late.hold(seq, output.late, (chosen) => {
      for (const [row, result] of chosen) tokens[row] = result;
      void send();
    });
  }

  /** The messages to the shards of the LM head with the wanted rows of a frame. */
  #toHead(
    state: StageArena,
    frame: Frame,
    result: {
      normed: Tensor;
      rows: NormedRow[];
      facts: Omit<CarriedFacts, "failed" | "states"> & { states?: RowStates };
    },
  ): [to: string, message: Message][] {
    const { head: shards = [], vocab } = this.#engine.info;
    const news = state.news.take(frame, { now: true });
    const { replyTo } = state;
    return normedMessages(frame, { ...result, news, replyTo, shards, vocab })
      .map((message, shard) => [
        headAddress(this.#deployment, shard),
        { type: "normed", ...message },
      ]);
  }

  /** Sends what comes of a frame; the arena's owner is told where it does not arrive. */
  async #send({ arena, seq }: Frame, messages: [to: string, message: Message][]): Promise<void> {
    await this.#outbox.send(messages, (error) => void this.arenas.undelivered(arena, seq, error));
  }

  /** Ends the arena of a frame that could not be run. */
  async #fail(frame: Frame, caught: unknown): Promise<void> {
    const { arenas } = this;
    const error = toOrreryError(caught, this.#ctx.self);
    const known = arenas.get(frame.arena);
    const replyTo = known?.replyTo ?? frame.layout?.reply_to ??
      ownerOf(frame.arena, this.#deployment);
    // Where the engine is dead, its arenas are gone anyway. One that is not open here may be opened
    // yet: the frame may be older than this stage.
    if (known) await arenas.close(frame.arena).catch(() => {});
    if (!replyTo) throw error;
    // The owner must learn that its arena is gone even if the error is not public; then it gets
    // no details.
    await arenas.report(replyTo, frame.arena, error, frame.seq);
    crashIfDead(caught, error);
  }

  #noArena(what: string, arena: string, metadata: Record<string, unknown> = {}): OrreryError {
    const { self } = this.#ctx;
    return new OrreryError({
      group: "engine",
      code: "no_arena",
      message:
        `${what} of ${arena} came to ${self}, where that arena is not open (lost in a restart?)`,
      metadata: { arena, ...metadata },
    });
  }
}

/** Does the stage with this index carry out the layout of a frame? */
const isMeantFor = (index: number, rebuild: Frame["rebuild"]): boolean =>
  !rebuild || [...rebuild.fresh, ...rebuild.again ?? []].includes(index);

/** Bytes of hidden states on a link, with their scales. */
const bytesOf = ({ data, scales }: Tensor) => data.byteLength + (scales?.byteLength ?? 0);
