/**
 * A shard of the LM head: an actor with some parts of the vocabulary, which may live on another
 * node than the last stage.
 *
 *     last stage --normed--> shards 0, 1, ... --partial--> arbiter
 *
 * It says of each wanted row what choosing a token needs, and nothing more; the arbiter merges the
 * shards' answers (`partials.ts`). Where the listed candidates do not suffice, the arbiter asks for
 * more of them: the shard keeps the rows of such frames for a while.
 *
 * Like a stage it decides nothing, frees an arena when told (`close`) or when its lease ends, and
 * tells the arena's owner when it cannot go on.
 *
 * @module
 */
import { z } from "zod";
import { type ActorContext, type Address, address, defineActor, thisNode } from "../system/mod.ts";
import { arenaOwner, normedSender } from "./callers.ts";
import type { HeadEngine } from "./head_engine.ts";
import { HeadFrames } from "./head_frames.ts";
import { moreSchema, type NormedMessage, normedSchema } from "./head_messages.ts";
import { arenaMessages, leaseMsSchema, unloadedArenas } from "./open_arenas.ts";

/** Resource `engine` of a head actor: loads the shard's engine. */
export type LoadHeadEngine = () => Promise<HeadEngine>;

/** Address of a deployment's shard with this index, 0 for the one with the first parts. */
export const headAddress = (deployment: string, index: number): Address =>
  address(deployment, "head", String(index));

/** The head actor; see the module's text. Its key is the index of the shard. */
export const headActor = defineActor({
  kind: "head",
  config: z.object({
    /** See {@linkcode leaseMsSchema}. */
    leaseMs: leaseMsSchema,
    /** Milliseconds after which an answer that could not be delivered is given up. */
    answerDeadlineMs: z.number().positive().default(120_000),
  }),
  messages: {
    /** Computes the rows and answers the arbiter with `partial`. */
    normed: normedSchema,
    /** Lists more candidates of some rows, in another `partial`. */
    more: moreSchema,
    ...arenaMessages,
  },
  callers: {
    normed: normedSender,
    more: arenaOwner,
    cancel: arenaOwner,
    touch: arenaOwner,
    close: arenaOwner,
    warm: thisNode,
    retire: thisNode,
  },
  urgent: ["cancel", "close"],
  activatedBy: ["normed", "warm"],
  // An idle shard gives its memory back; its next message loads the engine again.
  // An engine that died at a frame is the answer to that frame: the next one gets a new engine.
  policy: { mailbox: 64, idleMs: 1_800_000, crashIsAnswer: true },

  async create(ctx, config) {
    let engine: HeadEngine;
    try {
      engine = await ctx.resource<LoadHeadEngine>("engine")();
    } catch (error) {
      return unloaded(ctx, error);
    }
    ctx.onStop(() => engine.dispose());
    const head = new HeadFrames(ctx, { engine, ...config });
    const { arenas } = head;

    return {
      normed: (message, { received }) => head.normed(message, received),
      more: (message, { received }) => head.more(message, received),
      cancel: ({ arena, seqs }) => head.cancel(arena, seqs),
      touch: ({ arena }) => arenas.touch(arena),
      close: ({ arena }) => arenas.close(arena),
      warm: () => ({ ...engine.info }),
      retire: (how) => arenas.retire(how),
    };
  },
});

/**
 * A shard whose engine could not be loaded. It tells the owner of the arena why, and ends; the next
 * message activates the shard anew.
 */
function unloaded(ctx: ActorContext, error: unknown) {
  const { refuse, handlers } = unloadedArenas(ctx, error);
  return {
    ...handlers,
    normed: ({ arena, seq, reply_to }: NormedMessage) => refuse(reply_to, arena, seq),
    more: () => {},
  };
}
