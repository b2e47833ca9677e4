/**
 * The beginning of a coordinator's term, while the members of the one before come to it.
 *
 * Members find out who coordinates now at different times. Placing layers anew for those that have
 * come first would move them again and again, so a new coordinator waits: until all have come, or
 * for a little while. Then the deployment that served goes on where all nodes live that have its
 * layers; else layers are placed for the members that there are. Where none has come, all nodes were
 * started again, and the cluster begins anew.
 *
 * @module
 */
import type { ActorContext } from "../system/mod.ts";
import type { Adoption } from "./adoption.ts";
import { type Deployment, type Member, servingNodes } from "./deployment.ts";
import type { Doubts } from "./doubts.ts";
import type { ClusterMemory } from "./memory.ts";
import { isWhole } from "./repair.ts";

/** Milliseconds that a new coordinator waits for the members of the one before. */
const WAIT_MS = 3_000;

/** Options of a {@linkcode Takeover}. */
export interface TakeoverOptions {
  /** What the term before has left. */
  memory: ClusterMemory;
  /** What serves; the deployment of the term before does already. */
  serving: Adoption;
  doubts: Doubts;
  /** The members; those of the term before are among them already. */
  members: ReadonlyMap<string, Member>;
  /** A member is gone. */
  remove: (node: string, why: string) => void;
  /** A node is no member any more, and nothing is done about it. */
  forget: (node: string) => void;
  /** Places layers anew. */
  replace: () => void;
  /** No node of the term before is here: the first placement waits for nodes again. */
  beginAnew: () => void;
}

/** See the module's text. */
export class Takeover {
  readonly #options: TakeoverOptions;
  readonly #awaited: Set<string>;
  readonly #cancel: () => void = () => {};
  #open: boolean;
  #ends = false;

  /** Nothing is waited for where there were no members. */
  constructor(ctx: Pick<ActorContext, "after">, options: TakeoverOptions) {
    this.#options = options;
    const { past } = options.memory;
    this.#awaited = new Set(past.members.map(({ node }) => node));
    this.#open = this.#awaited.size > 0;
    if (this.#open) this.#cancel = ctx.after(WAIT_MS, () => this.#end());
    else {
      options.beginAnew();
      this.#letOthersGo();
    }
  }

  /** Whether members are still waited for. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether this member is waited for. */
  awaits(node: string): boolean {
    return this.#open && this.#awaited.has(node);
  }

  /** A node has come, or is known to be gone. */
  cross(node: string): void {
    if (this.#open && this.#awaited.delete(node) && this.#awaited.size === 0) this.#end();
  }

  #end(): void {
    if (this.#ends) return;
    this.#ends = true;
    this.#cancel();
    void this.#settle();
  }

  async #settle(): Promise<void> {
    const { memory, serving, members, remove, forget, replace, beginAnew } = this.#options;
    const { serving: before, others } = memory.past;
    // Nodes that were started a moment ago are in none of the deployments.
    const stayed = [...before ? [before] : [], ...others].some((d) =>
      d.members.some(({ node }) => members.has(node) && !this.#awaited.has(node))
    );
    if (!stayed) beginAnew();
    for (const node of this.#awaited) {
      if (before && servingNodes(before).includes(node)) {
        remove(node, `node ${node} has not come to the new coordinator`);
      } else forget(node);
    }
    this.#open = false; // no placement may begin before all are gone: it would wait for those left
    this.#letOthersGo();
    const { current } = serving;
    if (current) {
      if (await this.#goesOn(current)) return;
      // One that lacks nodes is repaired, or given up, as it is placed anew.
      if (serving.current === current && isWhole(current, members)) {
        serving.adopt(undefined, "a node has lost its layers");
      }
    }
    replace();
  }

  /** Lets the deployment serve on. False: it cannot. */
  async #goesOn(before: Deployment): Promise<boolean> {
    const { memory, serving, doubts, members, replace } = this.#options;
    const here = (node: string) => members.has(node);
    const whole = () => servingNodes(before).every(here);
    if (!whole() || await doubts.without(before)) return false;
    const same = { ...before, members: [...members.values()] };
    await memory.serves(same);
    // The members may have changed meanwhile: then a placement is on its way.
    if (serving.current !== before || !whole()) return false;
    serving.adopt(same, "");
    const had = new Set(before.members.map(({ node }) => node));
    const helpers = [before.draft?.node, before.solo?.node].filter((node) => node !== undefined);
    // It serves while layers are placed for members that are new, or without those that helped.
    if (!same.members.every(({ node }) => had.has(node)) || !helpers.every(here)) replace();
    return true;
  }

  #letOthersGo(): void {
    for (const other of this.#options.memory.past.others) this.#options.serving.letGo(other);
  }
}
