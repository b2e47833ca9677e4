/**
 * What the last stage tells the shards of the LM head.
 *
 * @module
 */
import type { HeadTokens, NormedRow } from "./engine.ts";
import type { AnnouncedSampler, Frame } from "./frame.ts";
import type { CarriedFacts, NormedMessage } from "./head_messages.ts";
import type { Tensor } from "./tensor.ts";

/** Samplers of an arena that the shards have not been told. */
export interface HeadNewsItems {
  /** true: the shards have had no message of this arena yet. */
  opens: boolean;
  samplers: AnnouncedSampler[];
  drop_samplers: number[];
}

/**
 * Collects the samplers that frames announce and drop. Frames without a wanted row do not go to the
 * shards: what they say goes with the next one that does.
 */
export class HeadNews {
  #opens = true;
  #samplers = new Map<number, AnnouncedSampler>();
  readonly #dropped = new Set<number>();

  /**
   * Takes in what a frame says. With `now` returns everything that has not been told before, as
   * told.
   */
  take(
    frame: Pick<Frame, "samplers" | "drop_samplers">,
    options?: { now: boolean },
  ): HeadNewsItems {
    for (const id of frame.drop_samplers ?? []) {
      if (!this.#samplers.delete(id)) this.#dropped.add(id);
    }
    for (const sampler of frame.samplers ?? []) this.#samplers.set(sampler.id, sampler);
    const items: HeadNewsItems = {
      opens: this.#opens,
      samplers: [...this.#samplers.values()],
      drop_samplers: [...this.#dropped],
    };
    if (!options?.now) return items;
    this.#opens = false;
    this.#samplers.clear();
    this.#dropped.clear();
    return items;
  }
}

/**
 * The message for each shard with the wanted rows of a frame. A shard is told only what it needs:
 * occurrences of its own tokens, and what the arbiter must know through the first shard alone.
 */
export function normedMessages(
  { arena, seq, want_samplers }: Pick<Frame, "arena" | "seq" | "want_samplers">,
  { normed, rows, news, replyTo, shards, facts }: {
    /** f32 (wanted rows, hidden) */
    normed: Tensor;
    rows: readonly NormedRow[];
    news: HeadNewsItems;
    /** Address of the arbiter. */
    replyTo: string;
    shards: readonly HeadTokens[];
    facts: Omit<CarriedFacts, "failed">;
  },
): NormedMessage[] {
  const { opens, samplers, drop_samplers } = news;
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
      ...(drop_samplers.length > 0 && { drop_samplers }),
      normed,
      want_samplers,
      positions,
      ...(occurrences.length > 0 && { occurrences }),
      ...(index === 0 && { carried: { ...facts, failed } }),
    };
  });
}

/** The occurrences of a shard's tokens. */
function within(
  { tokens, generated }: { tokens: Int32Array; generated: Int32Array },
  { first, tokens: count }: HeadTokens,
) {
  const own = (_: number, i: number) => tokens[i] >= first && tokens[i] < first + count;
  return { tokens: tokens.filter(own), generated: generated.filter(own) };
}
