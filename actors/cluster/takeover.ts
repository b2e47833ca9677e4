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
import { type Deployment, type Member, servingNodes } from "./deployment.ts";
import type { DeploymentCopy } from "./deployment_copy.ts";
import type { ClusterMemory } from "./memory.ts";
import { isWhole, repaired } from "./repair.ts";

/** Milliseconds that a new coordinator waits for the members of the one before. */
const WAIT_MS = 3_000;
/**
 * The same for the last of them, once all others have come and can do without it: most likely it is the
 * node that coordinated before, which is dead, stands still or is cut off.
 */
const LAST_MS = 750;

/** Options of a {@linkcode Takeover}. */
export interface TakeoverOptions {
  /** What the term before has left. */
  memory: ClusterMemory;
  /** All copies of all deployments; those of the term before serve already. */
  copies: () => readonly DeploymentCopy[];
  /** The members; those of the term before are among them already. */
  members: ReadonlyMap<string, Member>;
  /** A member is gone. */
  remove: (node: string, why: string) => void;
  /** A node is no member any more, and nothing is done about it. */
  forget: (node: string) => void;
  /** Resolves once all deployments of the term before have been looked for. */
  restored: Promise<void>;
  /** All have come, or are known to be gone: what does not serve may be placed. */
  begin: () => void;
}

/** See the module's text. */
export class Takeover {
  readonly #options: TakeoverOptions;
  readonly #awaited: Set<string>;
  readonly #ctx: Pick<ActorContext, "after">;
  #cancel: () => void = () => {};
  #open: boolean;
  #ends = false;

  /** Nothing is waited for where there were no members. */
  constructor(ctx: Pick<ActorContext, "after">, options: TakeoverOptions) {
    this.#ctx = ctx;
    this.#options = options;
    const { past } = options.memory;
    this.#awaited = new Set(past.members.map(({ node }) => node));
    this.#open = this.#awaited.size > 0;
    if (this.#open) this.#cancel = ctx.after(WAIT_MS, () => this.#end());
    else {
      for (const copy of options.copies()) copy.beginAnew();
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
    if (!this.#open || !this.#awaited.delete(node)) return;
    if (this.#awaited.size === 0) return this.#end();
    if (this.#awaited.size > 1 || !this.#spares([...this.#awaited][0])) return;
    this.#cancel();
    this.#cancel = this.#ctx.after(LAST_MS, () => this.#end());
  }

  /** Whether backups could take over what a node has of the deployments that serve. */
  #spares(node: string): boolean {
    const { memory: { past }, members } = this.#options;
    const others = [...members.values()].filter((member) => member.node !== node);
    const served = [...past.serving ? [past.serving] : [], ...past.named ?? []];
    return served.every((d) =>
      !servingNodes(d).includes(node) || repaired(d, { members: others, able: others })
    );
  }

  #end(): void {
    if (this.#ends) return;
    this.#ends = true;
    this.#cancel();
    void this.#settle();
  }

  async #settle(): Promise<void> {
    const { memory, members, remove, forget, copies, restored, begin } = this.#options;
    await restored;
    const { past } = memory;
    const served = [...past.serving ? [past.serving] : [], ...past.named ?? []];
    // Nodes that were started a moment ago are in none of the deployments.
    const stayed = [...served, ...past.others].some((d) =>
      d.members.some(({ node }) => members.has(node) && !this.#awaited.has(node))
    );
    if (!stayed) { for (const copy of copies()) copy.beginAnew(); }
    for (const node of this.#awaited) {
      if (served.some((d) => servingNodes(d).includes(node))) {
        remove(node, `node ${node} has not come to the new coordinator`);
      } else forget(node);
    }
    this.#open = false; // no placement may begin before all are gone: it would wait for those left
    this.#letOthersGo();
    begin();
    await Promise.all(
      copies().map(async (copy) => {
        const { current } = copy.serving;
        if (!current || await this.#goesOn(copy, current)) return;
        // One that lacks nodes is repaired, or given up, as it is placed anew.
        if (copy.serving.current === current && isWhole(current, members)) {
          copy.serving.adopt(undefined, "a node has lost its layers");
        }
        void copy.replace();
      }),
    );
  }

  /** Lets a deployment serve on. False: it cannot. */
  async #goesOn(copy: DeploymentCopy, before: Deployment): Promise<boolean> {
    const { memory, members } = this.#options;
    const { serving, doubts } = copy;
    const here = (node: string) => members.has(node);
    const whole = () => servingNodes(before).every(here);
    if (!whole() || await doubts.without(before)) return false;
    const same = { ...before, members: [...members.values()] };
    await memory.serves(same, before);
    // The members may have changed meanwhile: then a placement is on its way.
    if (serving.current !== before || !whole()) return false;
    serving.adopt(same, "");
    const had = new Set(before.members.map(({ node }) => node));
    const helpers = [before.draft?.node, before.solo?.node].filter((node) => node !== undefined);
    // It serves while layers are placed for members that are new, or without those that helped.
    if (!same.members.every(({ node }) => had.has(node)) || !helpers.every(here)) {
      void copy.replace();
    }
    return true;
  }

  #letOthersGo(): void {
    const { memory, copies } = this.#options;
    for (const other of memory.past.others) copies()[0].serving.letGo(other);
  }
}
