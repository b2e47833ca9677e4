/**
 * What the route that adds models needs from the node.
 *
 * @module
 */

/** How far the adding of a model is. */
export interface PullStep {
  /** What is being done, in words; the same words while it is the same thing. */
  status: string;
  /** Hash of the file that is being fetched, such as `sha256:...`. @default not known */
  digest?: string;
  /** Bytes of the file, or weights of the model. @default nothing is counted */
  total?: number;
  /** Those of `total` that are done. */
  completed?: number;
}

/** A model that is being added. */
export interface AddingModel extends Pick<PullStep, "status" | "total" | "completed"> {
  /** Its name, on the hub or in the store. */
  model: string;
}

/** Adds models of a hub to the node's store. */
export interface PullService {
  /**
   * Adds the model of this name, and tells how far it is; where steps come faster than they are
   * taken, only the last one of each kind is told. Aborting the signal, or ending the iteration,
   * stops it; what has arrived is kept for the next time.
   *
   * Throws group `api`: `invalid_value` for a name that is none of the hub's, `pull_running` while
   * another model is being added, `pull_forbidden` where the node may not write to its store; and
   * what the hub and the store throw (group `model`).
   */
  pull(name: string, signal: AbortSignal): AsyncIterable<PullStep>;
}
