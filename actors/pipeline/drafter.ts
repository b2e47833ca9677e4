/**
 * A drafter: an actor with a small model that guesses which tokens the large one will choose.
 *
 *     Generation --draft--> drafter --drafted--> Generation
 *
 * **Why drafts do not change the answer.** The target samples with a random number that is a
 * function of (seed, position) alone, so the token after a row is fixed before anybody has guessed
 * it: `t = F(p, u)`, with p the target's distribution at that position and u the position's uniform
 * number. Verification runs the drafted rows, samples the target's token after every row, accepts a
 * drafted token d while t = d, and takes t at the first t != d. This *is* the standard rejection
 * rule (Leviathan et al., 2023; Chen et al., 2023) for a guess that puts all its mass on one token,
 * q(d) = 1: that rule accepts with probability min(1, p(d)/q(d)) = p(d), and otherwise draws from
 * the residual max(0, p - q), which is p without d, scaled to sum to 1. Here P(t = d) = p(d), and t
 * given t != d has exactly that residual. The draft may even depend on u: t is F(p, u) whatever d
 * is, so a drafter that knows u only guesses better. Whether a draft is accepted or not, the token
 * at each position is F(p, u): distributed as p, and with one seed the very token that plain
 * decoding gives.
 *
 * **A trimmed head.** A drafter may have logits of some tokens only: then q(d) = 0 for all others.
 * Nothing of the above asks what q is: a token that the drafter never guesses is written as t at its
 * first t != d. So the answer is the same, and only fewer guesses come true.
 *
 * **Coupling.** The drafter samples with the same seed, positions and settings: d = F(q, u) with
 * its own distribution q and the same u, a random number for each token id. Both take the largest
 * logit / temperature + noise, so where q is near p they choose the same token more often than two
 * independent draws would: with probability 1 instead of sum(p^2) where q = p. Greedy decoding is
 * the limit: both take their best token.
 *
 * @module
 */
import { z } from "zod";
import {
  type ActorContext,
  type Address,
  address,
  defineActor,
  type MessageMeta,
  type OrreryError,
  thisNode,
  toOrreryError,
} from "../system/mod.ts";
import { chainOwner } from "./callers.ts";
import { type Drafted, type DraftRequest, draftSchema } from "./draft_messages.ts";
import { BridgedChains, type DraftBridge } from "./draft_bridge.ts";
import { type Draft, DraftChains } from "./draft_chains.ts";
import type { StageEngine } from "./engine.ts";
import { crashIfDead } from "./open_arenas.ts";
import type { DraftReport } from "./reports.ts";
import { tellSpans } from "./work_spans.ts";

/** What a drafter's resource `engine` loads. */
export interface LoadedDraft {
  /** The engine with the whole draft model as one stage. */
  engine: StageEngine;
  /** Token ids after which nothing is drafted. */
  endTokens: readonly number[];
  /** Tokens in the target's vocabulary. */
  targetVocab: number;
  /** Joins its vocabulary and the target's; undefined: they are equal. */
  bridge?: DraftBridge;
}

/** Resource `engine` of a drafter: loads the draft model. */
export type LoadDraft = () => Promise<LoadedDraft>;

/** Milliseconds that an answer may wait until its Generation takes it. */
const ANSWER_MS = 10_000;

/** Address of a deployment's drafter. */
export const drafterAddress = (deployment: string): Address => address(deployment, "drafter", "0");

/**
 * The drafter actor; see the module's text. It answers a `draft` with the message `drafted`
 * ({@linkcode Drafted}), or with `undrafted` (`{chain, id, error}`; code `no_chain`: it does not
 * have the chain any more, the Generation sends all tokens with base 0). A newer `draft` for a
 * chain makes older ones stale: they are answered without tokens. A `draft` whose chain was closed
 * gets no answer.
 */
export const drafterActor = defineActor({
  kind: "drafter",
  config: z.object({
    /** Most chains that are kept; fewer where the engine's memory is short. */
    maxChains: z.number().int().positive().default(64),
    /**
     * Most rows of one frame while it catches up with a chain. Between frames it checks whether the
     * draft is still wanted.
     */
    piece: z.number().int().positive().default(128),
    /** Milliseconds without a draft after which a chain is freed. */
    leaseMs: z.number().positive().default(300_000),
  }),
  messages: {
    /** Asks for a draft. */
    draft: draftSchema,
    /** The chain's lane is over: frees its rows. */
    close: z.object({ chain: z.string() }),
    /** Activates the drafter, which loads the engine, and answers with the engine's facts. */
    warm: z.object({}),
    /** Another deployment has taken over: ends the drafter as soon as it has no chain. */
    retire: z.object({}),
    /** Answers with the engine's counters. */
    stats: z.object({}),
  },
  callers: {
    draft: chainOwner,
    close: chainOwner,
    warm: thisNode,
    retire: thisNode,
    stats: thisNode,
  },
  urgent: ["close"],
  // A newer `draft`, or a `close`, must be handled while an older `draft` is worked on.
  concurrent: ["draft"],
  activatedBy: ["draft", "warm"],
  // An engine that died at a frame is the answer to that frame: the next one gets a new engine.
  policy: { mailbox: 64, idleMs: 1_800_000, crashIsAnswer: true },

  async create(ctx, config) {
    let loaded: LoadedDraft;
    try {
      loaded = await ctx.resource<LoadDraft>("engine")();
    } catch (error) {
      return unloaded(ctx, error);
    }
    const { engine, endTokens, targetVocab, bridge } = loaded;
    ctx.onStop(() => engine.dispose());
    const { maxChains, piece } = config;
    const vocab = bridge ? engine.info.vocab : targetVocab;
    const own = new DraftChains({ engine, endTokens, vocab, maxChains, piece });
    const chains = bridge ? new BridgedChains(own, { bridge, vocab: targetVocab }) : own;
    /** The newest unanswered request of each chain. */
    const newest = new Map<string, DraftRequest>();
    let turn: Promise<unknown> = Promise.resolve();
    let retired = false;
    const endIfDone = () => {
      if (retired && chains.size === 0 && newest.size === 0) ctx.stop();
    };

    async function answer(request: DraftRequest, { received, trace }: MessageMeta): Promise<void> {
      const stale = () => newest.get(request.chain) !== request;
      const closed = () => !newest.has(request.chain);
      try {
        const draft = stale() ? undefined : await chains.draft(request, {
          now: ctx.now(),
          stale,
          signal: ctx.signal,
        });
        const report: DraftReport = {
          type: "draft",
          tokens: draft?.tokens.length ?? 0,
          computeMs: draft?.computeMs ?? 0,
        };
        ctx.report(report);
        tellSpans(ctx, trace && [trace.traceparent], {
          name: "draft",
          start: received,
          end: ctx.now(),
          attributes: { "orrery.drafted": report.tokens, "orrery.busy_ms": report.computeMs },
        });
        if (!closed()) {
          await ctx.tell(request.reply_to, drafted(request, draft), { deadlineMs: ANSWER_MS });
        }
      } catch (caught) {
        if (closed()) return;
        await fail(ctx, request, caught);
      } finally {
        if (!stale()) newest.delete(request.chain);
        endIfDone();
      }
    }

    async function expire(): Promise<void> {
      ctx.after(config.leaseMs / 4, expire);
      if (newest.size === 0) await chains.expire(ctx.now() - config.leaseMs);
      endIfDone();
    }
    ctx.after(config.leaseMs / 4, expire);

    return {
      async draft(request, meta) {
        newest.set(request.chain, request);
        const mine = turn.then(() => answer(request, meta));
        // the error is thrown by this request's own handler, not by the next one's
        turn = mine.catch(() => {});
        await mine;
      },
      async close({ chain }) {
        newest.delete(chain);
        await chains.close(chain);
        endIfDone();
      },
      warm: () => ({ ...engine.info }),
      retire() {
        retired = true;
        endIfDone();
      },
      stats: () => engine.stats(),
    };
  },
});

function drafted({ chain, id }: DraftRequest, draft?: Draft): { type: "drafted" } & Drafted {
  return {
    type: "drafted",
    chain,
    id,
    tokens: Int32Array.from(draft?.tokens ?? []),
    chances: Float32Array.from(draft?.chances ?? []),
    alternatives: draft?.alternatives ?? [],
    compute_ms: draft?.computeMs ?? 0,
  };
}

/**
 * Tells the Generation that asked. A dead engine is also thrown as a crash: the supervisor restarts
 * the drafter with a new engine.
 */
async function fail(ctx: ActorContext, request: DraftRequest, caught: unknown): Promise<void> {
  const error = toOrreryError(caught, ctx.self);
  await refuse(ctx, request, error);
  crashIfDead(caught, error);
}

/** Answers a request with `undrafted`. */
async function refuse(
  ctx: ActorContext,
  { chain, id, reply_to }: DraftRequest,
  error: OrreryError,
) {
  const undrafted = { type: "undrafted", chain, id, error: error.toWire() };
  // the Generation that asked is gone
  await ctx.tell(reply_to, undrafted, { deadlineMs: ANSWER_MS }).catch(() => {});
}

/**
 * A drafter whose engine could not be loaded. It tells the Generation that asks why, and ends; the
 * next `draft` activates it anew.
 */
function unloaded(ctx: ActorContext, caught: unknown) {
  const error = toOrreryError(caught, ctx.self);
  const end = (): never => {
    ctx.stop();
    throw caught;
  };
  return {
    async draft(request: DraftRequest) {
      await refuse(ctx, request, error);
      ctx.stop();
    },
    warm: end,
    stats: end,
    close: () => ctx.stop(),
    retire: () => ctx.stop(),
  };
}
