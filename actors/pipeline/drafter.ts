/**
 * A drafter: a small model that guesses what the large one will say.
 *
 *     Generation --draft--> drafter --drafted--> Generation
 *
 * **Why drafts change nothing.** The target samples with a random number that is a function of
 * (seed, position) alone, so the token after a row is fixed before anybody has guessed it:
 * `t = F(p, u)`, with p the target's distribution there and u the uniform number of that position.
 * Verification is: run the drafted rows, sample the target's token after every row, accept a draft
 * d while t = d, and at the first t != d take t. This *is* the standard rejection rule (Leviathan
 * et al., 2023; Chen et al., 2023) for a guess that puts all its mass on one token, q(d) = 1: that
 * rule accepts with probability min(1, p(d)/q(d)) = p(d) and else draws from the residual max(0, p
 * - q), which is p without d, made to sum to 1. Here P(t = d) = p(d), and t given t != d has
 * exactly that residual. What is drafted must not look at u, or at least not in another way than
 * through p's own rule: t is F(p, u) whatever d is, so even a drafter that knows u only guesses
 * better. Accepted or not, the token at each position is F(p, u): distributed as p, and with one
 * seed the very token that plain decoding gives.
 *
 * **Coupling.** The drafter samples with the same seed, positions and settings: d = F(q, u) with
 * its own q and the same u. Both walk their distributions in the order of tokens up to the same
 * number, so where q is near p they stop at the same token more often than two independent draws
 * would: 1 against sum(p^2) where q = p. Greedy is the limit: both take their best.
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
  toOrreryError,
} from "../system/mod.ts";
import { type Drafted, type DraftRequest, draftSchema } from "./draft_messages.ts";
import { type Draft, DraftChains } from "./draft_chains.ts";
import type { StageEngine } from "./engine.ts";

/** What a drafter loads. */
export interface LoadedDraft {
  /** The whole draft model, as one stage. */
  engine: StageEngine;
  /** Tokens after which nothing is drafted. */
  endTokens: readonly number[];
  /** Tokens of the target's vocabulary. */
  targetVocab: number;
}

/** Resource `engine` of a drafter. */
export type LoadDraft = () => Promise<LoadedDraft>;

/** Milliseconds that an answer may wait for a place at its Generation. */
const ANSWER_MS = 10_000;

/** Address of a deployment's drafter. */
export const drafterAddress = (deployment: string): Address => address(deployment, "drafter", "0");

/**
 * See the module's text. Answers `draft` with the message `drafted` ({@linkcode Drafted}), or with
 * `undrafted` (`{chain, id, error}`; code `no_chain`: it let the chain go, send all of its tokens
 * with base 0). A newer `draft` for a chain makes older ones stale: they come back without tokens.
 * A chain that was closed gets no answer any more.
 */
export const drafterActor = defineActor({
  kind: "drafter",
  config: z.object({
    /** Chains that are kept; the engine's memory may end them earlier. */
    maxChains: z.number().int().positive().default(64),
    /** Rows of one frame while catching up: between frames it looks whether it is still wanted. */
    piece: z.number().int().positive().default(128),
    /** Milliseconds without a draft after which a chain is freed. */
    leaseMs: z.number().positive().default(300_000),
  }),
  messages: {
    draft: draftSchema,
    /** The lane is over: frees its rows. */
    close: z.object({ chain: z.string() }),
    /** Loads the engine (activation does) and answers with its facts. */
    warm: z.object({}),
    /** Ends the drafter as soon as it has no chain: another deployment has taken over. */
    retire: z.object({}),
    stats: z.object({}),
  },
  urgent: ["close"],
  // A newer draft, or a close, must be seen while an older one is worked on.
  concurrent: ["draft"],
  activatedBy: ["draft", "warm"],
  policy: { mailbox: 64, idleMs: 1_800_000 },

  async create(ctx, config) {
    let loaded: LoadedDraft;
    try {
      loaded = await ctx.resource<LoadDraft>("engine")();
    } catch (error) {
      return unloaded(ctx, error);
    }
    const { engine, endTokens, targetVocab } = loaded;
    ctx.onStop(() => engine.dispose());
    const { maxChains, piece } = config;
    const chains = new DraftChains({ engine, endTokens, vocab: targetVocab, maxChains, piece });
    /** The newest request of each chain that is not answered. */
    const newest = new Map<string, DraftRequest>();
    let turn: Promise<unknown> = Promise.resolve();
    let retired = false;
    const endIfDone = () => {
      if (retired && chains.size === 0 && newest.size === 0) ctx.stop();
    };

    async function answer(request: DraftRequest): Promise<void> {
      const stale = () => newest.get(request.chain) !== request;
      const closed = () => !newest.has(request.chain);
      try {
        const draft = stale() ? undefined : await chains.draft(request, {
          now: ctx.now(),
          stale,
          signal: ctx.signal,
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
      async draft(request) {
        newest.set(request.chain, request);
        const mine = turn.then(() => answer(request));
        turn = mine.catch(() => {}); // its handler, here, throws it
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
 * Tells who asked; a dead engine is a crash besides: the supervisor starts the drafter anew, with a
 * new engine.
 */
async function fail(ctx: ActorContext, request: DraftRequest, caught: unknown): Promise<void> {
  const error = toOrreryError(caught, ctx.self);
  await refuse(ctx, request, error);
  if (!(caught instanceof OrreryError) || error.code === "engine_failed") {
    throw new Error(error.message, { cause: error });
  }
}

async function refuse(
  ctx: ActorContext,
  { chain, id, reply_to }: DraftRequest,
  error: OrreryError,
) {
  await ctx.tell(reply_to, { type: "undrafted", chain, id, error: error.toWire() }, {
    deadlineMs: ANSWER_MS,
  })
    .catch(() => {}); // whoever asked is gone
}

/**
 * A drafter without an engine: whoever asks learns why, and it ends; what comes next tries anew.
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
