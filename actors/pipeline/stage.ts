/**
 * A stage: a range of layers that runs the frames of every arena, and sends hidden states on or
 * tokens back.
 *
 *     arbiter --frame--> stage 0 --frame--> ... --> stage n-1 --tokens--> arbiter
 *
 * A stage decides nothing: it runs rows in the order of arrival. What it sends travels while it
 * computes the next frame. It frees an arena when told (`close`, which overtakes queued frames), or
 * when nothing was heard of it for the lease's length (its arbiter died without a word).
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
import type { StageEngine } from "./engine.ts";
import { type Frame, frameSchema } from "./frame.ts";
import { decodeHidden, encodeHidden, type Tensor, type Wire } from "./tensor.ts";

/** Resource `engine` of a stage actor: loads its engine. */
export type LoadEngine = () => Promise<StageEngine>;

/** Closed arenas that are remembered, so that a late frame is not taken for a defect. */
const TOMBSTONES = 1024;
/**
 * Messages on their way before a stage waits with its next frame: one that travels, one behind it.
 */
const OUTSTANDING = 2;

/** Address of a deployment's i-th stage. */
export const stageAddress = (deployment: string, index: number): Address =>
  address(deployment, "stage", String(index));

/** What a stage knows of an open arena. */
interface OpenArena {
  replyTo: string;
  wire: Wire;
  /** When its lease ends. */
  until: number;
  /** Frames that nobody wants any more. */
  cancelled: Set<number>;
  /**
   * Its last layout did not fit: what came after it means slots that are not there, until the next
   * layout.
   */
  refused: boolean;
}

/** See the module's text. */
export const stageActor = defineActor({
  kind: "stage",
  config: z.object({
    /** Milliseconds without a frame or a `touch` after which an arena is freed. */
    leaseMs: z.number().positive().default(300_000),
    /** Milliseconds that a frame may wait on its way. */
    frameDeadlineMs: z.number().positive().default(120_000),
  }),
  messages: {
    frame: frameSchema,
    /**
     * These frames are not wanted any more: those that have not been run are dropped. Never one
     * with a layout or samplers.
     */
    cancel: z.object({ arena: z.string(), seqs: z.array(z.number().int().nonnegative()) }),
    /** The arena's arbiter lives, though it has nothing to run. */
    touch: z.object({ arena: z.string() }),
    /** Frees the arena and drops its queued frames. */
    close: z.object({ arena: z.string() }),
    /** Loads the engine (activation does) and answers with its facts. */
    warm: z.object({}),
    /**
     * Ends the stage as soon as no arena is open: another deployment has taken over. Arbiters get
     * `retiring`.
     */
    retire: z.object({}),
    stats: z.object({}),
  },
  urgent: ["cancel", "close"],
  activatedBy: ["frame", "warm"],
  // An idle stage gives its memory back; its next frame loads it again.
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
    const index = Number(key);
    const next = stageAddress(deployment, index + 1);
    const last = engine.info.lastLayer === engine.info.layers - 1;
    const open = new Map<string, OpenArena>();
    const closed = new Set<string>();
    const outbox = new Outbox(ctx, config.frameDeadlineMs);
    let retired = false;
    ctx.onIdle(() => open.size === 0);
    // A crash, or the node closes: the owners of other arenas must not wait for frames that never
    // come.
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
      ctx.tell(to, {
        type: "failed",
        arena,
        error: error.toWire(),
        ...(seq !== undefined && { seq }),
      }, {
        deadlineMs: 2_000,
      });

    async function close(arena: string): Promise<void> {
      open.delete(arena);
      closed.add(arena);
      if (closed.size > TOMBSTONES) closed.delete(closed.values().next().value!);
      await engine.close(arena).catch((error) => {
        throw new Error(toOrreryError(error).message, { cause: error }); // a dead engine is a crash here too
      });
      if (retired && open.size === 0) ctx.stop();
    }

    /**
     * Carries out a frame's layout. False: there is no memory for it, the arena is as it was and
     * its owner knows.
     */
    async function lay({ arena, seq, layout }: Frame): Promise<boolean> {
      const { reply_to: replyTo, wire, capacity, keep, shelf } = layout!;
      const before = open.get(arena);
      const state = before ??
        { replyTo, wire, until: 0, cancelled: new Set<number>(), refused: false };
      Object.assign(state, { replyTo, wire, until: ctx.now() + config.leaseMs });
      open.set(arena, state);
      if (!before && retired) void ctx.tell(replyTo, { type: "retiring", arena }).catch(() => {}); // it learns at its next word
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
      const hidden_bytes = frame.hidden ? bytesOf(frame.hidden) : 0; // now: the engine takes the buffer
      const hidden = frame.hidden && decodeHidden(frame.hidden);
      const output = await engine.run({ ...frame, hidden });
      const times = { stage: index, received, began, ended: ctx.now() };
      const trace = [...frame.trace ?? [], { ...times, ...(frame.layout && { layout_ms }) }];
      const failed = (error: unknown) => {
        if (open.has(arena)) void fail(frame, error).catch(() => {}); // the receiver is lost; nobody is left to tell
      };
      if (output.kind === "hidden") {
        const sent = encodeHidden(output.hidden, state.wire);
        await outbox.send(next, { type: "frame", ...frame, hidden: sent, trace }, failed);
      } else {
        const answer = { type: "tokens", arena, seq, tokens: output.tokens, trace, hidden_bytes };
        await outbox.send(state.replyTo, answer, failed);
      }
    }

    async function fail(frame: Frame, caught: unknown): Promise<void> {
      const error = toOrreryError(caught, ctx.self);
      const replyTo = open.get(frame.arena)?.replyTo ?? frame.layout?.reply_to;
      await close(frame.arena).catch(() => {}); // a dead engine's arenas are gone; its owner must learn of it
      if (!replyTo) throw error;
      // Public or not, the owner must learn that its arena is gone; details stay here.
      await report(replyTo, frame.arena, error, frame.seq).catch(() => {}); // so is its owner
      // A dead engine is a crash: the supervisor starts the stage anew, with a new engine.
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
        void report(replyTo, arena, error).catch(() => {}); // most likely it is gone, which is why
        await close(arena);
      }
    }
    ctx.after(config.leaseMs / 4, expire);

    return {
      async frame(frame, { received }) {
        if (closed.has(frame.arena)) return; // closed while it was queued
        try {
          await run(frame, received);
        } catch (error) {
          if (closed.has(frame.arena)) return; // closed while it ran
          await fail(frame, error);
        }
      },
      cancel({ arena, seqs }) {
        for (const seq of seqs) open.get(arena)?.cancelled.add(seq);
      },
      touch({ arena }) {
        const state = open.get(arena);
        if (state) state.until = ctx.now() + config.leaseMs;
      },
      close: ({ arena }) => close(arena),
      warm: () => ({ ...engine.info, last }),
      retire() {
        retired = true;
        if (open.size === 0) return ctx.stop();
        // A warm prefix cache must not hold a stage that nobody needs: its arbiter closes it as
        // soon as it can.
        for (const [arena, { replyTo }] of open) {
          void ctx.tell(replyTo, { type: "retiring", arena }, { deadlineMs: 10_000 }).catch(
            () => {},
          ); // gone: the lease ends it
        }
      },
      stats: () => engine.stats(),
    };
  },
});

/** Bytes of hidden states on a link, scales included. */
const bytesOf = ({ data, scales }: Tensor) => data.byteLength + (scales?.byteLength ?? 0);

/**
 * Messages on their way: the next frame is computed meanwhile, up to a bound. Order per receiver is
 * the system's.
 */
class Outbox {
  readonly #ctx: ActorContext;
  readonly #deadlineMs: number;
  readonly #sending = new Set<Promise<void>>();

  constructor(ctx: ActorContext, deadlineMs: number) {
    this.#ctx = ctx;
    this.#deadlineMs = deadlineMs;
  }

  /**
   * Resolves as soon as the message may be on its way beside the others; `failed` hears if it did
   * not arrive.
   */
  async send(to: string, message: Message, failed: (error: unknown) => void): Promise<void> {
    while (this.#sending.size >= OUTSTANDING) await Promise.race(this.#sending);
    const sending = this.#ctx.tell(to, message, { deadlineMs: this.#deadlineMs }).catch(failed)
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }
}

/**
 * A stage without an engine: whoever opens an arena here learns why, and the stage ends; what comes
 * next tries anew.
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
        await ctx.tell(layout.reply_to, failed, { deadlineMs: 10_000 }).catch(() => {}); // its owner is gone
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
