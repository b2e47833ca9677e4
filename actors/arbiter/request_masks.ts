/**
 * The masks of a request: which tokens may follow its rows. A Generation announces a mask once and
 * names it by its number. A late mask may be named before it has come.
 *
 * @module
 */
import type { AnnouncedMask } from "../pipeline/mod.ts";
import type { MaskMessage, RowsMessage } from "./messages.ts";

/** A mask as a Generation announced it: rows that name it share this object. */
export type RowMask = Pick<AnnouncedMask, "bits">;

/** A mask that its rows are sent without: it comes while their frames are under way. */
export class LateMask {
  /** What has come: a mask, or `undefined` in it: every token may follow; undefined: nothing yet. */
  settled?: { mask?: RowMask };
}

/** See the module's text. */
export class RequestMasks {
  /** Masks that the Generation may name, by its numbers. */
  readonly #masks = new Map<number, RowMask>();
  /** Late masks that were named or have come, and not both. */
  readonly #late = new Map<number, LateMask>();
  /** Messages that wait for a late mask, see {@linkcode RequestMasks.defer}. */
  #deferred: RowsMessage[] = [];
  readonly #error: (what: string) => Error;

  /** @param error The error for rows that make no sense, and why. */
  constructor(error: (what: string) => Error) {
    this.#error = error;
  }

  /** A mask that rows may name from now on. */
  announce({ id, bits }: AnnouncedMask): void {
    this.#masks.set(id, { bits });
  }

  /** The Generation names this mask no more. */
  drop(id: number): void {
    this.#masks.delete(id);
  }

  /** The mask with this number, -1: none. Throws for one that was not announced. */
  get(id: number): RowMask | undefined {
    if (id < 0) return undefined;
    const mask = this.#masks.get(id);
    if (!mask) throw this.#error(`mask ${id}, which was not announced`);
    return mask;
  }

  /**
   * Keeps a message back until its late masks have come, for a pipeline that cannot take them, and all
   * messages behind it. Returns whether it was kept.
   */
  defer(message: RowsMessage): boolean {
    const waits = message.late_masks?.some((id) => !this.#late.get(id)?.settled);
    if (!waits && this.#deferred.length === 0) return false;
    this.#deferred.push(message);
    return true;
  }

  /** Messages that wait for no late mask any more, in order. */
  *undeferred(): Generator<RowsMessage> {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const message of deferred) if (!this.defer(message)) yield message;
  }

  /**
   * A late mask has come: `mask` is its number among all of the request's masks, whose bits are these;
   * -1: every token may follow.
   */
  settle({ late, mask: id, bits }: MaskMessage): LateMask {
    const known = id < 0 ? undefined : this.#masks.get(id) ?? { bits };
    if (known) this.#masks.set(id, known);
    return this.late(late, { mask: known });
  }

  /** A late mask that is named now, or has come (`settled`); it is forgotten when it was both. */
  late(id: number, settled?: LateMask["settled"]): LateMask {
    const late = this.#late.get(id);
    const whole = late ?? new LateMask();
    if (late) this.#late.delete(id);
    else this.#late.set(id, whole);
    whole.settled ??= settled;
    return whole;
  }
}
