/**
 * A stage: a range of layers that runs the frames of every request, and sends hidden states on or tokens back.
 *
 *     Generation --frame--> stage 0 --frame--> ... --> stage n-1 --tokens--> Generation
 *
 * A stage decides nothing: it runs rows in the order of arrival. It frees an arena when told (`close`, which overtakes
 * queued frames), or when no frame came for the lease's length (its Generation died without a word).
 *
 * @module
 */
import { z } from "zod";
import { type Address, address, parseAddress } from "./address.ts";
import { type ActorContext, defineActor } from "./define.ts";
import type { StageEngine } from "./engine.ts";
import { OrreryError, toOrreryError } from "./errors.ts";
import { type Frame, frameSchema } from "./frame.ts";

/** Resource `engine` of a stage actor: loads its engine. */
export type LoadEngine = () => Promise<StageEngine>;

/** Closed requests that are remembered, so that a late frame does not open an arena again. */
const TOMBSTONES = 1024;

/** Address of a deployment's i-th stage. */
export const stageAddress = (deployment: string, index: number): Address =>
  address(deployment, "stage", String(index));

/** See the module's text. */
export const stageActor = defineActor({
  kind: "stage",
  config: z.object({
    /** Milliseconds without a frame after which an arena is freed. */
    leaseMs: z.number().positive().default(300_000),
    /** Milliseconds that a frame may wait on its way. */
    frameDeadlineMs: z.number().positive().default(120_000),
  }),
  messages: {
    frame: frameSchema,
    /** Frees the request's arena and drops its queued frames. */
    close: z.object({ request: z.string() }),
    /** Loads the engine (activation does) and answers with its facts. */
    warm: z.object({}),
    /** Ends the stage as soon as no request is open: another deployment has taken over. */
    retire: z.object({}),
    stats: z.object({}),
  },
  urgent: ["close"],
  activatedBy: ["frame", "warm"],
  needs: { compute: 1, links: ["stage", "generation"] },
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
    const last = engine.info.lastLayer === engine.info.layers - 1;
    const next = stageAddress(deployment, Number(key) + 1);
    const open = new Map<string, { replyTo: string; until: number }>();
    const closed = new Set<string>();
    let retired = false;
    ctx.onIdle(() => open.size === 0);

    async function close(request: string): Promise<void> {
      open.delete(request);
      closed.add(request);
      if (closed.size > TOMBSTONES) closed.delete(closed.values().next().value!);
      await engine.close(request).catch((error) => {
        throw new Error(toOrreryError(error).message, { cause: error }); // a dead engine is a crash here too
      });
      if (retired && open.size === 0) ctx.stop();
    }

    async function run(frame: Frame): Promise<void> {
      if (frame.open) {
        await engine.open(frame.request, frame.open);
        open.set(frame.request, { replyTo: frame.open.reply_to, until: 0 });
      }
      const state = open.get(frame.request);
      if (!state) {
        throw new OrreryError({
          group: "engine",
          code: "no_arena",
          message:
            `frame ${frame.seq} of ${frame.request} came to ${ctx.self}, where it has no arena (freed after its lease?)`,
          metadata: { request: frame.request, seq: frame.seq },
        });
      }
      state.until = ctx.now() + config.leaseMs;
      const output = await engine.run(frame);
      if (output.kind === "hidden") {
        await ctx.tell(next, { type: "frame", ...frame, hidden: output.hidden }, {
          deadlineMs: config.frameDeadlineMs,
        });
      } else {
        const { request, seq } = frame;
        await ctx.tell(state.replyTo, {
          type: "tokens",
          request,
          seq,
          tokens: output.tokens,
          compute_ms: output.computeMs,
        }, {
          deadlineMs: config.frameDeadlineMs,
        });
      }
    }

    async function fail(frame: Frame, caught: unknown): Promise<void> {
      const error = toOrreryError(caught, ctx.self);
      const replyTo = open.get(frame.request)?.replyTo ?? frame.open?.reply_to;
      await close(frame.request).catch(() => {}); // a dead engine's arenas are gone; its owner must learn of it
      if (!replyTo) throw error;
      // Public or not, the owner must learn that its request is over; details stay here.
      await ctx.tell(replyTo, { type: "failed", request: frame.request, error: error.toWire() }, {
        deadlineMs: 10_000,
      });
      // A dead engine is a crash: the supervisor starts the stage anew, with a new engine.
      if (!(caught instanceof OrreryError) || error.code === "engine_failed") {
        throw new Error(error.message, { cause: error });
      }
    }

    async function expire(): Promise<void> {
      ctx.after(config.leaseMs / 4, expire);
      const now = ctx.now();
      for (const [request, { until }] of open) if (until > 0 && until < now) await close(request);
    }
    ctx.after(config.leaseMs / 4, expire);

    return {
      async frame(frame) {
        if (closed.has(frame.request)) return; // cancelled while it was queued
        try {
          await run(frame);
        } catch (error) {
          if (closed.has(frame.request)) return; // cancelled while it ran
          await fail(frame, error);
        }
      },
      close: ({ request }) => close(request),
      warm: () => ({ ...engine.info, last }),
      retire() {
        retired = true;
        if (open.size === 0) ctx.stop();
      },
      stats: () => engine.stats(),
    };
  },
});

/** A stage without an engine: whoever opens a request here learns why, and the stage ends; what comes next tries anew. */
function unloaded(ctx: ActorContext, error: unknown) {
  const refuse = (): never => {
    ctx.stop();
    throw error;
  };
  return {
    async frame({ open, request }: Frame) {
      if (open) {
        const failed = { type: "failed", request, error: toOrreryError(error, ctx.self).toWire() };
        await ctx.tell(open.reply_to, failed, { deadlineMs: 10_000 }).catch(() => {}); // its owner is gone
      }
      return refuse();
    },
    warm: refuse,
    stats: refuse,
    close: () => ctx.stop(),
    retire: () => ctx.stop(),
  };
}
