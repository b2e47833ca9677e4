/**
 * A stage: an actor with a range of the model's layers. It runs the frames of every arena and sends
 * hidden states on to the next stage, or tokens back to the arbiter.
 *
 *     arbiter --frame--> stage 0 --frame--> ... --> stage n-1 --tokens--> arbiter
 *
 * Where the LM head lies on other actors, the last stage sends them the wanted rows, and they
 * answer the arbiter (`head.ts`).
 *
 * A stage decides nothing: it runs frames in the order of arrival. While it computes a frame, the
 * one before is on its way. It keeps the hidden states that it sends on, from which the next stage
 * can be rebuilt (`rebuild.ts`). It frees an arena when told (`close`, which overtakes queued frames),
 * or when it heard nothing of the arena for the lease's length (then its arbiter is gone without a
 * word).
 *
 * @module
 */
import { z } from "zod";
import {
  type ActorContext,
  type Address,
  address,
  defineActor,
  hasCode,
  type Message,
  OrreryError,
  parseAddress,
  thisNode,
  toOrreryError,
} from "../system/mod.ts";
import { aGeneration, arenaOwner, frameSender, ownerOf, rebuilder } from "./callers.ts";
import type { NormedRow, RowStates, StageEngine } from "./engine.ts";
import { type Frame, frameSchema } from "./frame.ts";
import { headAddress } from "./head.ts";
import type { CarriedFacts } from "./head_messages.ts";
import { HeadNews, normedMessages } from "./head_news.ts";
import { LateMasks, lateSchema } from "./late_masks.ts";
import { keptRowBytes, KeptStates } from "./kept_states.ts";
import {
  arenaMessages,
  crashIfDead,
  leaseMsSchema,
  type OpenArena,
  OpenArenas,
  ResultOutbox,
  unloadedArenas,
} from "./open_arenas.ts";
import { type RealignMessage, realignSchema } from "./rebuild.ts";
import { decodeHidden, encodeHidden, type Tensor, type Wire } from "./tensor.ts";
import { tellRun } from "./work_spans.ts";

/** Resource `engine` of a stage actor: loads the stage's engine. */
export type LoadEngine = () => Promise<StageEngine>;

/** Key of the stage that has the whole model, beside the stages of the pipeline. */
export const SOLO = "solo";

/**
 * Address of a deployment's stage with this index, 0 for the first, or of its stage with the whole
 * model.
 */
export const stageAddress = (deployment: string, index: number | typeof SOLO): Address =>
  address(deployment, "stage", String(index));

/** What a stage knows about an open arena. */
interface StageArena extends OpenArena {
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

/** The stage actor; see the module's text. Its key is the index of the stage, or `solo`. */
export const stageActor = defineActor({
  kind: "stage",
  config: z.object({
    /** See {@linkcode leaseMsSchema}. */
    leaseMs: leaseMsSchema,
    /**
     * Milliseconds after which a frame that could not be delivered to the next stage is given up.
     */
    frameDeadlineMs: z.number().positive().default(120_000),
  }),
  messages: {
    /** Runs the frame and sends its result on. */
    frame: frameSchema,
    /** To the last stage: the mask of a row of a frame that was sent without it. */
    late: lateSchema,
    /** See {@linkcode realignSchema}. Answers when it is done. */
    realign: realignSchema,
    /**
     * Sends the frame on with the hidden states that were kept of its rows, and runs nothing. Answers
     * when it is on its way; throws `states_gone` where a row's are not here.
     */
    rebuild: frameSchema,
    ...arenaMessages,
    /** Answers with the engine's counters. */
    stats: z.object({}),
  },
  callers: {
    frame: frameSender,
    late: arenaOwner,
    realign: arenaOwner,
    rebuild: rebuilder,
    cancel: arenaOwner,
    touch: arenaOwner,
    close: arenaOwner,
    // Before a request takes the stage with the whole model, it looks whether that is loaded.
    warm: aGeneration,
    retire: thisNode,
    stats: aGeneration,
  },
  urgent: ["late", "cancel", "close", "realign"],
  activatedBy: ["frame", "warm"],
  // An idle stage gives its memory back; its next frame loads the engine again.
  // An engine that died at a frame is the answer to that frame: the next one gets a new engine.
  policy: { mailbox: 64, idleMs: 1_800_000, crashIsAnswer: true },

  async create(ctx, config) {
    let engine: StageEngine;
    try {
      engine = await ctx.resource<LoadEngine>("engine")();
    } catch (error) {
      return unloaded(ctx, error);
    }
    ctx.onStop(() => engine.dispose());
    const { deployment, key } = parseAddress(ctx.self);
    const index = key === SOLO ? 0 : Number(key);
    const next = stageAddress(deployment, index + 1);
    const last = engine.info.lastLayer === engine.info.layers - 1;
    const arenas = new OpenArenas<StageArena>(ctx, {
      leaseMs: config.leaseMs,
      ended: "freed it",
      free: (arena) =>
        engine.close(arena).catch((error) => {
          // a plain Error is a crash: a dead engine must be replaced
          throw new Error(toOrreryError(error).message, { cause: error });
        }),
    });
    const outbox = new ResultOutbox(ctx, config.frameDeadlineMs);

    /** Bytes of the hidden states that are kept for each slot. */
    const besideOf = (wire: Wire) => last ? 0 : keptRowBytes(wire, engine.info.hidden);

    /**
     * Carries out a frame's layout. False: there is no memory for it; the arena is as it was and
     * its owner has been told.
     */
    async function lay({ arena, seq, floor, layout, rebuild }: Frame): Promise<boolean> {
      const { reply_to: replyTo, wire, capacity, keep, shelf, near } = layout!;
      const anew = rebuild?.fresh.includes(index);
      const before = anew ? undefined : arenas.get(arena);
      // It is not this stage that had those rows: nothing is opened, so that it can be rebuilt here.
      if (!before && keep.length + (shelf?.length ?? 0) > 0) throw noArena(`frame ${seq}`, arena);
      if (anew) await engine.close(arena); // what may be here is of an attempt that came to nothing
      const state = before ??
        {
          replyTo,
          wire,
          until: 0,
          cancelled: new Set<number>(),
          refused: false,
          news: new HeadNews(),
          late: new LateMasks(engine.info.vocab),
          kept: new KeptStates(engine.info.hidden),
          laid: -1,
          floor: rebuild?.floor ?? floor ?? 0,
        };
      Object.assign(state, { replyTo, wire });
      arenas.renew(state);
      if (!before) arenas.open(arena, state);
      try {
        await engine.layout(arena, { capacity, keep, shelf, near, beside: besideOf(wire) });
        if (!last) state.kept.layout({ capacity, keep, shelf });
        Object.assign(state, { refused: false, laid: rebuild?.floor ?? seq });
      } catch (error) {
        if (!hasCode(error, "arena_memory")) throw error;
        state.refused = true;
        await arenas.report(replyTo, arena, error, seq);
      }
      return !state.refused;
    }

    const noArena = (what: string, arena: string, metadata: Record<string, unknown> = {}) =>
      new OrreryError({
        group: "engine",
        code: "no_arena",
        message:
          `${what} of ${arena} came to ${ctx.self}, where that arena is not open (lost in a restart?)`,
        metadata: { arena, ...metadata },
      });

    /** See {@linkcode realignSchema}. */
    async function realign({ arena, floor, capacity, moves }: RealignMessage): Promise<void> {
      const state = arenas.get(arena);
      if (!state) throw noArena("a realignment", arena, { closed: arenas.isClosed(arena) });
      if (floor <= state.floor) return; // a later one has overtaken it
      const move = moves.find(({ laid }) => laid === state.laid);
      if (!move) throw noArena(`a realignment after other layouts than ${state.laid}`, arena);
      const layout = { capacity, keep: move.keep, shelf: move.shelf };
      state.floor = floor;
      arenas.renew(state);
      await engine.layout(arena, { ...layout, beside: besideOf(state.wire) });
      if (!last) state.kept.layout(layout);
      state.cancelled.clear();
      const [news, late] = [new HeadNews(), new LateMasks(engine.info.vocab)];
      Object.assign(state, { refused: false, laid: floor, news, late });
    }

    /** Sends a frame on with what was kept of its rows. */
    async function rebuild(frame: Frame): Promise<void> {
      const { arena, seq, base, tokens: { length } } = frame;
      const state = arenas.get(arena);
      if (!state) throw noArena(`frame ${seq}`, arena, { closed: arenas.isClosed(arena) });
      if (seq < state.floor) return; // another rebuild has begun
      const hidden = state.kept.get(base, length);
      if (!hidden) {
        throw new OrreryError({
          group: "engine",
          code: "states_gone",
          message: `${ctx.self} has not kept the hidden states of slots ${base}-${
            base + length - 1
          } of ${arena}`,
          metadata: { arena, base, rows: length },
        });
      }
      arenas.renew(state);
      await outbox.send(
        [[next, { type: "frame", ...frame, hidden }]],
        (error) => void arenas.undelivered(arena, seq, error),
      );
    }

    async function run(frame: Frame, received: number): Promise<void> {
      const { arena, seq, floor = 0 } = frame;
      const known = arenas.get(arena);
      if (known && seq < known.floor) return;
      // The arena was realigned without this stage: others stood in for it, and it was told nothing.
      if (known && floor > known.floor && !frame.rebuild) {
        await arenas.drop(arena);
        const { replyTo } = known;
        return await arenas.report(replyTo, arena, noArena(`frame ${seq}`, arena, { seq }), seq);
      }
      const laid = ctx.now();
      const lays = frame.layout && isMeantFor(index, frame.rebuild);
      if (lays && !await lay(frame)) return;
      const layout_ms = ctx.now() - laid;
      const state = arenas.get(arena);
      if (!state) throw noArena(`frame ${seq}`, arena, { seq });
      if (state.refused) return;
      if (arenas.takeCancelled(state, seq)) return;
      arenas.renew(state);
      const began = ctx.now();
      // counted before the engine takes the buffer
      const hidden_bytes = frame.hidden ? bytesOf(frame.hidden) : 0;
      const hidden = frame.hidden && decodeHidden(frame.hidden);
      const output = await engine.run({ ...frame, hidden });
      const busy_ms = output.computeMs;
      const times = { stage: index, received, began, ended: ctx.now(), busy_ms };
      tellRun(ctx, {
        ...{ what: "stage", index, frame, rows: frame.tokens.length, busyMs: busy_ms },
        ...{ received, began, ended: times.ended },
      });
      const trace = [...frame.trace ?? [], { ...times, ...(frame.layout && { layout_ms }) }];
      const failed = (error: unknown) => void arenas.undelivered(arena, seq, error);
      const sent = output.kind === "hidden" && encodeHidden(output.hidden, state.wire);
      if (sent) state.kept.put(frame.base, sent);
      if (frame.rebuild?.until === index) {
        await outbox.send([[state.replyTo, { type: "rebuilt", arena, seq }]], failed);
      } else if (sent) {
        await outbox.send([[next, { type: "frame", ...frame, hidden: sent, trace }]], failed);
      } else if (output.kind === "normed" && output.rows.length > 0) {
        const facts = { trace, hidden_bytes, ...(output.states && { states: output.states }) };
        await outbox.send(toHead(state, frame, { ...output, facts }), failed);
      } else if (output.kind !== "hidden") {
        const tokens = output.kind === "tokens" ? output.tokens : output.states?.results ?? [];
        if (output.kind === "normed") state.news.take(frame); // the next wanted row's message has it
        const answer = { type: "tokens", arena, seq, tokens, trace, hidden_bytes };
        const send = () => outbox.send([[state.replyTo, answer]], failed);
        if (output.kind === "normed" || !output.late) return await send();
        state.late.hold(seq, output.late, (chosen) => {
          for (const [row, result] of chosen) tokens[row] = result;
          void send();
        });
      }
    }

    /** The messages to the shards of the LM head with the wanted rows of a frame. */
    function toHead(
      state: StageArena,
      frame: Frame,
      result: {
        normed: Tensor;
        rows: NormedRow[];
        facts: Omit<CarriedFacts, "failed" | "states"> & { states?: RowStates };
      },
    ): [to: string, message: Message][] {
      const news = state.news.take(frame, { now: true });
      const messages = normedMessages(frame, {
        ...result,
        news,
        replyTo: state.replyTo,
        shards: engine.info.head ?? [],
        vocab: engine.info.vocab,
      });
      return messages.map((message, shard) => [
        headAddress(deployment, shard),
        { type: "normed", ...message },
      ]);
    }

    async function fail(frame: Frame, caught: unknown): Promise<void> {
      const error = toOrreryError(caught, ctx.self);
      const known = arenas.get(frame.arena);
      const replyTo = known?.replyTo ?? frame.layout?.reply_to ??
        ownerOf(frame.arena, deployment);
      // Where the engine is dead, its arenas are gone anyway. One that is not open here may be opened
      // yet: the frame may be older than this stage.
      if (known) await arenas.close(frame.arena).catch(() => {});
      if (!replyTo) throw error;
      // The owner must learn that its arena is gone even if the error is not public; then it gets
      // no details.
      await arenas.report(replyTo, frame.arena, error, frame.seq);
      crashIfDead(caught, error);
    }

    return {
      async frame(frame, { received }) {
        if (arenas.isClosed(frame.arena)) return; // the arena was closed while the frame was queued
        try {
          await run(frame, received);
        } catch (error) {
          if (arenas.isClosed(frame.arena)) return; // the arena was closed while the frame ran
          await fail(frame, error);
        }
      },
      late: (message) => arenas.get(message.arena)?.late.note(message),
      realign,
      rebuild,
      cancel: ({ arena, seqs }) => arenas.cancel(arena, seqs),
      touch: ({ arena }) => arenas.touch(arena),
      close: ({ arena }) => arenas.close(arena),
      warm: () => ({ ...engine.info, last }),
      retire: (how) => arenas.retire(how),
      stats: () => engine.stats(),
    };
  },
});

/** Does the stage with this index carry out the layout of a frame? */
const isMeantFor = (index: number, rebuild: Frame["rebuild"]): boolean =>
  !rebuild || [...rebuild.fresh, ...rebuild.again ?? []].includes(index);

/** Bytes of hidden states on a link, with their scales. */
const bytesOf = ({ data, scales }: Tensor) => data.byteLength + (scales?.byteLength ?? 0);

/**
 * A stage whose engine could not be loaded. It tells the owner of the arena that is to be opened
 * why, and ends; the next frame activates the stage anew.
 */
function unloaded(ctx: ActorContext, error: unknown) {
  const { refuse, handlers } = unloadedArenas(ctx, error);
  return {
    ...handlers,
    frame: ({ layout, arena, seq }: Frame) => refuse(layout?.reply_to, arena, seq),
    late: () => {},
    realign: handlers.warm,
    rebuild: handlers.warm,
    stats: handlers.warm,
  };
}
