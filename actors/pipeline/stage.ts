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
import { type ActorContext, defineActor, thisNode } from "../system/mod.ts";
import { aGeneration, arenaOwner, frameSender, rebuilder } from "./callers.ts";
import type { StageEngine } from "./engine.ts";
import { type Frame, frameSchema } from "./frame.ts";
import { lateSchema } from "./late_masks.ts";
import { arenaMessages, leaseMsSchema, unloadedArenas } from "./open_arenas.ts";
import { realignSchema } from "./rebuild.ts";
import { StageFrames } from "./stage_frames.ts";

/** Resource `engine` of a stage actor: loads the stage's engine. */
export type LoadEngine = () => Promise<StageEngine>;

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
    const stage = new StageFrames(ctx, { engine, ...config });
    const { arenas } = stage;
    const last = engine.info.lastLayer === engine.info.layers - 1;

    return {
      frame: (frame, { received }) => stage.frame(frame, received),
      late: (message) => arenas.get(message.arena)?.late.note(message),
      realign: (message) => stage.realign(message),
      rebuild: (frame) => stage.rebuild(frame),
      cancel: ({ arena, seqs }) => arenas.cancel(arena, seqs),
      touch: ({ arena }) => arenas.touch(arena),
      close: ({ arena }) => arenas.close(arena),
      warm: () => ({ ...engine.info, last }),
      retire: (how) => arenas.retire(how),
      stats: () => engine.stats(),
    };
  },
});

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
