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
 * one before is on its way. It frees an arena when told (`close`, which overtakes queued frames),
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
import { aGeneration, arenaOwner, frameSender } from "./callers.ts";
import type { NormedRow, RowStates, StageEngine } from "./engine.ts";
import { type Frame, frameSchema } from "./frame.ts";
import { headAddress } from "./head.ts";
import type { CarriedFacts } from "./head_messages.ts";
import { HeadNews, normedMessages } from "./head_news.ts";
import { LateMasks, lateSchema } from "./late_masks.ts";
import {
  arenaMessages,
  crashIfDead,
  leaseMsSchema,
  type OpenArena,
  OpenArenas,
  ResultOutbox,
  unloadedArenas,
} from "./open_arenas.ts";
import { decodeHidden, encodeHidden, type Tensor, type Wire } from "./tensor.ts";

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
    ...arenaMessages,
    /** Answers with the engine's counters. */
    stats: z.object({}),
  },
  callers: {
    frame: frameSender,
    late: arenaOwner,
    cancel: arenaOwner,
    touch: arenaOwner,
    close: arenaOwner,
    // Before a request takes the stage with the whole model, it looks whether that is loaded.
    warm: aGeneration,
    retire: thisNode,
    stats: aGeneration,
  },
  urgent: ["late", "cancel", "close"],
  activatedBy: ["frame", "warm"],
  // An idle stage gives its memory back; its next frame loads the engine again.
  policy: { mailbox: 64, idleMs: 1_800_000 },

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

    /**
     * Carries out a frame's layout. False: there is no memory for it; the arena is as it was and
     * its owner has been told.
     */
    async function lay({ arena, seq, layout }: Frame): Promise<boolean> {
      const { reply_to: replyTo, wire, capacity, keep, shelf } = layout!;
      const before = arenas.get(arena);
      const state = before ??
        {
          replyTo,
          wire,
          until: 0,
          cancelled: new Set<number>(),
          refused: false,
          news: new HeadNews(),
          late: new LateMasks(engine.info.vocab),
        };
      Object.assign(state, { replyTo, wire });
      arenas.renew(state);
      if (!before) arenas.open(arena, state);
      try {
        await engine.layout(arena, { capacity, keep, shelf });
        state.refused = false;
      } catch (error) {
        if (!hasCode(error, "arena_memory")) throw error;
        state.refused = true;
        await arenas.report(replyTo, arena, error, seq);
      }
      return !state.refused;
    }

    async function run(frame: Frame, received: number): Promise<void> {
      const { arena, seq } = frame;
      const laid = ctx.now();
      if (frame.layout && !await lay(frame)) return;
      const layout_ms = ctx.now() - laid;
      const state = arenas.get(arena);
      if (!state) {
        throw new OrreryError({
          group: "engine",
          code: "no_arena",
          message:
            `frame ${seq} of ${arena} came to ${ctx.self}, where that arena is not open (lost in a restart?)`,
          metadata: { arena, seq },
        });
      }
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
      const trace = [...frame.trace ?? [], { ...times, ...(frame.layout && { layout_ms }) }];
      const failed = (error: unknown) => {
        // the arbiter is gone too: nobody is left to tell
        if (arenas.get(arena)) void fail(frame, error).catch(() => {});
      };
      if (output.kind === "hidden") {
        const sent = encodeHidden(output.hidden, state.wire);
        await outbox.send([[next, { type: "frame", ...frame, hidden: sent, trace }]], failed);
      } else if (output.kind === "normed" && output.rows.length > 0) {
        const facts = { trace, hidden_bytes, ...(output.states && { states: output.states }) };
        await outbox.send(toHead(state, frame, { ...output, facts }), failed);
      } else {
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
      const replyTo = arenas.get(frame.arena)?.replyTo ?? frame.layout?.reply_to;
      // where the engine is dead, its arenas are gone anyway
      await arenas.close(frame.arena).catch(() => {});
      if (!replyTo) throw error;
      // The owner must learn that its arena is gone even if the error is not public; then it gets
      // no details.
      const told = arenas.report(replyTo, frame.arena, error, frame.seq);
      await told.catch(() => {}); // the owner is gone too
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
      cancel: ({ arena, seqs }) => arenas.cancel(arena, seqs),
      touch: ({ arena }) => arenas.touch(arena),
      close: ({ arena }) => arenas.close(arena),
      warm: () => ({ ...engine.info, last }),
      retire: () => arenas.retire(),
      stats: () => engine.stats(),
    };
  },
});

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
    stats: handlers.warm,
  };
}
