/**
 * Which masks the stages of an arena know, and by which numbers.
 *
 * A mask is announced with the first frame whose rows name it. The stages keep the masks that were
 * used last, at most {@linkcode MOST_ANNOUNCED}: a mask that they have forgotten is announced again.
 *
 * @module
 */
import { LATE_MASK } from "../pipeline/mod.ts";
import { LateMask, type RowMask } from "./request_masks.ts";

/**
 * Masks that the stages keep. Rows of one frame may name more: it is far fewer than stages allow.
 */
export const MOST_ANNOUNCED = 256;

/** What a frame says of masks. */
export interface FrameMasks {
  /**
   * Number of the mask of each wanted row, -1: none, `LATE_MASK`: it has not come; undefined: no row
   * has one. i32 (wanted)
   */
  wanted?: Int32Array<ArrayBuffer>;
  /** Masks that the stages do not know yet. */
  announced: { id: number; mask: RowMask }[];
  /** Numbers of masks that the stages are to forget. */
  forgotten: number[];
}

/** Of a frame without masks. */
const NOTHING: FrameMasks = { announced: [], forgotten: [] };

/** See the module's text. */
export class MaskBook {
  /** Numbers of the masks that the stages know, the one that was used longest ago first. */
  readonly #ids = new Map<RowMask, number>();
  /** Numbers that the stages are to forget. */
  #forget: number[] = [];
  #next = 0;

  /** What the frame with these rows' masks says; undefined: the row has none. */
  frame(named: readonly (RowMask | LateMask | undefined)[]): FrameMasks {
    const masks = named.map((mask) =>
      mask instanceof LateMask ? mask.settled ? mask.settled.mask : LATE_MASK : mask
    );
    const used = new Set(masks);
    used.delete(undefined);
    const late = used.delete(LATE_MASK);
    if (used.size === 0 && !late && this.#forget.length === 0) return NOTHING;
    const announced: FrameMasks["announced"] = [];
    for (const mask of used as Set<RowMask>) {
      let id = this.#ids.get(mask);
      if (id === undefined) announced.push({ id: id = this.#next++, mask });
      this.#ids.delete(mask);
      this.#ids.set(mask, id); // the last one: it was used last
    }
    for (const [mask, id] of this.#ids) {
      if (this.#ids.size <= MOST_ANNOUNCED || used.has(mask)) break;
      this.#ids.delete(mask);
      this.#forget.push(id);
    }
    const forgotten = this.#forget;
    this.#forget = [];
    if (used.size === 0 && !late) return { announced, forgotten };
    return {
      wanted: Int32Array.from(
        masks,
        (mask) => mask === LATE_MASK ? mask : mask ? this.#ids.get(mask)! : -1,
      ),
      announced,
      forgotten,
    };
  }

  /** A frame never reached the stages: what it announced is not known there, nor forgotten. */
  takeBack(announced: readonly RowMask[], forgotten: readonly number[]): void {
    for (const mask of announced) this.#ids.delete(mask);
    this.#forget.push(...forgotten);
  }

  /** Some stage may not know any of them: all are forgotten, and announced again when named. */
  forgetAll(): void {
    this.#forget.push(...this.#ids.values());
    this.#ids.clear();
  }

  /** The arena is closed: its stages know nothing any more. */
  clear(): void {
    this.#ids.clear();
    this.#forget = [];
  }
}
