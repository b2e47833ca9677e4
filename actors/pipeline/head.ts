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
import {
  type ActorContext,
  type Address,
  address,
  defineActor,
  OrreryError,
  parseAddress,
  thisNode,
  toOrreryError,
} from "../system/mod.ts";
import { arenaOwner, normedSender } from "./callers.ts";
import type { HeadEngine, HeadRow } from "./head_engine.ts";
import type { AnnouncedSampler } from "./frame.ts";
import { moreSchema, type NormedMessage, normedSchema, type RowFailure } from "./head_messages.ts";
import {
  arenaMessages,
  crashIfDead,
  leaseMsSchema,
  type OpenArena,
  OpenArenas,
  ResultOutbox,
  unloadedArenas,
} from "./open_arenas.ts";
import { CANDIDATE_LIMITS } from "./partials.ts";
import { KnownMasks } from "./token_mask.ts";
import { tellRun } from "./work_spans.ts";

/** Resource `engine` of a head actor: loads the shard's engine. */
export type LoadHeadEngine = () => Promise<HeadEngine>;

/** Frames whose rows are kept for `more`: more than an arbiter has under way. */
const MOST_KEPT = 256;
/** Address of a deployment's shard with this index, 0 for the one with the first parts. */
export const headAddress = (deployment: string, index: number): Address =>
  address(deployment, "head", String(index));

/** What a shard knows about an open arena. */
interface HeadArena extends OpenArena {
  /** Samplers by their id. */
  samplers: Map<number, AnnouncedSampler>;
  /** Masks of its own tokens. */
  masks: KnownMasks;
  /** Messages whose rows may be asked for again, by the number of the frame; oldest first. */
  kept: Map<number, Rows>;
}

/** A message, and the mask of each of its rows, which may be dropped before the rows are asked for again. */
interface Rows {
  message: NormedMessage;
  /** undefined: the row has none; `unknown`: it names one that the arena does not know. */
  masks: (Int32Array | undefined | "unknown")[];
}

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
    const shard = Number(parseAddress(ctx.self).key);
    const arenas = new OpenArenas<HeadArena>(ctx, { leaseMs: config.leaseMs, ended: "forgot it" });
    const outbox = new ResultOutbox(ctx, config.answerDeadlineMs);

    const noArena = (arena: string, seq: number, why: string) =>
      new OrreryError({
        group: "engine",
        code: "no_arena",
        message: `rows of frame ${seq} of ${arena} came to ${ctx.self}, where ${why}`,
        metadata: { arena, seq },
      });

    /** Notes what the message says of its arena. Throws `no_arena` and `bad_frame`. */
    function admit(message: NormedMessage): HeadArena {
      const { arena, seq, opens, reply_to: replyTo, drop_samplers = [] } = message;
      const { samplers = [], strict_samplers = [] } = message;
      let state = arenas.get(arena);
      if (!state) {
        if (!opens) throw noArena(arena, seq, "that arena is not open (lost in a restart?)");
        const empty = { samplers: new Map(), cancelled: new Set<number>(), kept: new Map() };
        arenas.open(arena, state = { replyTo, until: 0, ...empty, masks: new KnownMasks() });
      }
      for (const id of drop_samplers) state.samplers.delete(id);
      for (const sampler of [...samplers, ...strict_samplers]) {
        state.samplers.set(sampler.id, sampler);
      }
      const problem = state.masks.note(message, engine.info.tokens);
      if (problem !== undefined) {
        throw new OrreryError({ group: "engine", code: "bad_frame", message: problem });
      }
      arenas.renew(state);
      return state;
    }

    /** The mask of each row of a message that has come. */
    const masksOf = ({ want_masks }: NormedMessage, { masks }: HeadArena): Rows["masks"] =>
      Array.from(want_masks ?? [], (id) => id < 0 ? undefined : masks.get(id) ?? "unknown");

    /** The rows of a message with these indices, and those whose sampler or mask is not known. */
    function rowsOf(
      { message, masks }: Rows,
      samplers: HeadArena["samplers"],
      indices: Iterable<number>,
    ) {
      const occurrences = new Map(message.occurrences?.map((o) => [o.row, o]));
      const rows: HeadRow[] = [];
      const failed: RowFailure[] = [];
      for (const row of indices) {
        const sampler = samplers.get(message.want_samplers[row]);
        const position = message.positions[row];
        const allowed = masks[row];
        if (sampler && allowed !== "unknown") {
          const { sampling } = sampler;
          const given = message.want_given?.[row] ?? -1;
          rows.push({
            row,
            sampling,
            position,
            occurrences: occurrences.get(row),
            allowed,
            ...(given >= 0 && { given }),
          });
        } else {
          const [code, what] = sampler ? ["no_mask", "mask"] : ["no_sampler", "sampler"];
          const text =
            `the row for position ${position} names a ${what} that the arena does not know`;
          failed.push({ row, code, message: text });
        }
      }
      return { rows, failed };
    }

    /** Computes some rows of a message and sends the arbiter what its parts say. */
    async function answer(
      given: Rows,
      state: HeadArena,
      { indices, limit, received, carried }: {
        indices: Int32Array;
        limit: number;
        received: number;
        carried: NormedMessage["carried"];
      },
    ): Promise<void> {
      const { message, masks } = given;
      const { arena, seq, normed } = message;
      const { rows, failed } = rowsOf(given, state.samplers, indices);
      const began = ctx.now();
      const output = await engine.run({ normed, rows, limit });
      const ended = ctx.now();
      tellRun(ctx, {
        ...{ what: "head", index: shard, frame: message, rows: rows.length },
        ...{ busyMs: output.computeMs, received, began, ended },
      });
      if (output.more) {
        state.kept.delete(seq);
        // A copy: the message's bytes may be a part of a larger buffer.
        const copy = { ...normed, data: normed.data.slice() };
        state.kept.set(seq, { message: { ...message, normed: copy, carried: undefined }, masks });
        if (state.kept.size > MOST_KEPT) state.kept.delete(state.kept.keys().next().value!);
      }
      const { parts, vocab } = engine.info;
      const partial = {
        type: "partial",
        arena,
        seq,
        shard,
        parts,
        vocab,
        rows: indices,
        ...output.partials,
        failed: [...failed, ...output.failed],
        trace: { received, began, ended, busy_ms: output.computeMs },
        ...(carried && { carried }),
      };
      await outbox.send(
        [[state.replyTo, partial]],
        (error) => void arenas.undelivered(arena, seq, error),
      );
    }

    /** Closes the arena and tells its owner why: `replyTo`, where the arena is not open here. */
    function fail(
      arena: string,
      seq: number,
      { error: caught, replyTo }: { error: unknown; replyTo?: string },
    ): OrreryError {
      const error = toOrreryError(caught, ctx.self);
      const known = arenas.get(arena);
      const to = known?.replyTo ?? replyTo;
      // One that is not open here may be opened yet: the message may be older than this shard.
      if (known) void arenas.close(arena);
      if (to) void arenas.report(to, arena, error, seq);
      return error;
    }

    /** Fails an arena whose rows could not be computed. */
    function failed(arena: string, seq: number, given: { error: unknown; replyTo?: string }): void {
      if (arenas.isClosed(arena)) return; // the arena was closed while the rows were computed
      crashIfDead(given.error, fail(arena, seq, given));
    }

    return {
      async normed(message, { received }) {
        const { arena, seq, carried } = message;
        if (arenas.isClosed(arena)) return; // the arena was closed while the message was queued
        try {
          const state = admit(message);
          if (arenas.takeCancelled(state, seq)) return;
          const indices = Int32Array.from(message.positions.keys());
          const limit = CANDIDATE_LIMITS[0];
          const given = { message, masks: masksOf(message, state) };
          await answer(given, state, { indices, limit, received, carried });
        } catch (error) {
          failed(arena, seq, { error, replyTo: message.reply_to });
        }
      },
      async more({ arena, seq, rows: indices, limit }, { received }) {
        const state = arenas.get(arena);
        if (!state) return; // its arbiter has been told, or has closed it
        try {
          const kept = state.kept.get(seq);
          const known = kept &&
            indices.every((row) => row >= 0 && row < kept.message.positions.length);
          if (!known) throw noArena(arena, seq, "these rows are not kept");
          arenas.renew(state);
          await answer(kept, state, { indices, limit, received, carried: undefined });
        } catch (error) {
          failed(arena, seq, { error });
        }
      },
      cancel({ arena, seqs }) {
        arenas.cancel(arena, seqs);
        for (const seq of seqs) arenas.get(arena)?.kept.delete(seq);
      },
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
