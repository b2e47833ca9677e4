/**
 * Generation: owns one request. It alone decides which rows are to run, which drafts came true,
 * when the answer is over, and what the client sees. When its rows run is decided by the arbiter.
 *
 *     client <--delta, done-- Generation --open, rows, drop, close--> arbiter --frames--> stages
 *                               |    ^ '-------------tokens-------------'
 *                             draft  drafted
 *                               v    |
 *                              drafter
 *
 * A request has lanes: one for a plain answer; one for an outline, and then one for each point. A
 * lane is a chain of rows with drafts on its end. The client is an actor's address too: when it
 * reads slowly, the `tell` of a delta waits, and so does the generation.
 *
 * @module
 */
import { z } from "zod";
import { draftedSchema } from "../pipeline/mod.ts";
import { alreadyStarted, arbiterActor, type RequestUsage, resultsSchema } from "../arbiter/mod.ts";
import {
  type CallerRule,
  defineActor,
  type OpenSpan,
  OrreryError,
  parseAddress,
  type SpanAttributes,
  thisNode,
  toOrreryError,
  type WireError,
  wireErrorSchema,
} from "../system/mod.ts";
import { tokensOf } from "./answer_state.ts";
import { afterFailure, afterPause, findRoute, type FoundRoute, onRoute } from "./find_route.ts";
import { type Start, startSchema } from "./messages.ts";
import { PipelineRecovery } from "./pipeline_recovery.ts";
import { GenerationRun } from "./run.ts";
import type { EarlierRun } from "./run_options.ts";

export {
  type AnswerReport,
  type ClientMessage,
  clientMessageSchema,
  type Delta,
  type Done,
  type SpelledToken,
} from "./client_messages.ts";
export {
  type MakeCodec,
  MOST_CONTEXTS,
  type Start,
  startSchema,
  type TextCodec,
} from "./messages.ts";

/** Milliseconds that the arbiter is given to say what a request has cost. */
const USAGE_MS = 2_000;

/** A drafter. The one that was asked is known to the Generation, which ignores any other. */
const aDrafter: CallerRule = {
  who: "the drafter of its deployment",
  allows: ({ from }) => from !== "" && parseAddress(from).kind === "drafter",
};

/**
 * See the module's text. Resources: `codec` ({@linkcode MakeCodec}), `outline` (`MakeOutlineText`),
 * for a request that is held to a grammar `grammar` (`GrammarWalk`), and for one that is to go on when
 * its pipeline is lost `find` (`FindPipeline`).
 */
export const generationActor = defineActor({
  kind: "generation",
  config: z.object({
    /** Milliseconds without a result, while rows are waited for, after which the request fails. */
    silenceMs: z.number().positive().default(120_000),
    /**
     * Milliseconds without a token, from when the pipeline was lost, after which a request fails that
     * finds no other.
     */
    recoveryMs: z.number().positive().default(60_000),
  }),
  messages: {
    /** From the client's side: begins the request. */
    start: startSchema,
    /** From the arbiter: results of some rows. */
    tokens: resultsSchema,
    /** From the drafter: its answer to a question. */
    drafted: draftedSchema,
    /** From the drafter: it could not answer a question. */
    undrafted: z.object({ chain: z.string(), id: z.number().int(), error: wireErrorSchema }),
    /** From the arbiter: the request cannot go on. */
    failed: z.object({ error: wireErrorSchema }),
    /** From the client: it no longer wants the answer. */
    cancel: z.object({}),
    /** From itself: the walk of the answer's grammar has answered. */
    walked: z.object({}),
  },
  callers: {
    start: thisNode,
    tokens: thisNode,
    drafted: aDrafter,
    undrafted: aDrafter,
    failed: thisNode,
    cancel: thisNode,
    walked: thisNode,
  },
  urgent: ["cancel"],
  activatedBy: ["start"],
  // Results come in one message for each frame. The mailbox is long enough that the arbiter does
  // not wait for a generation that waits for its client.
  policy: { mailbox: 256, restarts: { max: 0, withinMs: 1 } },

  create(ctx, config) {
    let run: GenerationRun | undefined;
    /** The request as it was sent, with both of its routes. */
    let asked: Start | undefined;
    /** When it began, milliseconds. */
    let began = 0;
    /** The request was cancelled before its start was handled. */
    let cancelled = false;
    /** What the next run takes over, while the request stands still. */
    let carried: EarlierRun | undefined;
    /** Runs so far: results of an earlier one are of no use. */
    let runs = 0;
    /** The request's span; undefined: its trace is not recorded. */
    let span: OpenSpan | undefined;
    const recovery = new PipelineRecovery(ctx, { limitMs: config.recoveryMs, onFound: goOn });

    /** Runs the request on the stages of this route. */
    async function begin(route: FoundRoute, before?: EarlierRun): Promise<void> {
      const start = onRoute(asked!, route);
      runs++;
      try {
        run = new GenerationRun(ctx, start, {
          silenceMs: config.silenceMs,
          onSilence: fail,
          onChange: proceed,
          route,
          began,
          before,
          run: runs,
          recovery,
        });
      } catch (error) {
        ctx.stop();
        const failed = { type: "failed", error: toOrreryError(error, ctx.self).toWire() };
        await ctx.tell(start.client, failed).catch(() => {}); // client gone
        throw error;
      }
      await proceed();
    }

    /** Gives the stage with the whole model up, and goes on in the pipeline. */
    async function fallBack(error: WireError): Promise<void> {
      const { start: { arbiter }, carried } = run!;
      run!.close();
      run = undefined;
      tellClosed(arbiter);
      await begin(afterFailure(error), carried);
    }

    /** The pipeline is lost: the answer stands still until stages of its model serve. */
    function standStill(error: WireError): void {
      const { start: { arbiter } } = run!;
      carried = run!.carried;
      run!.close();
      run = undefined;
      tellClosed(arbiter);
      recovery.begin(error);
    }

    /** Stages serve again, or none has for too long. */
    async function goOn(): Promise<void> {
      const found = recovery.takeFound();
      const before = carried;
      if (!found || !before) return;
      carried = undefined;
      if (found instanceof OrreryError) {
        const failed = { type: "failed", error: found.toWire() };
        await ctx.tell(asked!.client, failed).catch(() => {}); // client gone
        return ctx.stop();
      }
      const { solo: _solo, drafter: _drafter, ...rest } = asked!;
      asked = { ...rest, ...found };
      const route = await findRoute(ctx, asked);
      await begin(afterPause(route, recovery.cause!, tokensOf(before.state)), before);
    }

    /**
     * Ends the request, then tells the client by `closing`. Its rows are given up first: a client
     * that reads slowly must not hold them.
     */
    async function end(
      closing: (run: GenerationRun, usage?: RequestUsage) => Promise<void>,
    ): Promise<void> {
      const ended = run!;
      const { arbiter } = ended.start;
      run = undefined;
      ended.close();
      const usage = await usageOf(arbiter);
      span?.end({ at: ctx.now(), attributes: spanFacts(ended, usage) });
      // The arbiter is busy, or this actor is being stopped: a message that waits for no answer
      // tells the arbiter all the same.
      if (!usage) tellClosed(arbiter);
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

    /**
     * However late the arbiter gets to it: a request that it does not know to be over keeps its rows
     * for good. Not awaited, for the same reason.
     */
    function tellClosed(arbiter: string): void {
      const close = { type: "close", generation: ctx.self };
      void ctx.tell(arbiter, close).catch(() => {}); // an arbiter that is gone has lost the request
    }

    /** Ends the request with an error; a client that is gone need not be told. */
    async function fail(error: WireError): Promise<void> {
      if (!run) return;
      if (run.route.route === "one" && asked!.solo) return await fallBack(error);
      if (recovery.takes(error)) return standStill(error);
      await end(({ start }) => ctx.tell(start.client, { type: "failed", error })).catch(() => {});
    }

    /**
     * After every message: tells the arbiter what is to run next, and then the client what came.
     */
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
      if (current.scoring) return; // what follows the prompt is told after it
      try {
        const scores = current.promptScores;
        if (scores) {
          await ctx.tell(client, { type: "prompt", ...scores });
          if (run === current) current.scoresTold();
        }
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

    // After a crash, or when the node closes, the client must not wait for an end that never comes.
    ctx.onStop(async () => {
      recovery.close();
      span?.end({ at: ctx.now(), error: "stopped" }); // one that has ended stays as it is
      if (!run && !carried) return;
      const { client } = asked!;
      const arbiter = run?.start.arbiter;
      run?.close();
      run = carried = undefined;
      if (arbiter) tellClosed(arbiter);
      const error: WireError = {
        group: "actor",
        code: "generation_stopped",
        message: `${ctx.self} stopped before its request was over; send the request again`,
      };
      await ctx.tell(client, { type: "failed", error }).catch(() => {}); // client gone
      ctx.stop(); // after a crash nothing of the request is left
    });

    return {
      async start(start, { trace }) {
        if (run || carried) throw alreadyStarted(ctx.self, "its request");
        if (cancelled) return ctx.stop();
        const attributes = { "orrery.generation": ctx.self };
        span = trace && ctx.span("generation", { parent: trace, attributes });
        ctx.follow(span?.context);
        asked = start;
        began = ctx.now();
        await begin(await findRoute(ctx, start));
      },

      async tokens(results, { from }) {
        // The request ended while this frame was under way, or runs on other stages now.
        if (!run || from !== run.start.arbiter || (results.run ?? runs) !== runs) return;
        recovery.progressed();
        run.results(results);
        await proceed();
      },

      async drafted(answer, { from }) {
        if (!run || from !== asked?.drafter) return;
        run.drafted(answer);
        await proceed();
      },

      async undrafted({ error, ...which }, { from }) {
        if (!run || from !== asked?.drafter) return;
        run.undrafted(which, error);
        await proceed();
      },

      async walked() {
        if (!run) return;
        run.walked();
        await proceed();
      },

      failed({ error }, { from }) {
        // An arbiter that was given up may also say so; others (a gateway node) speak for the request.
        const arbiter = from !== "" && parseAddress(from).kind === arbiterActor.kind;
        return arbiter && from !== run?.start.arbiter ? undefined : fail(error);
      },

      async cancel() {
        if (run) return await end(async () => {});
        if (carried) {
          carried = undefined;
          recovery.close();
          return ctx.stop();
        }
        // Its start may be queued behind this message: if the actor stopped now, that message would
        // activate it again.
        cancelled = true;
        ctx.after(0, () => ctx.stop());
      },
    };
  },
});

/** What a request has come to, as its span says. */
function spanFacts(run: GenerationRun, usage: RequestUsage | undefined): SpanAttributes {
  const { finish, prompt_tokens, completion_tokens, ttft_ms, orrery } = run.done(usage);
  return {
    "gen_ai.usage.input_tokens": prompt_tokens,
    "gen_ai.usage.output_tokens": completion_tokens,
    "orrery.finish": finish ?? "ended early",
    "orrery.ttft_ms": ttft_ms,
    "orrery.mode": orrery.mode,
    "orrery.drafted": orrery.drafted,
    "orrery.accepted": orrery.accepted,
  };
}
