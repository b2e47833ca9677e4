/**
 * Ids of deployments: unique in a cluster, whichever activation of its cluster actor made them.
 *
 * @module
 */

/** See the module's text; of one activation of the cluster actor. */
export class DeploymentIds {
  /**
   * Tells its ids from those of an earlier activation, which numbered its deployments from 1 as well
   * and whose stages may still live.
   */
  readonly #incarnation: string;
  readonly #known: Set<string>;
  #made = 0;

  /** `random`: uniform in [0, 1); `left`: ids of the deployments that an earlier activation has left. */
  constructor(random: number, left: Iterable<string>) {
    this.#incarnation = `d${Math.floor(random * 0x100000000).toString(16).padStart(8, "0")}`;
    this.#known = new Set(left);
  }

  /** The id of a deployment that is made now. */
  next(): string {
    const id = `${this.#incarnation}-${++this.#made}`;
    this.#known.add(id);
    return id;
  }

  /** Ids of all deployments that this activation has made or was left. */
  get all(): string[] {
    return [...this.#known];
  }
}
