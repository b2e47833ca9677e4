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
import { resultsSchema } from "../arbiter/mod.ts";
import {
  type CallerRule,
  defineActor,
  parseAddress,
  thisNode,
  wireErrorSchema,
} from "../system/mod.ts";
import { startSchema } from "./messages.ts";
import { RequestLife } from "./request_life.ts";

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
    const life = new RequestLife(ctx, config);
    return {
      start: (start, { trace }) => life.start(start, trace),

      async tokens(results, { from }) {
        const run = life.runOf(from, results.run);
        if (!run) return;
        run.results(results);
        await life.proceed();
      },

      async drafted(answer, { from }) {
        const run = life.runAsking(from);
        if (!run) return;
        run.drafted(answer);
        await life.proceed();
      },

      async undrafted({ error, ...which }, { from }) {
        const run = life.runAsking(from);
        if (!run) return;
        run.undrafted(which, error);
        await life.proceed();
      },

      async walked() {
        if (!life.run) return;
        life.run.walked();
        await life.proceed();
      },

      failed: ({ error }, { from }) => life.failed(error, from),
      cancel: () => life.cancel(),
    };
  },
});
