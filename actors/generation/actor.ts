/**
 * Generation: owns one request. It alone decides: which rows it wants, which drafts came true, when
 * it is over, what the client sees. When its rows run is the arbiter's business.
 *
 *     client <--delta, done-- Generation --open, rows, drop, close--> arbiter --frames--> stages
 *                               |    ^ '-------------tokens-------------'
 *                             draft  drafted
 *                               v    |
 *                              drafter
 *
 * A request has lanes: one for a plain answer, one for an outline and then one a point. A lane is a
 * chain of rows with drafts on its end. The client is an address too: when it reads slowly, the
 * `tell` of a delta waits, and so does the generation.
 *
 * @module
 */
import { z } from "zod";
import { draftedSchema } from "../pipeline/mod.ts";
import { arbiterActor, type RequestUsage, resultsSchema } from "../arbiter/mod.ts";
import {
  defineActor,
  OrreryError,
  toOrreryError,
  type WireError,
  wireErrorSchema,
} from "../system/mod.ts";
import { startSchema } from "./messages.ts";
import { GenerationRun } from "./run.ts";

export {
  type AnswerReport,
  type Delta,
  type Done,
  type MakeCodec,
  MOST_CONTEXTS,
  type SpelledToken,
  type Start,
  startSchema,
  type TextCodec,
} from "./messages.ts";

/** Milliseconds that the arbiter has to say what a request has cost. */
const USAGE_MS = 2_000;

/**
 * See the module's text. Resources: `codec` ({@linkcode MakeCodec}), `outline` (`MakeOutlineText`).
 */
export const generationActor = defineActor({
  kind: "generation",
  config: z.object({
    /** Milliseconds without a word from the stages after which the request has failed. */
    silenceMs: z.number().positive().default(120_000),
  }),
  messages: {
    start: startSchema,
    tokens: resultsSchema,
    drafted: draftedSchema,
    undrafted: z.object({ chain: z.string(), id: z.number().int(), error: wireErrorSchema }),
    failed: z.object({ error: wireErrorSchema }),
    /** The client no longer wants it. */
    cancel: z.object({}),
  },
  urgent: ["cancel"],
  activatedBy: ["start"],
  // Results come one message a frame; the arbiter must not wait for a generation that waits for its
  // client.
  policy: { mailbox: 256, restarts: { max: 0, withinMs: 1 } },

  create(ctx, config) {
    let run: GenerationRun | undefined;
    let cancelled = false;

    /** The rows are given up first: a client that reads slowly must not hold them. */
    async function end(
      closing: (run: GenerationRun, usage?: RequestUsage) => Promise<void>,
    ): Promise<void> {
      const ended = run!;
      const { arbiter } = ended.start;
      run = undefined;
      ended.close();
      const usage = await usageOf(arbiter);
      // It is busy or this actor is being stopped: it must learn of it all the same.
      if (!usage) await tellClosed(arbiter);
      try {
        await closing(ended, usage);
      } finally {
        ctx.stop();
      }
    }

    /** What the request has cost; undefined: there is no such arbiter, or it does not answer. */
    async function usageOf(arbiter: string): Promise<RequestUsage | undefined> {
      try {
        return await ctx.at(arbiterActor, arbiter)
          .close({ generation: ctx.self }, { deadlineMs: USAGE_MS });
      } catch {
        return undefined;
      }
    }

    function tellClosed(arbiter: string): Promise<void> {
      const close = { type: "close", generation: ctx.self };
      return ctx.tell(arbiter, close, { deadlineMs: 10_000 }).catch(() => {}); // gone, and the request with it
    }

    async function fail(error: WireError): Promise<void> {
      if (!run) return;
      await end(({ start }) => ctx.tell(start.client, { type: "failed", error })).catch(() => {}); // client gone
    }

    /** After every turn: the pipeline first, the client after. */
    async function proceed(): Promise<void> {
      const current = run;
      if (!current) return;
      try {
        if (current.fault) throw current.fault;
        if (!current.finish) {
          for (const message of current.takeMessages()) {
            await ctx.tell(current.start.arbiter, message, { deadlineMs: config.silenceMs });
          }
        }
      } catch (error) {
        return await fail(toOrreryError(error, ctx.self).toWire());
      }
      const { client } = current.start;
      try {
        while (run === current && current.deltas.length > 0) {
          await ctx.tell(client, { type: "delta", ...current.deltas.shift()! });
          current.waited();
        }
      } catch {
        return run && await end(async () => {}); // the client is gone
      }
      if (run !== current || !current.finish) return;
      await end((ended, usage) => ctx.tell(client, { type: "done", ...ended.done(usage) })).catch(
        () => {},
      );
    }

    // A crash, or the node closes: the client must not wait for an end that never comes.
    ctx.onStop(async () => {
      if (!run) return;
      const { arbiter, client } = run.start;
      run.close();
      run = undefined;
      await tellClosed(arbiter);
      const error: WireError = {
        group: "actor",
        code: "generation_stopped",
        message: `${ctx.self} stopped before its request was over; send the request again`,
      };
      await ctx.tell(client, { type: "failed", error }).catch(() => {}); // client gone
      ctx.stop(); // after a crash there is nothing to go on with
    });

    return {
      async start(start) {
        if (run) {
          throw new OrreryError({
            group: "actor",
            code: "already_started",
            message: `${ctx.self} has its request already`,
          });
        }
        if (cancelled) return ctx.stop();
        try {
          run = new GenerationRun(ctx, start, {
            silenceMs: config.silenceMs,
            onSilence: fail,
            onChange: proceed,
          });
        } catch (error) {
          ctx.stop();
          const failed = { type: "failed", error: toOrreryError(error, ctx.self).toWire() };
          await ctx.tell(start.client, failed).catch(() => {}); // client gone
          throw error;
        }
        try {
          await ctx.tell(start.arbiter, run.open, { deadlineMs: config.silenceMs });
        } catch (error) {
          return await fail(toOrreryError(error, ctx.self).toWire());
        }
        await proceed();
      },

      async tokens(results) {
        if (!run) return; // over; this frame was under way
        run.results(results);
        await proceed();
      },

      async drafted(answer) {
        if (!run) return;
        run.drafted(answer);
        await proceed();
      },

      async undrafted({ error, ...which }) {
        if (!run) return;
        run.undrafted(which, error);
        await proceed();
      },

      failed: ({ error }) => fail(error),

      async cancel() {
        if (run) return await end(async () => {});
        cancelled = true; // its start may be queued behind: stopping now would let that begin anew
        ctx.after(0, () => ctx.stop());
      },
    };
  },
});
