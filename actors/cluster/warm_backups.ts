/**
 * Has backups load the engines of the parts that they would take over, once a deployment has served
 * for a while. A part whose node is gone then need not be read from a disk: for a large model that is
 * most of the pause. A node loads only what leaves half of its free memory free, and unloads it before
 * it loads anything else, so it is asked again from time to time.
 *
 * @module
 */
import type { ActorContext } from "../system/mod.ts";
import { type Deployment, servingNodes } from "./deployment.ts";
import { memberActor, type StandBy } from "./member.ts";
import { movedParts } from "./repair.ts";

/** Milliseconds between two looks: a deployment that served at both is not about to be replaced. */
const LOOK_MS = 15_000;
/** Every so many looks, nodes are asked again (ten minutes). */
const AGAIN = 40;
/** Milliseconds in which a node must have fetched and loaded its parts. */
const LOAD_MS = 600_000;

/** What is read of the copy of a deployment. */
export interface BackedUp {
  /** What serves; undefined: nothing does. */
  current(): Deployment | undefined;
  /** What serves without these nodes; undefined: nobody can take their layers. */
  spare(nodes: readonly string[]): Deployment | undefined;
}

/** See the module's text. */
export class WarmBackups {
  readonly #ctx: ActorContext;
  readonly #of: BackedUp;
  /** What served at the last look, and how many looks ago nodes were asked about it. */
  #seen?: Deployment;
  #asked = 0;
  /** Nodes that may have loaded something. */
  #nodes = new Set<string>();
  #stopped = false;

  /** Looks from now on, until the actor of `ctx` ends. */
  constructor(ctx: ActorContext, of: BackedUp) {
    this.#ctx = ctx;
    this.#of = of;
    ctx.after(LOOK_MS, () => this.#look());
  }

  /** Asks nobody any more. What nodes have loaded ends with the deployment. */
  stop(): void {
    this.#stopped = true;
  }

  #look(): void {
    if (this.#stopped) return;
    this.#ctx.after(LOOK_MS, () => this.#look());
    const current = this.#of.current();
    if (current !== this.#seen) {
      this.#seen = current;
      this.#asked = 0;
    } else if (current && this.#asked++ % AGAIN === 0) this.#ask(current);
  }

  #ask(current: Deployment): void {
    const parts = backedUp(current, (nodes) => this.#of.spare(nodes));
    const before = this.#nodes;
    this.#nodes = new Set(parts.keys());
    for (const node of before.union(this.#nodes)) {
      const own = parts.get(node) ?? { id: current.id, stages: [], head: [] };
      void this.#ctx.get(memberActor, node)
        .stand_by(own, { deadlineMs: LOAD_MS, signal: this.#ctx.signal })
        .catch(() => {}); // it loads them when it needs them
    }
  }
}

/** The parts that each node would take over if another one were gone, by id of the node. */
export function backedUp(
  deployment: Deployment,
  spare: BackedUp["spare"],
): Map<string, StandBy> {
  const parts = new Map<string, StandBy>();
  const at = (node: string) => {
    const own = parts.get(node) ?? { id: deployment.id, stages: [], head: [] };
    parts.set(node, own);
    return own;
  };
  for (const node of new Set(servingNodes(deployment))) {
    const without = spare([node]);
    if (!without) continue;
    const { stages, heads } = movedParts(deployment, without);
    for (const i of stages) at(without.stages[i].node).stages.push(i);
    for (const i of heads) at(without.head![i].node).head.push(i);
  }
  return parts;
}
