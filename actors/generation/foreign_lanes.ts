/**
 * How many lanes of other requests shared the stages with this one, as the arbiter told.
 *
 * @module
 */

/** Weight of the newest frame in the running mean, 0 to 1. */
const NEWEST_FRAME = 0.1;

/** See the module's text. */
export class ForeignLanes {
  /** Running mean over the last frames. */
  #now = 0;
  /** Sum over all frames. */
  #sum = 0;
  #frames = 0;
  /** When the first frame was answered; undefined: none was. */
  #first?: number;

  /** Takes in that `lanes` lanes of other requests ran when a frame was answered. */
  frame(lanes: number): void {
    this.#first ??= lanes;
    this.#now += (this.#frames === 0 ? 1 : NEWEST_FRAME) * (lanes - this.#now);
    this.#sum += lanes;
    this.#frames++;
  }

  /** Mean lanes over the last frames. */
  get now(): number {
    return this.#now;
  }

  /** Mean lanes over the whole request. */
  get mean(): number {
    return this.#sum / Math.max(1, this.#frames);
  }

  /** Lanes when the first frame was answered. */
  get first(): number {
    return this.#first ?? 0;
  }
}
