/**
 * Epochs of activations.
 *
 * Whatever a node owns, it owns under an epoch: that of the claim, where the address may move from
 * node to node, else that of the node's lease. The epoch of an activation is this number and how
 * many activations the node has begun. So it advances with every activation of an address, a local
 * one too, without asking anybody: on one node neither part ever falls, and on another node the
 * first part is greater.
 *
 * @module
 */

/** Activations that a node may begin in one life: 1,000 a second for 49 days. */
const MOST_WAKES = 2 ** 32;

/** Counts the activations of one node. */
export class Epochs {
  #wakes = 0;

  /** The epoch of the activation that begins now. `owner`: epoch of the ownership, 1 to 2^21. */
  next(owner: number): number {
    return owner * MOST_WAKES + ++this.#wakes;
  }
}
