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
  toOrreryError,
} from "../system/mod.ts";
import type { HeadEngine, HeadRow } from "./head_engine.ts";
import type { AnnouncedSampler } from "./frame.ts";
import { moreSchema, type NormedMessage, normedSchema, type RowFailure } from "./head_messages.ts";
import { CANDIDATE_LIMITS } from "./partials.ts";

/** Resource `engine` of a head actor: loads the shard's engine. */
export type LoadHeadEngine = () => Promise<HeadEngine>;

/** How many closed arenas a shard remembers, to ignore their late messages. */
const TOMBSTONES = 1024;
/** Frames whose rows are kept for `more`: more than an arbiter has under way. */
const MOST_KEPT = 256;
/** Messages that a shard has on their way at most. */
const OUTSTANDING = 2;
/** Milliseconds for which a shard tries to tell an arena's owner that the arena failed. */
const REPORT_MS = 2_000;
/** Milliseconds for which it tries to tell an arbiter that it retires or did not load. */
const NOTICE_MS = 10_000;

/** Address of a deployment's shard with this index, 0 for the one with the first parts. */
export const headAddress = (deployment: string, index: number): Address =>
  address(deployment, "head", String(index));

/** What a shard knows about an open arena. */
interface OpenHead {
  /** Address of its arbiter. */
  replyTo: string;
  /** When its lease ends, in milliseconds of the actor's clock. */
  until: number;
  /** Samplers by their id. */
  samplers: Map<number, AnnouncedSampler>;
  /** Numbers of frames that are not wanted any more and have not been run. */
  cancelled: Set<number>;
  /** Messages whose rows may be asked for again, by the number of the frame; oldest first. */
  kept: Map<number, NormedMessage>;
}

/** The head actor; see the module's text. Its key is the index of the shard. */
export const headActor = defineActor({
  kind: "head",
  config: z.object({
    /** Milliseconds without a message after which an arena is forgotten. */
    leaseMs: z.number().positive().default(300_000),
    /** Milliseconds after which an answer that could not be delivered is given up. */
    answerDeadlineMs: z.number().positive().default(120_000),
  }),
  messages: {
    /** Computes the rows and answers the arbiter with `partial`. */
    normed: normedSchema,
    /** Lists more candidates of some rows, in another `partial`. */
    more: moreSchema,
    /** These frames are not wanted any more: those that have not been run are dropped. */
    cancel: z.object({ arena: z.string(), seqs: z.array(z.number().int().nonnegative()) }),
    /** Renews the arena's lease: its arbiter lives, though it has nothing to run. */
    touch: z.object({ arena: z.string() }),
    /** Forgets the arena and drops its queued messages. */
    close: z.object({ arena: z.string() }),
    /** Activates the shard, which loads the engine, and answers with the engine's facts. */
    warm: z.object({}),
    /**
     * Another deployment has taken over: ends the shard as soon as no arena is open. The arbiters
     * of open arenas get `retiring`.
     */
    retire: z.object({}),
  },
  urgent: ["cancel", "close"],
  activatedBy: ["normed", "warm"],
  // An idle shard gives its memory back; its next message loads the engine again.
  policy: { mailbox: 64, idleMs: 1_800_000 },

  async create(ctx, config) {
    let engine: HeadEngine;
    try {
      engine = await ctx.resource<LoadHeadEngine>("engine")();
    } catch (error) {
      return unloaded(ctx, error);
    }
    ctx.onStop(() => engine.dispose());
    const shard = Number(parseAddress(ctx.self).key);
    const open = new Map<string, OpenHead>();
    const closed = new Set<string>();
    const sending = new Set<Promise<void>>();
    let retired = false;
    ctx.onIdle(() => open.size === 0);

    const report = (to: string, arena: string, error: OrreryError, seq?: number) =>
      ctx.tell(
        to,
        { type: "failed", arena, error: error.toWire(), ...(seq !== undefined && { seq }) },
        { deadlineMs: REPORT_MS },
      );
    // The shard crashed or its node closes. The owners of open arenas must not wait for answers
    // that never come.
    ctx.onStop(async () => {
      const error = new OrreryError({
        group: "actor",
        code: "stage_stopped",
        message: `${ctx.self} stopped, and its arenas are gone; send the request again`,
      });
      await Promise.allSettled(
        [...open].map(([arena, { replyTo }]) => report(replyTo, arena, error)),
      );
    });

    const noArena = (arena: string, seq: number, why: string) =>
      new OrreryError({
        group: "engine",
        code: "no_arena",
        message: `rows of frame ${seq} of ${arena} came to ${ctx.self}, where ${why}`,
        metadata: { arena, seq },
      });

    function tellRetiring(arena: string, { replyTo }: OpenHead): void {
      // where the arbiter is gone, the lease ends the arena
      void ctx.tell(replyTo, { type: "retiring", arena }, { deadlineMs: NOTICE_MS })
        .catch(() => {});
    }

    function close(arena: string): void {
      open.delete(arena);
      closed.add(arena);
      if (closed.size > TOMBSTONES) closed.delete(closed.values().next().value!);
      if (retired && open.size === 0) ctx.stop();
    }

    /** Notes what the message says of its arena. Throws `no_arena`. */
    function admit(message: NormedMessage): OpenHead {
      const { arena, seq, opens, reply_to: replyTo, samplers = [], drop_samplers = [] } = message;
      let state = open.get(arena);
      if (!state) {
        if (!opens) throw noArena(arena, seq, "that arena is not open (lost in a restart?)");
        const empty = { samplers: new Map(), cancelled: new Set<number>(), kept: new Map() };
        open.set(arena, state = { replyTo, until: 0, ...empty });
        if (retired) tellRetiring(arena, state);
      }
      for (const id of drop_samplers) state.samplers.delete(id);
      for (const sampler of samplers) state.samplers.set(sampler.id, sampler);
      state.until = ctx.now() + config.leaseMs;
      return state;
    }

    /** The rows of a message with these indices, and those whose sampler is not known. */
    function rowsOf(
      message: NormedMessage,
      samplers: OpenHead["samplers"],
      indices: Iterable<number>,
    ) {
      const occurrences = new Map(message.occurrences?.map((o) => [o.row, o]));
      const rows: HeadRow[] = [];
      const failed: RowFailure[] = [];
      for (const row of indices) {
        const sampler = samplers.get(message.want_samplers[row]);
        const position = message.positions[row];
        if (sampler) {
          rows.push({
            row,
            sampling: sampler.sampling,
            position,
            occurrences: occurrences.get(row),
          });
        } else {
          const text =
            `the row for position ${position} names a sampler that the arena does not know`;
          failed.push({ row, code: "no_sampler", message: text });
        }
      }
      return { rows, failed };
    }

    /** Computes some rows of a message and sends the arbiter what its parts say. */
    async function answer(
      message: NormedMessage,
      state: OpenHead,
      { indices, limit, received, carried }: {
        indices: Int32Array;
        limit: number;
        received: number;
        carried: NormedMessage["carried"];
      },
    ): Promise<void> {
      const { arena, seq, normed } = message;
      const { rows, failed } = rowsOf(message, state.samplers, indices);
      const began = ctx.now();
      const output = await engine.run({ normed, rows, limit });
      const ended = ctx.now();
      if (output.more) {
        state.kept.delete(seq);
        // A copy: the message's bytes may be a part of a larger buffer.
        const copy = { ...normed, data: normed.data.slice() };
        state.kept.set(seq, { ...message, normed: copy, carried: undefined });
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
        trace: { received, began, ended },
        ...(carried && { carried }),
      };
      while (sending.size >= OUTSTANDING) await Promise.race(sending);
      const sent = ctx.tell(state.replyTo, partial, { deadlineMs: config.answerDeadlineMs })
        // the arbiter may be gone: then nobody is left to tell
        .catch((error) => void (open.has(arena) && fail(arena, seq, { error })))
        .finally(() => sending.delete(sent));
      sending.add(sent);
    }

    /** Closes the arena and tells its owner why: `replyTo`, where the arena is not open here. */
    function fail(
      arena: string,
      seq: number,
      { error: caught, replyTo }: { error: unknown; replyTo?: string },
    ): OrreryError {
      const error = toOrreryError(caught, ctx.self);
      const to = open.get(arena)?.replyTo ?? replyTo;
      close(arena);
      if (to) void report(to, arena, error, seq).catch(() => {}); // the owner is gone too
      return error;
    }

    /** Fails an arena whose rows could not be computed. */
    function failed(arena: string, seq: number, given: { error: unknown; replyTo?: string }): void {
      if (closed.has(arena)) return; // the arena was closed while the rows were computed
      const error = fail(arena, seq, given);
      // A dead engine is a crash: the supervisor restarts the shard with a new engine.
      if (!(given.error instanceof OrreryError) || error.code === "engine_failed") {
        throw new Error(error.message, { cause: error });
      }
    }

    function expire(): void {
      ctx.after(config.leaseMs / 4, expire);
      for (const [arena, { until, replyTo }] of [...open]) {
        if (until >= ctx.now()) continue;
        const error = new OrreryError({
          group: "engine",
          code: "no_arena",
          message:
            `${ctx.self} heard nothing of arena ${arena} for ${config.leaseMs} ms and forgot it`,
          metadata: { arena, lease_ms: config.leaseMs },
        });
        // most likely the owner is gone, which is why the lease ended
        void report(replyTo, arena, error).catch(() => {});
        close(arena);
      }
    }
    ctx.after(config.leaseMs / 4, expire);

    return {
      async normed(message, { received }) {
        const { arena, seq, carried } = message;
        if (closed.has(arena)) return; // the arena was closed while the message was queued
        try {
          const state = admit(message);
          for (const old of state.cancelled) if (old < seq) state.cancelled.delete(old);
          if (state.cancelled.delete(seq)) return;
          const indices = Int32Array.from(message.positions.keys());
          const limit = CANDIDATE_LIMITS[0];
          await answer(message, state, { indices, limit, received, carried });
        } catch (error) {
          failed(arena, seq, { error, replyTo: message.reply_to });
        }
      },
      async more({ arena, seq, rows: indices, limit }, { received }) {
        const state = open.get(arena);
        if (!state) return; // its arbiter has been told, or has closed it
        try {
          const message = state.kept.get(seq);
          const known = message &&
            indices.every((row) => row >= 0 && row < message.positions.length);
          if (!known) throw noArena(arena, seq, "these rows are not kept");
          state.until = ctx.now() + config.leaseMs;
          await answer(message, state, { indices, limit, received, carried: undefined });
        } catch (error) {
          failed(arena, seq, { error });
        }
      },
      cancel({ arena, seqs }) {
        const state = open.get(arena);
        for (const seq of seqs) {
          state?.cancelled.add(seq);
          state?.kept.delete(seq);
        }
      },
      touch({ arena }) {
        const state = open.get(arena);
        if (!state) return;
        state.until = ctx.now() + config.leaseMs;
        if (retired) tellRetiring(arena, state); // what was told before may have been lost
      },
      close: ({ arena }) => close(arena),
      warm: () => ({ ...engine.info }),
      retire() {
        retired = true;
        if (open.size === 0) return ctx.stop();
        for (const [arena, state] of open) tellRetiring(arena, state);
      },
    };
  },
});

/**
 * A shard whose engine could not be loaded. It tells the owner of the arena why, and ends; the next
 * message activates the shard anew.
 */
function unloaded(ctx: ActorContext, error: unknown) {
  const refuse = (): never => {
    ctx.stop();
    throw error;
  };
  return {
    async normed({ arena, seq, reply_to }: NormedMessage) {
      const failed = { type: "failed", arena, seq, error: toOrreryError(error, ctx.self).toWire() };
      // a failure means that the arena's owner is gone
      await ctx.tell(reply_to, failed, { deadlineMs: NOTICE_MS }).catch(() => {});
      return refuse();
    },
    warm: refuse,
    more: () => {},
    cancel: () => {},
    touch: () => {},
    close: () => ctx.stop(),
    retire: () => ctx.stop(),
  };
}
