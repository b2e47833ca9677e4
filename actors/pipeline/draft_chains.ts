/**
 * The chains of rows that a drafter keeps. Each chain has an arena of its own in the drafter's
 * engine. When there are too many, or memory is short, the chain that was least recently used is
 * freed.
 *
 * @module
 */
import type { DraftRequest } from "./draft_messages.ts";
import type { StageEngine } from "./engine.ts";
import { OrreryError } from "../system/mod.ts";
import type { Frame, TokenResult } from "./frame.ts";

/** Rows of the smallest arena that is allocated. */
const SMALLEST = 64;

/** A finished draft; fields as in `draftedSchema`. */
export interface Draft {
  /** Drafted token ids. */
  tokens: number[];
  /** The draft model's probability of each. (tokens) */
  chances: number[];
  /** The best tokens at each depth as [token, probability], best first. (tokens, width) */
  alternatives: [number, number][][];
  /** Milliseconds that the engine computed. */
  computeMs: number;
}

/** Options of {@linkcode DraftChains}. */
export interface DraftChainsOptions {
  /** The engine with the whole draft model as one stage. */
  engine: StageEngine;
  /** Token ids after which nothing is drafted. */
  endTokens: readonly number[];
  /** Tokens in the target's vocabulary: a draft ends before a token id that is not below this. */
  vocab: number;
  /** Most chains at once. */
  maxChains: number;
  /** Most rows of one frame while the drafter catches up with a chain. */
  piece: number;
}

interface HeldChain {
  /** Token ids of the rows in slots 0, 1, 2 ... of its arena, drafted ones included. */
  held: number[];
  /** Rows that its arena has slots for; 0: it has no arena yet. */
  capacity: number;
  /** When it was last used, in milliseconds of the caller's clock. */
  used: number;
}

/** See the module's text. The caller makes one call of {@linkcode DraftChains.draft} at a time. */
export class DraftChains {
  readonly #options: DraftChainsOptions;
  readonly #chains = new Map<string, HeldChain>();

  constructor(options: DraftChainsOptions) {
    this.#options = options;
  }

  /** How many chains are kept. */
  get size(): number {
    return this.#chains.size;
  }

  /** Whether it keeps a chain of this name. */
  has(name: string): boolean {
    return this.#chains.has(name);
  }

  /**
   * Runs the chain's tokens that have no row yet, then drafts on, one row at a time. Asks `stale`
   * between frames; once it says true, the result is undefined.
   *
   * Throws group `drafter`: `no_chain` (the drafter knows fewer tokens of the chain than `base`,
   * because it was restarted or freed the chain; metadata `known`; the caller sends all tokens),
   * `bad_token` (a token that the draft model does not have); and what the engine throws.
   */
  async draft(
    request: DraftRequest,
    { now, stale, signal }: { now: number; stale: () => boolean; signal?: AbortSignal },
  ): Promise<Draft | undefined> {
    const chain = this.#take(request, now);
    try {
      return await this.#run(request, chain, stale, signal);
    } finally {
      // The chain was closed meanwhile: an arena that was allocated after that must be freed.
      if (this.#chains.get(request.chain) !== chain) {
        await this.#options.engine.close(request.chain);
      }
    }
  }

  /** {@linkcode DraftChains.draft} with the request's chain at hand. */
  async #run(
    request: DraftRequest,
    chain: HeldChain,
    stale: () => boolean,
    signal?: AbortSignal,
  ): Promise<Draft | undefined> {
    const { engine, piece } = this.#options;
    const { base, tokens } = request;
    const total = base + tokens.length;
    const draft: Draft = { tokens: [], chances: [], alternatives: [], computeMs: 0 };
    if (total > engine.info.context) return draft;
    // The last token's row runs again even if it is there, because its logits are wanted.
    let start = base;
    while (start < total - 1 && chain.held[start] === tokens[start - base]) start++;
    start = Math.min(start, total - 1);
    // A token after the model's last position can still be drafted: it needs no row.
    const length = Math.min(request.length, engine.info.context - total + 1);
    const known = chain.held.slice(start, base); // not empty only if the last known row runs again
    chain.held.length = start;
    await this.#reserve(request.chain, chain, total + length - 1, signal);
    const pending = [...known, ...tokens.subarray(Math.max(0, start - base))];
    let last: TokenResult | undefined;
    const run = async (rows: number[], want: boolean) => {
      const output = await engine.run(frameOf(request, chain.held.length, rows, want), signal);
      if (output.kind !== "tokens") throw notWhole(engine);
      chain.held.push(...rows);
      draft.computeMs += output.computeMs;
      last = output.tokens[0];
    };
    for (let at = 0; at < pending.length; at += piece) {
      if (stale()) return undefined;
      await run(pending.slice(at, at + piece), at + piece >= pending.length);
    }
    while (this.#add(draft, last!) && draft.tokens.length < length) {
      if (stale()) return undefined;
      await run([last!.token], true);
    }
    return draft;
  }

  /** Forgets a chain and frees its arena. */
  async close(name: string): Promise<void> {
    this.#chains.delete(name);
    await this.#options.engine.close(name);
  }

  /**
   * Closes the chains that were last used before this time, in milliseconds of the caller's clock.
   */
  async expire(before: number): Promise<void> {
    for (const [name, { used }] of this.#chains) if (used < before) await this.close(name);
  }

  /**
   * The request's chain, a new one if needed, marked as the most recently used. Throws `no_chain`
   * or `bad_token`.
   */
  #take({ chain: name, base, tokens }: DraftRequest, now: number): HeldChain {
    const { vocab } = this.#options.engine.info;
    const bad = tokens.find((token) => token < 0 || token >= vocab);
    if (bad !== undefined) {
      throw new OrreryError({
        group: "drafter",
        code: "bad_token",
        message: `the draft model has ${vocab} tokens, chain ${name} holds token ${bad}`,
        metadata: { token: bad, vocab },
      });
    }
    const known = this.#chains.get(name)?.held.length ?? 0;
    if (base > known || base + tokens.length === 0) {
      throw new OrreryError({
        group: "drafter",
        code: "no_chain",
        message:
          `the drafter knows ${known} tokens of chain ${name}, not ${base}: send all of them`,
        metadata: { chain: name, known, base },
      });
    }
    const chain = this.#chains.get(name) ?? { held: [], capacity: 0, used: now };
    chain.used = now;
    this.#chains.delete(name);
    this.#chains.set(name, chain);
    return chain;
  }

  /**
   * Grows the chain's arena to at least so many rows, and frees other chains where memory is short.
   */
  async #reserve(
    name: string,
    chain: HeldChain,
    rows: number,
    signal?: AbortSignal,
  ): Promise<void> {
    while (this.#chains.size > this.#options.maxChains) await this.#evict(name);
    if (chain.capacity >= rows) return;
    let capacity = SMALLEST;
    while (capacity < rows) capacity *= 2;
    capacity = Math.max(rows, Math.min(capacity, this.#options.engine.info.context));
    const keep = Int32Array.from(chain.held, (_, slot) => slot);
    for (;;) {
      try {
        await this.#options.engine.layout(name, { capacity, keep }, signal);
        chain.capacity = capacity;
        return;
      } catch (error) {
        if (!(error instanceof OrreryError && error.code === "arena_memory")) throw error;
        if (await this.#evict(name)) continue;
        if (capacity === rows) throw error;
        capacity = rows;
      }
    }
  }

  /** Frees the least recently used chain, except the one called `not`. False: there is no other. */
  async #evict(not: string): Promise<boolean> {
    for (const name of this.#chains.keys()) {
      if (name === not) continue;
      await this.close(name);
      return true;
    }
    return false;
  }

  /** Adds a chosen token to the draft. False: nothing more is to be drafted. */
  #add(draft: Draft, result: TokenResult): boolean {
    const { vocab, endTokens } = this.#options;
    if (result.failed) {
      if (draft.tokens.length > 0) return false;
      const { code, message } = result.failed;
      throw new OrreryError({ group: "engine", code, message });
    }
    if (result.token >= vocab) return false;
    draft.tokens.push(result.token);
    draft.chances.push(Math.exp(result.logprob!));
    const top = result.top!.filter(([token]) => token < vocab);
    draft.alternatives.push(top.map(([token, logprob]) => [token, Math.exp(logprob)]));
    return !endTokens.includes(result.token);
  }
}

/**
 * A frame of these tokens as a chain from slot `base` on. `want`: whether the token after the last
 * row is wanted.
 */
function frameOf(request: DraftRequest, base: number, tokens: number[], want: boolean): Frame {
  const { chain, sampling, width, prompt_rows } = request;
  const slots = Int32Array.from(tokens, (_, i) => base + i);
  return {
    arena: chain,
    seq: 0,
    samplers: [{
      id: 0,
      sampling: { ...sampling, logprobs: true, top_logprobs: width },
      prompt_rows,
    }],
    base,
    tokens: Int32Array.from(tokens),
    positions: slots,
    parents: slots.map((slot) => slot - 1),
    want: want ? Int32Array.of(tokens.length - 1) : new Int32Array(0),
    want_samplers: new Int32Array(want ? 1 : 0),
  };
}

function notWhole({ info }: StageEngine): OrreryError {
  return new OrreryError({
    group: "drafter",
    code: "not_whole",
    message:
      `a drafter needs the whole model in one engine, this one has layers ${info.firstLayer} to ` +
      `${info.lastLayer} of ${info.layers}`,
  });
}
