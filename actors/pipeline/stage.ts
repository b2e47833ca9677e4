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
  toOrreryError,
} from "../system/mod.ts";
import type { NormedRow, StageEngine } from "./engine.ts";
import { type Frame, frameSchema } from "./frame.ts";
import { headAddress } from "./head.ts";
import type { CarriedFacts } from "./head_messages.ts";
import { HeadNews, normedMessages } from "./head_news.ts";
import { decodeHidden, encodeHidden, type Tensor, type Wire } from "./tensor.ts";

/** Resource `engine` of a stage actor: loads the stage's engine. */
export type LoadEngine = () => Promise<StageEngine>;

/**
 * How many closed arenas a stage remembers, to ignore their late frames instead of reporting an
 * error.
 */
const TOMBSTONES = 1024;
/**
 * Messages that a stage has on their way at most: one that travels and one that waits behind it.
 * With so many it does not begin its next frame's message until one has arrived.
 */
const OUTSTANDING = 2;

/** Milliseconds for which a stage tries to tell an arena's owner that the arena failed. */
const REPORT_MS = 2_000;
/**
 * Milliseconds for which a stage tries to tell an arbiter that the stage retires or did not load.
 */
const NOTICE_MS = 10_000;

/** Key of the stage that has the whole model, beside the stages of the pipeline. */
export const SOLO = "solo";

/**
 * Address of a deployment's stage with this index, 0 for the first, or of its stage with the whole
 * model.
 */
export const stageAddress = (deployment: string, index: number | typeof SOLO): Address =>
  address(deployment, "stage", String(index));

/** What a stage knows about an open arena. */
interface OpenArena {
  /** Address of its arbiter, which gets `tokens` and `failed`. */
  replyTo: string;
  /** Wire format of its hidden states. */
  wire: Wire;
  /** When its lease ends, in milliseconds of the actor's clock. */
  until: number;
  /** Numbers of frames that are not wanted any more and have not been run. */
  cancelled: Set<number>;
  /**
   * True: the last layout did not fit into memory. Frames behind it may name slots that are not
   * there, so they are dropped until the next layout.
   */
  refused: boolean;
  /** Of the last stage, where shards have the LM head: what they have not been told yet. */
  news: HeadNews;
}

/** The stage actor; see the module's text. Its key is the index of the stage, or `solo`. */
export const stageActor = defineActor({
  kind: "stage",
  config: z.object({
    /** Milliseconds without a frame or a `touch` after which an arena is freed. */
    leaseMs: z.number().positive().default(300_000),
    /**
     * Milliseconds after which a frame that could not be delivered to the next stage is given up.
     */
    frameDeadlineMs: z.number().positive().default(120_000),
  }),
  messages: {
    /** Runs the frame and sends its result on. */
    frame: frameSchema,
    /**
     * These frames are not wanted any more: the stage drops those that it has not run. An arbiter
     * never cancels a frame with a layout or samplers.
     */
    cancel: z.object({ arena: z.string(), seqs: z.array(z.number().int().nonnegative()) }),
    /** Renews the arena's lease: its arbiter lives, though it has nothing to run. */
    touch: z.object({ arena: z.string() }),
    /** Frees the arena and drops its queued frames. */
    close: z.object({ arena: z.string() }),
    /** Activates the stage, which loads the engine, and answers with the engine's facts. */
    warm: z.object({}),
    /**
     * Another deployment has taken over: ends the stage as soon as no arena is open. The arbiters
     * of open arenas get `retiring`.
     */
    retire: z.object({}),
    /** Answers with the engine's counters. */
    stats: z.object({}),
  },
  urgent: ["cancel", "close"],
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
    const open = new Map<string, OpenArena>();
    const closed = new Set<string>();
    const outbox = new StageOutbox(ctx, config.frameDeadlineMs);
    let retired = false;
    ctx.onIdle(() => open.size === 0);
    // The stage crashed or its node closes. The owners of open arenas must not wait for frames that
    // never come.
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

    const report = (to: string, arena: string, error: OrreryError, seq?: number) =>
      ctx.tell(
        to,
        { type: "failed", arena, error: error.toWire(), ...(seq !== undefined && { seq }) },
        { deadlineMs: REPORT_MS },
      );

    function tellRetiring(arena: string, { replyTo }: OpenArena): void {
      // where the arbiter is gone, the lease ends the arena
      void ctx.tell(replyTo, { type: "retiring", arena }, { deadlineMs: NOTICE_MS })
        .catch(() => {});
    }

    async function close(arena: string): Promise<void> {
      open.delete(arena);
      closed.add(arena);
      if (closed.size > TOMBSTONES) closed.delete(closed.values().next().value!);
      await engine.close(arena).catch((error) => {
        // a plain Error is a crash: a dead engine must be replaced
        throw new Error(toOrreryError(error).message, { cause: error });
      });
      if (retired && open.size === 0) ctx.stop();
    }

    /**
     * Carries out a frame's layout. False: there is no memory for it; the arena is as it was and
     * its owner has been told.
     */
    async function lay({ arena, seq, layout }: Frame): Promise<boolean> {
      const { reply_to: replyTo, wire, capacity, keep, shelf } = layout!;
      const before = open.get(arena);
      const state = before ??
        {
          replyTo,
          wire,
          until: 0,
          cancelled: new Set<number>(),
          refused: false,
          news: new HeadNews(),
        };
      Object.assign(state, { replyTo, wire, until: ctx.now() + config.leaseMs });
      open.set(arena, state);
      if (!before && retired) tellRetiring(arena, state);
      try {
        await engine.layout(arena, { capacity, keep, shelf });
        state.refused = false;
      } catch (error) {
        if (!hasCode(error, "arena_memory")) throw error;
        state.refused = true;
        await report(replyTo, arena, error, seq);
      }
      return !state.refused;
    }

    async function run(frame: Frame, received: number): Promise<void> {
      const { arena, seq } = frame;
      const laid = ctx.now();
      if (frame.layout && !await lay(frame)) return;
      const layout_ms = ctx.now() - laid;
      const state = open.get(arena);
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
      for (const old of state.cancelled) if (old < seq) state.cancelled.delete(old);
      if (state.cancelled.delete(seq)) return;
      state.until = ctx.now() + config.leaseMs;
      const began = ctx.now();
      // counted before the engine takes the buffer
      const hidden_bytes = frame.hidden ? bytesOf(frame.hidden) : 0;
      const hidden = frame.hidden && decodeHidden(frame.hidden);
      const output = await engine.run({ ...frame, hidden });
      const times = { stage: index, received, began, ended: ctx.now() };
      const trace = [...frame.trace ?? [], { ...times, ...(frame.layout && { layout_ms }) }];
      const failed = (error: unknown) => {
        // the arbiter is gone too: nobody is left to tell
        if (open.has(arena)) void fail(frame, error).catch(() => {});
      };
      if (output.kind === "hidden") {
        const sent = encodeHidden(output.hidden, state.wire);
        await outbox.send([[next, { type: "frame", ...frame, hidden: sent, trace }]], failed);
      } else if (output.kind === "normed" && output.rows.length > 0) {
        const facts = { trace, hidden_bytes };
        await outbox.send(toHead(state, frame, { ...output, facts }), failed);
      } else {
        const tokens = output.kind === "tokens" ? output.tokens : [];
        if (output.kind === "normed") state.news.take(frame); // the next wanted row's message has it
        const answer = { type: "tokens", arena, seq, tokens, trace, hidden_bytes };
        await outbox.send([[state.replyTo, answer]], failed);
      }
    }

    /** The messages to the shards of the LM head with the wanted rows of a frame. */
    function toHead(
      state: OpenArena,
      frame: Frame,
      result: { normed: Tensor; rows: NormedRow[]; facts: Omit<CarriedFacts, "failed"> },
    ): [to: string, message: Message][] {
      const news = state.news.take(frame, { now: true });
      const messages = normedMessages(frame, {
        ...result,
        news,
        replyTo: state.replyTo,
        shards: engine.info.head ?? [],
      });
      return messages.map((message, shard) => [
        headAddress(deployment, shard),
        { type: "normed", ...message },
      ]);
    }

    async function fail(frame: Frame, caught: unknown): Promise<void> {
      const error = toOrreryError(caught, ctx.self);
      const replyTo = open.get(frame.arena)?.replyTo ?? frame.layout?.reply_to;
      // where the engine is dead, its arenas are gone anyway
      await close(frame.arena).catch(() => {});
      if (!replyTo) throw error;
      // The owner must learn that its arena is gone even if the error is not public; then it gets
      // no details.
      await report(replyTo, frame.arena, error, frame.seq).catch(() => {}); // the owner is gone too
      // A dead engine is a crash: the supervisor restarts the stage with a new engine.
      if (!(caught instanceof OrreryError) || error.code === "engine_failed") {
        throw new Error(error.message, { cause: error });
      }
    }

    async function expire(): Promise<void> {
      ctx.after(config.leaseMs / 4, expire);
      const now = ctx.now();
      for (const [arena, { until, replyTo }] of [...open]) {
        if (until >= now) continue;
        const error = new OrreryError({
          group: "engine",
          code: "no_arena",
          message:
            `${ctx.self} heard nothing of arena ${arena} for ${config.leaseMs} ms and freed it`,
          metadata: { arena, lease_ms: config.leaseMs },
        });
        // most likely the owner is gone, which is why the lease ended
        void report(replyTo, arena, error).catch(() => {});
        await close(arena);
      }
    }
    ctx.after(config.leaseMs / 4, expire);

    return {
      async frame(frame, { received }) {
        if (closed.has(frame.arena)) return; // the arena was closed while the frame was queued
        try {
          await run(frame, received);
        } catch (error) {
          if (closed.has(frame.arena)) return; // the arena was closed while the frame ran
          await fail(frame, error);
        }
      },
      cancel({ arena, seqs }) {
        for (const seq of seqs) open.get(arena)?.cancelled.add(seq);
      },
      touch({ arena }) {
        const state = open.get(arena);
        if (!state) return;
        state.until = ctx.now() + config.leaseMs;
        if (retired) tellRetiring(arena, state); // what was told before may have been lost
      },
      close: ({ arena }) => close(arena),
      warm: () => ({ ...engine.info, last }),
      retire() {
        retired = true;
        if (open.size === 0) return ctx.stop();
        // A warm prefix cache must not keep a stage that nobody needs: told so, the arbiter closes
        // its arena as soon as it can.
        for (const [arena, state] of open) tellRetiring(arena, state);
      },
      stats: () => engine.stats(),
    };
  },
});

/** Bytes of hidden states on a link, with their scales. */
const bytesOf = ({ data, scales }: Tensor) => data.byteLength + (scales?.byteLength ?? 0);

/**
 * Sends the stage's messages while it computes the next frame; at most {@linkcode OUTSTANDING} are
 * on their way at once. The actor system keeps their order for each receiver.
 */
class StageOutbox {
  readonly #ctx: ActorContext;
  readonly #deadlineMs: number;
  readonly #sending = new Set<Promise<void>>();

  constructor(ctx: ActorContext, deadlineMs: number) {
    this.#ctx = ctx;
    this.#deadlineMs = deadlineMs;
  }

  /**
   * Waits until fewer than {@linkcode OUTSTANDING} results are on their way, then sends one, which
   * is a message or several at once, without waiting for its arrival. Calls `failed` if it did not
   * arrive.
   */
  async send(
    messages: [to: string, message: Message][],
    failed: (error: unknown) => void,
  ): Promise<void> {
    while (this.#sending.size >= OUTSTANDING) await Promise.race(this.#sending);
    const deadline = { deadlineMs: this.#deadlineMs };
    const sending: Promise<void> = Promise.all(
      messages.map(([to, message]) => this.#ctx.tell(to, message, deadline)),
    ).then(() => {}, failed).finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }
}

/**
 * A stage whose engine could not be loaded. It tells the owner of the arena that is to be opened
 * why, and ends; the next frame activates the stage anew.
 */
function unloaded(ctx: ActorContext, error: unknown) {
  const refuse = (): never => {
    ctx.stop();
    throw error;
  };
  return {
    async frame({ layout, arena, seq }: Frame) {
      if (layout) {
        const failed = {
          type: "failed",
          arena,
          seq,
          error: toOrreryError(error, ctx.self).toWire(),
        };
        // a failure means that the arena's owner is gone
        await ctx.tell(layout.reply_to, failed, { deadlineMs: NOTICE_MS }).catch(() => {});
      }
      return refuse();
    },
    warm: refuse,
    stats: refuse,
    cancel: () => {},
    touch: () => {},
    close: () => ctx.stop(),
    retire: () => ctx.stop(),
  };
}
