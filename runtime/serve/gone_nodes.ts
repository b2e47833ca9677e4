/**
 * Nodes to which this node's links broke, or that the cluster took for dead: requests do not move to
 * stages there. A node is back as soon as something comes from it: one that stood still or was cut off
 * goes on under the same id.
 *
 * @module
 */
import type { Clock } from "../../actors/mod.ts";

/** Most nodes that are remembered: ids are those of one life, so there are more and more. */
const MOST = 256;

/** Options of {@linkcode GoneNodes}. */
export interface GoneNodesOptions {
  /** Times what is heard. */
  clock: Clock;
  /** Milliseconds since anything came from a node; undefined: nothing has, or nobody counts. */
  silentMs: (node: string) => number | undefined;
}

/** See the module's text. */
export class GoneNodes {
  readonly #options: GoneNodesOptions;
  /** When each was lost, milliseconds of the clock. */
  readonly #lostAt = new Map<string, number>();

  /** None is gone. */
  constructor(options: GoneNodesOptions) {
    this.#options = options;
  }

  /** A node is gone. */
  add(node: string): void {
    this.#lostAt.delete(node); // the latest stand last
    this.#lostAt.set(node, this.#options.clock.now());
    if (this.#lostAt.size > MOST) this.#lostAt.delete(this.#lostAt.keys().next().value!);
  }

  /** The cluster gives these nodes layers: they are there. */
  placed(nodes: Iterable<string>): void {
    for (const node of nodes) this.#lostAt.delete(node);
  }

  /** Whether a node is gone. */
  has(node: string): boolean {
    const at = this.#lostAt.get(node);
    if (at === undefined) return false;
    const { clock, silentMs } = this.#options;
    const silent = silentMs(node);
    if (silent === undefined || clock.now() - silent <= at) return true;
    this.#lostAt.delete(node);
    return false;
  }
}
