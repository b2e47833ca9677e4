/**
 * How a lost stage is replaced in place: its KV is computed again from the hidden states that the
 * stage before it has kept (`kept_states.ts`).
 *
 *     arbiter --realign--> every stage that is left
 *     arbiter --rebuild--> stage u --frame--> stage u+1 (lost) --frame--> ... stage v (lost)
 *     arbiter <-------------------------rebuilt--------------------------------'
 *
 * 1. `realign`: the stages that are left stand at different frames, as some were under way. Each
 *    moves the rows that all of them have run to the same slots, forgets the others, and ignores
 *    frames that were sent before.
 * 2. `rebuild`: frames of these rows that ask for nothing. The last stage before the lost ones takes
 *    the rows' states from what it has kept, and runs nothing; the lost stages run them. Where the
 *    first stage is lost, the arbiter sends it the tokens.
 * 3. The frames that were under way are sent again, as new ones.
 *
 * @module
 */
import { z } from "zod";

/** Layouts of an arbiter that can be under way at once, at most. */
const MOST_LAYOUTS = 64;

/** Arbiter -> stage, message `realign`: from now on the arena is as this says. */
export const realignSchema = z.object({
  /** Name of the arena. */
  arena: z.string().min(1).max(128),
  /** Frames with smaller numbers are of before, and ignored. Counts as the number of a layout. */
  floor: z.number().int().nonnegative(),
  /** Rows that the arena has slots for. */
  capacity: z.number().int().positive(),
  /**
   * Which rows move where, see `layout` of a frame: one list for each layout that may be the last
   * one that the stage has carried out (`laid`: the number of its frame).
   */
  moves: z.array(z.object({
    laid: z.number().int().nonnegative(),
    keep: z.instanceof(Int32Array),
    shelf: z.instanceof(Int32Array).optional(),
  })).min(1).max(MOST_LAYOUTS),
});

/** See {@linkcode realignSchema}. */
export type RealignMessage = z.infer<typeof realignSchema>;
