/**
 * The chains of rows that a drafter keeps: one arena of its engine each, least recently used out.
 *
 * @module
 */
import type { DraftRequest } from "./draft_messages.ts";
import type { StageEngine } from "./engine.ts";
import { OrreryError } from "../system/mod.ts";
import type { Frame, TokenResult } from "./frame.ts";

/** Smallest arena. Rows. */
const SMALLEST = 64;

/** What a draft came to. Fields as in `draftedSchema`. */
export interface Draft {
  tokens: number[];
  chances: number[];
  alternatives: [number, number][][];
  /** Milliseconds of the engine. */
  computeMs: number;
}

/** Options of {@linkcode DraftChains}. */
export interface DraftChainsOptions {
  /** The whole draft model, as one stage. */
  engine: StageEngine;
  /** Tokens after which nothing is drafted. */
  endTokens: readonly number[];
  /** Tokens of the target's vocabulary: a larger one is not drafted. */
  vocab: number;
  /** Chains at once. */
  maxChains: number;
  /** Rows of one frame while catching up. */
  piece: number;
}

interface Chain {
  /** Tokens whose rows stand in slots 0, 1, 2 ..., drafted ones too. */
  held: number[];
  /** Rows of its arena; 0: it has none yet. */
  capacity: number;
  /** When it was last used, in the caller's milliseconds. */
  used: number;
}

/** See the module's text. One call of {@linkcode DraftChains.draft} at a time. */
export class DraftChains {
  readonly #options: DraftChainsOptions;
  readonly #chains = new Map<string, Chain>();

  /** No chain yet. */
  constructor(options: DraftChainsOptions) {
    this.#options = options;
  }

  /** Chains that have rows. */
  get size(): number {
    return this.#chains.size;
  }

  /**
   * Catches up with a chain and drafts on, one row at a time. Undefined once `stale` says so, which
   * is asked between frames.
   *
   * Throws group `drafter`: `no_chain` (it knows fewer tokens than `base`, as it was started anew
   * or let the chain go; metadata `known`: send all of them), `bad_token` (one that the draft model
   * does not have); and what the engine throws.
   */
  async draft(
    request: DraftRequest,
    { now, stale, signal }: { now: number; stale: () => boolean; signal?: AbortSignal },
  ): Promise<Draft | undefined> {
    const chain = this.#take(request, now);
    try {
      return await this.#run(request, chain, stale, signal);
    } finally {
      // Closed meanwhile: what was laid out after that must not stay.
      if (this.#chains.get(request.chain) !== chain) {
        await this.#options.engine.close(request.chain);
      }
    }
  }

  async #run(
    request: DraftRequest,
    chain: Chain,
    stale: () => boolean,
    signal?: AbortSignal,
  ): Promise<Draft | undefined> {
    const { engine, piece } = this.#options;
    const { base, tokens } = request;
    const total = base + tokens.length;
    const draft: Draft = { tokens: [], chances: [], alternatives: [], computeMs: 0 };
    if (total > engine.info.context) return draft;
    // The last row runs again even if it is there: its logits are wanted.
    let start = base;
    while (start < total - 1 && chain.held[start] === tokens[start - base]) start++;
    start = Math.min(start, total - 1);
    // The token after the model's last position needs no row any more.
    const length = Math.min(request.length, engine.info.context - total + 1);
    const known = chain.held.slice(start, base); // only if the last known row runs again
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

  /** Closes the chains that were last used before this time. */
  async expire(before: number): Promise<void> {
    for (const [name, { used }] of this.#chains) if (used < before) await this.close(name);
  }

  /** The request's chain, as the one that was used last. */
  #take({ chain: name, base, tokens }: DraftRequest, now: number): Chain {
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

  /** Sees that a chain's arena holds so many rows, at the expense of others if need be. */
  async #reserve(name: string, chain: Chain, rows: number, signal?: AbortSignal): Promise<void> {
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

  /**
   * Lets the chain that was not used for longest go, but not this one. False: there is no other.
   */
  async #evict(not: string): Promise<boolean> {
    for (const name of this.#chains.keys()) {
      if (name === not) continue;
      await this.close(name);
      return true;
    }
    return false;
  }

  /** Notes a chosen token; false: nothing more is to be drafted. */
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

/** Rows that follow each other from slot `base` on. */
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
