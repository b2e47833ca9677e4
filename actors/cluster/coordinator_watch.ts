/**
 * A member's view of the node with the cluster actor: is it alive, and does it still list this
 * member?
 *
 * Whether it is alive is judged as the cluster judges its members (`node_watch.ts`). That it has
 * forgotten this member, which was frozen or cut off for long, shows in that its pings stop: then it
 * is asked.
 *
 * @module
 */
import type { WatchOptions, WatchWorld } from "./health.ts";
import { NodeWatch } from "./node_watch.ts";

/** What a {@linkcode CoordinatorWatch} does to the world. */
export interface CoordinatorWorld extends WatchWorld {
  /** Asks the node with the cluster actor whether it lists this node; rejects without an answer. */
  isListed(deadlineMs: number): Promise<boolean>;
  /**
   * Called once after each {@linkcode CoordinatorWatch.follow}: that node is gone, or does not list
   * this member. Join again.
   */
  lost(why: string, node: string): void;
}

/** Without a ping for this time, this member asks whether it is still listed. Milliseconds. */
const UNPINGED_MS = 4_500;
/** Time for the answer, and between two questions. Milliseconds. */
const LISTED_MS = 3_000;
/** Time between two looks at the last ping. Milliseconds. */
const LOOK_MS = 500;

/** See the module's text. */
export class CoordinatorWatch {
  readonly #world: CoordinatorWorld;
  readonly #watch: NodeWatch;
  /** The node that is watched; undefined: none is. */
  #node?: string;
  #pingedAt = 0;
  #askedAt = -Infinity;
  #cancel?: () => void;

  /** Watches nobody until `follow`. */
  constructor(world: CoordinatorWorld, options: Partial<WatchOptions> = {}) {
    this.#world = world;
    this.#watch = new NodeWatch({
      ...bound(world),
      changed: (change) => {
        world.changed(change);
        if (change.to === "dead") this.#lose(`the first node is gone: ${change.why}`);
      },
    }, options);
  }

  /** This node was taken in by the cluster actor at `node`: watches it, and no other any more. */
  follow(node: string): void {
    this.leave();
    this.#node = node;
    this.#pingedAt = this.#world.now();
    this.#askedAt = -Infinity;
    this.#watch.add(node);
    this.#schedule();
  }

  /** Watches nobody until the next `follow`. */
  leave(): void {
    this.#cancel?.();
    if (this.#node !== undefined) this.#watch.forget(this.#node);
    this.#node = undefined;
  }

  /** Call it for each ping of the cluster actor: only a member is pinged. */
  pinged(by: string): void {
    if (by !== this.#node) return;
    this.#pingedAt = this.#world.now();
    this.#watch.add(by);
  }

  /** Call it when the connection to a node broke. */
  broke(node: string): void {
    if (node === this.#node) this.#watch.broke(node);
  }

  /** Ends all timers. */
  close(): void {
    this.leave();
    this.#watch.close();
  }

  #schedule(): void {
    this.#cancel = this.#world.after(LOOK_MS, () => {
      this.#schedule();
      this.#look();
    });
  }

  #look(): void {
    const now = this.#world.now();
    if (now - this.#pingedAt < UNPINGED_MS || now - this.#askedAt < LISTED_MS) return;
    this.#askedAt = now;
    const node = this.#node;
    this.#world.isListed(LISTED_MS).then((listed) => {
      if (this.#node !== node || listed) return;
      this.#lose("the first node does not list this node any more");
    }, () => {}); // whether it is alive is judged by the watch
  }

  #lose(why: string): void {
    const node = this.#node;
    if (node === undefined) return;
    this.leave();
    this.#world.lost(why, node);
  }
}

/** The same world, whose methods can be spread. */
function bound(world: WatchWorld): WatchWorld {
  return {
    self: world.self,
    now: () => world.now(),
    after: (ms, fn) => world.after(ms, fn),
    random: () => world.random(),
    silentMs: (node) => world.silentMs(node),
    ping: (node, ms) => world.ping(node, ms),
    refuses: (node, ms) => world.refuses(node, ms),
    reach: (voter, node, ms) => world.reach(voter, node, ms),
    voters: (node) => world.voters(node),
    changed: (change) => world.changed(change),
  };
}
