/**
 * Layouts that some stages may have carried out and others not yet. Where the pipeline is rebuilt,
 * the stages that are left may stand at different ones: each must be told in its own slots which
 * rows stay.
 *
 * @module
 */
import type { RealignMessage } from "../pipeline/mod.ts";
import type { Moved } from "./row_pool.ts";

/** Which rows move where: of a stage for which layout `laid` was the last one. */
export type RealignMoves = RealignMessage["moves"][number];

/** See the module's text. */
export class LaidLayouts {
  /** In the order in which they were sent. Every stage has carried out the first one. */
  #layouts: { seq: number; moved: Moved }[] = [];

  /** The frame with this number carries a layout, or the arena is realigned at this number. */
  sent(seq: number, moved: Moved): void {
    this.#layouts.push({ seq, moved });
  }

  /** Every stage has carried out the frames up to this one, and no layout was sent after it. */
  answered(seq: number): void {
    const last = this.#layouts.findLastIndex((layout) => layout.seq <= seq);
    if (last > 0) this.#layouts.splice(0, last);
  }

  /**
   * What rows that stand in all stages, and are named by their slots after the last layout, are
   * named in each state in which a stage can be. A state in which a stage would lack one of them
   * cannot be, and is left out.
   */
  moves(moved: Moved): RealignMoves[] {
    const known: RealignMoves[] = [];
    let { keep, shelf } = moved;
    for (let i = this.#layouts.length - 1; i >= 0; i--) {
      known.push({ laid: this.#layouts[i].seq, keep, ...(shelf && { shelf }) });
      const before = this.#layouts[i].moved;
      const kept = slotsBefore(keep, before);
      const shelved = slotsBefore(shelf ?? NONE, before);
      if (!kept || !shelved) break;
      keep = kept;
      shelf = shelf && shelved;
    }
    return known;
  }

  /** The arena is closed. */
  clear(): void {
    this.#layouts = [];
  }
}

const NONE = new Int32Array(0);

/** The slots that rows had before a layout; undefined: one of them did not stand in the arena. */
function slotsBefore(
  slots: Int32Array<ArrayBuffer>,
  { keep, shelf = NONE }: Moved,
): Int32Array<ArrayBuffer> | undefined {
  const before = new Int32Array(slots.length);
  for (const [i, slot] of slots.entries()) {
    const from = slot >= 0 ? keep[slot] : shelf[shelf.length + slot];
    if (from === undefined) return undefined;
    before[i] = from;
  }
  return before;
}
