/**
 * Who may act for an address that can move from node to node: the interface by which an actor
 * system asks. What answers it stands in `actors/ownership/`.
 *
 * @module
 */

/** The right of this node to act for an address, for as long as it is certain. */
export interface Ownership {
  /** Number of this ownership; a later one of the same address has a larger number. */
  readonly epoch: number;
  /**
   * Aborted when the ownership ends. Timers of a process that was frozen fire late, so whoever is
   * about to act asks {@linkcode Ownership.certain} as well.
   */
  readonly signal: AbortSignal;
  /**
   * Is it certain, by this node's own monotonic clock, that no other node owns the address now?
   * Once false, it stays false.
   */
  certain(): boolean;
}

/** Says which addresses need an ownership, and whether this node has it. */
export interface OwnershipFence {
  /**
   * The ownership under which this node acts for the address; undefined: the address is bound to
   * this node by its key, so that no other node can ever own it. Throws group `actor`, code
   * `fenced`, where the address needs an ownership that this node does not have.
   */
  ownershipOf(address: string): Ownership | undefined;
}
