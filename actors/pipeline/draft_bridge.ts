/**
 * A draft model with another vocabulary than its target's: token ids of one become ids of the other
 * by way of the text that they stand for. What is drafted is compared with the target's own tokens as
 * ever, so a bridge changes no answer, only how many drafts come true.
 *
 * @module
 */
import type { DraftRequest } from "./draft_messages.ts";
import type { Draft, DraftChains } from "./draft_chains.ts";
import { samplingSchema } from "./frame.ts";
import { OrreryError } from "../system/mod.ts";

/** The text of one chain, in both vocabularies. */
export interface BridgedText {
  /**
   * The draft model's ids of the text that the target's ids stand for. Undefined: it ends within a
   * character.
   */
  follow(tokens: readonly number[]): number[] | undefined;
  /**
   * The target's ids of a draft behind that text, and the chance of each, given that the ones before
   * it are right, 0 to 1. What another token of the draft might still change is left out.
   */
  back(drafted: Pick<Draft, "tokens" | "chances">): Pick<Draft, "tokens" | "chances">;
}

/** Joins two vocabularies. */
export interface DraftBridge {
  /** The draft model's ids of a text for each id of the target's, in the mean. */
  ratio: number;
  /** Begins a text. */
  open(): BridgedText;
}

/** Most tokens of a draft by {@linkcode DraftRequest}. */
const MOST_DRAFTED = 64;

/** A chain in the target's vocabulary. */
interface HeldText {
  /** The target's ids that the drafter was told. */
  tokens: number[];
  text: BridgedText;
}

/** Chains of a draft model with another vocabulary; as {@linkcode DraftChains}. */
export class BridgedChains {
  readonly #chains: DraftChains;
  readonly #bridge: DraftBridge;
  /** Tokens in the target's vocabulary. */
  readonly #vocab: number;
  readonly #texts = new Map<string, HeldText>();

  /** `chains`: those of the draft model; `vocab`: tokens in the target's vocabulary. */
  constructor(chains: DraftChains, { bridge, vocab }: { bridge: DraftBridge; vocab: number }) {
    this.#chains = chains;
    this.#bridge = bridge;
    this.#vocab = vocab;
  }

  /** How many chains are kept. */
  get size(): number {
    return this.#chains.size;
  }

  /** As `DraftChains.draft`, in the target's vocabulary. */
  async draft(
    request: DraftRequest,
    options: Parameters<DraftChains["draft"]>[1],
  ): Promise<Draft | undefined> {
    const { chain, base, length } = request;
    const held = this.#texts.get(chain) ?? { tokens: [], text: this.#bridge.open() };
    const known = held.tokens.length;
    if (base > known || base + request.tokens.length === 0) {
      throw new OrreryError({
        group: "drafter",
        code: "no_chain",
        message:
          `the drafter knows ${known} tokens of chain ${chain}, not ${base}: send all of them`,
        metadata: { chain, known, base },
      });
    }
    held.tokens.length = base;
    for (const token of request.tokens) held.tokens.push(token);
    this.#texts.set(chain, held);
    const tokens = held.text.follow(held.tokens);
    const none: Draft = { tokens: [], chances: [], alternatives: [], computeMs: 0 };
    if (!tokens || tokens.length === 0) return none;
    const draft = await this.#chains.draft({
      ...request,
      base: 0,
      tokens: Int32Array.from(tokens),
      // The last token of a draft is often a part of the target's.
      length: Math.min(MOST_DRAFTED, Math.ceil(length * this.#bridge.ratio) + 1),
      width: 1,
      // Random numbers belong to the ids of a vocabulary: the best token is the best guess.
      sampling: samplingSchema.parse({ temperature: 0 }),
      prompt_rows: tokens.length,
    }, options);
    if (!draft) return undefined;
    const back = held.text.back(draft);
    const unknown = back.tokens.findIndex((token) => token >= this.#vocab);
    const count = Math.min(length, unknown < 0 ? back.tokens.length : unknown);
    return {
      ...none,
      tokens: back.tokens.slice(0, count),
      chances: back.chances.slice(0, count),
      alternatives: back.tokens.slice(0, count).map(() => []),
      computeMs: draft.computeMs,
    };
  }

  /** Forgets a chain and frees its arena. */
  async close(name: string): Promise<void> {
    this.#texts.delete(name);
    await this.#chains.close(name);
  }

  /** As `DraftChains.expire`. */
  async expire(before: number): Promise<void> {
    await this.#chains.expire(before);
    for (const name of this.#texts.keys()) if (!this.#chains.has(name)) this.#texts.delete(name);
  }
}
