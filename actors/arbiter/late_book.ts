/**
 * By which numbers the last stage knows the late masks of an arena: messages to it arrive in order,
 * so that what was sent once need not be sent again.
 *
 * @module
 */
import { type LateMaskMessage, MOST_LATE_MASKS } from "../pipeline/mod.ts";
import type { RowMask } from "./request_masks.ts";

/** See the module's text. */
export class LateBook {
  /** Numbers by mask, the one that was used longest ago first. */
  readonly #ids = new Map<RowMask, number>();

  /** How the last stage is told of a mask, undefined: every token may follow. */
  name(mask: RowMask | undefined): Pick<LateMaskMessage, "mask" | "bits"> {
    if (!mask) return { mask: -1 };
    const known = this.#ids.get(mask);
    let id = known ?? this.#ids.size;
    if (known !== undefined) this.#ids.delete(mask);
    else if (id === MOST_LATE_MASKS) {
      const [oldest, freed] = this.#ids.entries().next().value!;
      this.#ids.delete(oldest);
      id = freed;
    }
    this.#ids.set(mask, id);
    return { mask: id, ...(known === undefined && { bits: mask.bits }) };
  }

  /** The arena is closed: the last stage knows nothing any more. */
  clear(): void {
    this.#ids.clear();
  }
}
