/**
 * Masks that come while the frame that needs them is under way: the arbiter sends a row before its
 * mask is known, and then the mask straight to the last stage, which chooses the row's token when
 * both are there. So what may follow is worked out while the layers are computed.
 *
 *     arbiter --frame--> stage 0 --> ... --> last stage   (the row names no mask, but LATE_MASK)
 *        '-----------------late-----------------^
 *
 * The arbiter numbers these masks for themselves: the numbers have nothing to do with those that
 * frames announce, since nothing orders a frame's way through the stages and a message to the last.
 *
 * @module
 */
import { z } from "zod";
import type { LateRow } from "./engine.ts";
import { maskSchema, type TokenResult } from "./frame.ts";
import { unpackMask } from "./token_mask.ts";

/** Late masks that are numbered at once in one arena. */
export const MOST_LATE_MASKS = 64;

/** Arbiter -> last stage, message `late`: the mask of a row that was sent without it. */
export const lateSchema = z.object({
  /** Name of the arena. */
  arena: z.string(),
  /** Number of the frame. */
  seq: z.number().int().nonnegative(),
  /** Index of the row in the frame's `want`. */
  row: z.number().int().nonnegative(),
  /** Number of the mask, -1: every token may be chosen. */
  mask: z.number().int().min(-1).max(MOST_LATE_MASKS - 1),
  /** The mask itself; left out where the number has come with the same bits before. */
  bits: maskSchema.shape.bits.optional(),
});

/** See {@linkcode lateSchema}. */
export type LateMaskMessage = z.infer<typeof lateSchema>;

/** A mask, or why there is none. */
type Come = { mask?: Int32Array } | { problem: string };

/** A frame that has been run, with rows that have no token yet. */
interface HeldFrame {
  rows: Map<number, LateRow>;
  chosen: Map<number, TokenResult>;
  done(chosen: ReadonlyMap<number, TokenResult>): void;
}

/** The late masks of one arena, at the last stage. */
export class LateMasks {
  readonly #vocab: number;
  readonly #masks = new Map<number, Int32Array>();
  /** Masks whose frames have not been run, by frame and row. */
  readonly #come = new Map<number, Map<number, Come>>();
  readonly #held = new Map<number, HeldFrame>();

  /** For a vocabulary of `vocab` tokens. */
  constructor(vocab: number) {
    this.#vocab = vocab;
  }

  /** Takes a mask in: one that cannot be read fails its row. */
  note({ seq, row, mask: id, bits }: LateMaskMessage): void {
    const come = this.#read(id, bits);
    const held = this.#held.get(seq);
    if (held) return this.#choose(seq, held, { row, come });
    const rows = this.#come.get(seq) ?? new Map<number, Come>();
    this.#come.set(seq, rows.set(row, come));
  }

  /**
   * Chooses the tokens of a frame's late rows, now or when their masks come; then calls `done`, with
   * the result of each by its index in `want`. Masks of earlier frames that were never run are
   * forgotten.
   */
  hold(seq: number, rows: readonly LateRow[], done: HeldFrame["done"]): void {
    const held = { rows: new Map(rows.map((late) => [late.row, late])), chosen: new Map(), done };
    this.#held.set(seq, held);
    const come = this.#come.get(seq);
    for (const other of this.#come.keys()) if (other <= seq) this.#come.delete(other);
    for (const [row, mask] of come ?? []) this.#choose(seq, held, { row, come: mask });
  }

  #read(id: number, bits: Uint8Array | undefined): Come {
    if (id < 0) return {};
    if (bits) {
      const mask = unpackMask(bits, this.#vocab);
      if (typeof mask === "string") return { problem: mask };
      this.#masks.set(id, mask);
    }
    const mask = this.#masks.get(id);
    return mask ? { mask } : { problem: `late mask ${id} has not come with its bits` };
  }

  #choose(seq: number, held: HeldFrame, { row, come }: { row: number; come: Come }): void {
    const late = held.rows.get(row);
    if (!late) return; // it was chosen before, or has no late mask
    held.rows.delete(row);
    const result = late.choose("problem" in come ? undefined : come.mask);
    held.chosen.set(
      row,
      "problem" in come
        ? { slot: result.slot, token: 0, failed: { code: "no_mask", message: come.problem } }
        : result,
    );
    if (held.rows.size > 0) return;
    this.#held.delete(seq);
    held.done(held.chosen);
  }
}
