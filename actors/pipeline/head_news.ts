/**
 * What the last stage tells the shards of the LM head.
 *
 * @module
 */
import type { HeadTokens, NormedRow, RowStates } from "./engine.ts";
import type { AnnouncedSampler, Frame } from "./frame.ts";
import type { CarriedFacts, NormedMessage } from "./head_messages.ts";
import type { Tensor } from "./tensor.ts";
import { type AnnouncedMask, maskPart, packMask, unpackMask } from "./token_mask.ts";

/** Samplers and masks of an arena that the shards have not been told. */
export interface HeadNewsItems {
  /** true: the shards have had no message of this arena yet. */
  opens: boolean;
  samplers: AnnouncedSampler[];
  strict_samplers: AnnouncedSampler[];
  drop_samplers: number[];
  /** Masks of the whole vocabulary. */
  masks: AnnouncedMask[];
  drop_masks: number[];
}

/** What is announced and dropped by its number, until it is told. */
class Untold<T extends { id: number }> {
  readonly #items = new Map<number, T>();
  readonly #dropped = new Set<number>();

  take(items: readonly T[] = [], dropped: readonly number[] = []): void {
    for (const id of dropped) if (!this.#items.delete(id)) this.#dropped.add(id);
    for (const item of items) this.#items.set(item.id, item);
  }

  get items(): T[] {
    return [...this.#items.values()];
  }

  get dropped(): number[] {
    return [...this.#dropped];
  }

  clear(): void {
    this.#items.clear();
    this.#dropped.clear();
  }
}

/**
 * Collects the samplers and masks that frames announce and drop. Frames without a wanted row do not go to the
 * shards: what they say goes with the next one that does.
 */
export class HeadNews {
  #opens = true;
  readonly #samplers = new Untold<AnnouncedSampler & { strict: boolean }>();
  readonly #masks = new Untold<AnnouncedMask>();

  /**
   * Takes in what a frame says. With `now` returns everything that has not been told before, as
   * told.
   */
  take(
    frame: Pick<
      Frame,
      "samplers" | "strict_samplers" | "drop_samplers" | "masks" | "drop_masks"
    >,
    options?: { now: boolean },
  ): HeadNewsItems {
    const { samplers = [], strict_samplers = [] } = frame;
    this.#samplers.take([
      ...samplers.map((sampler) => ({ ...sampler, strict: false })),
      ...strict_samplers.map((sampler) => ({ ...sampler, strict: true })),
    ], frame.drop_samplers);
    this.#masks.take(frame.masks, frame.drop_masks);
    const told = (strict: boolean) =>
      this.#samplers.items.filter((sampler) => sampler.strict === strict)
        .map(({ strict: _, ...sampler }) => sampler);
    const items: HeadNewsItems = {
      opens: this.#opens,
      samplers: told(false),
      strict_samplers: told(true),
      drop_samplers: this.#samplers.dropped,
      masks: this.#masks.items,
      drop_masks: this.#masks.dropped,
    };
    if (!options?.now) return items;
    this.#opens = false;
    this.#samplers.clear();
    this.#masks.clear();
    return items;
  }
}

/**
 * The message for each shard with the wanted rows of a frame. A shard is told only what it needs:
 * occurrences of its own tokens, and what the arbiter must know through the first shard alone.
 */
export function normedMessages(
  frame: Pick<Frame, "arena" | "seq" | "want_samplers" | "want_masks" | "want_given" | "spans">,
  { normed, rows, news, replyTo, shards, facts, vocab }: {
    /** f32 (wanted rows, hidden) */
    normed: Tensor;
    rows: readonly NormedRow[];
    news: HeadNewsItems;
    /** Address of the arbiter. */
    replyTo: string;
    shards: readonly HeadTokens[];
    facts: Omit<CarriedFacts, "failed" | "states"> & { states?: RowStates };
    /** Tokens in the whole vocabulary. */
    vocab: number;
  },
): NormedMessage[] {
  const { arena, seq } = frame;
  const scored = (_: number, i: number) => !facts.states?.wanted.includes(i);
  const want_samplers = frame.want_samplers.filter(scored);
  const want_masks = frame.want_masks?.filter(scored);
  const want_given = frame.want_given?.filter(scored);
  const carried = { ...facts, states: facts.states?.results };
  const { opens, samplers, strict_samplers, drop_samplers, drop_masks } = news;
  const masks = news.masks.map(({ id, bits }) => ({ id, mask: unpackMask(bits, vocab) }));
  const failed = rows.flatMap((row, i) => row.failed ? [{ row: i, ...row.failed }] : []);
  const positions = Int32Array.from(rows, (row) => row.position);
  return shards.map((shard, index) => {
    const occurrences = rows.flatMap((row, i) =>
      row.occurrences ? [{ row: i, ...within(row.occurrences, shard) }] : []
    );
    return {
      arena,
      seq,
      reply_to: replyTo,
      opens,
      ...(samplers.length > 0 && { samplers }),
      ...(strict_samplers.length > 0 && { strict_samplers }),
      ...(drop_samplers.length > 0 && { drop_samplers }),
      ...(masks.length > 0 && { masks: masks.map((mask) => shardMask(mask, shard)) }),
      ...(drop_masks.length > 0 && { drop_masks }),
      normed,
      want_samplers,
      ...(want_masks && { want_masks }),
      ...(want_given && { want_given }),
      positions,
      ...(occurrences.length > 0 && { occurrences }),
      ...(frame.spans && { spans: frame.spans }),
      ...(index === 0 && { carried: { ...carried, failed } }),
    };
  });
}

/** A mask's part for a shard. The engine has unpacked the mask before, so that it can be unpacked. */
function shardMask(
  { id, mask }: { id: number; mask: Int32Array | string },
  shard: HeadTokens,
): AnnouncedMask {
  if (typeof mask === "string") throw new TypeError(mask);
  return { id, bits: packMask(maskPart(mask, shard), shard.tokens) };
}

/** The occurrences of a shard's tokens. */
function within(
  { tokens, generated }: { tokens: Int32Array; generated: Int32Array },
  { first, tokens: count }: HeadTokens,
) {
  const own = (_: number, i: number) => tokens[i] >= first && tokens[i] < first + count;
  return { tokens: tokens.filter(own), generated: generated.filter(own) };
}
