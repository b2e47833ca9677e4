/**
 * The beginning of a coordinator's term, while the members of the one before come to it.
 *
 * Members find out who coordinates now at different times. Placing layers anew for those that have
 * come first would move them again and again, so a new coordinator waits: until all have come, or
 * for a little while. Then the deployment that served goes on where all nodes live that have its
 * layers; else layers are placed for the members that there are. Where none has come, all nodes were
 * started again, and the cluster begins anew.
 *
 * A member that others can do without is not taken for dead here, however late it is: its backups take
 * its layers over, it is watched like every other member, and nothing is placed on it until it has come.
 *
 * @module
 */
import type { ActorContext } from "../system/mod.ts";
import { type Deployment, type Member, servingNodes } from "./deployment.ts";
import type { DeploymentCopy } from "./deployment_copy.ts";
import type { ClusterMemory } from "./memory.ts";
import { isWhole } from "./repair.ts";

/** Milliseconds that a new coordinator waits for the members of the one before. */
const WAIT_MS = 3_000;
/**
 * The same for the last of them, once all others have come and can do without its layers: most likely
 * it is the node that coordinated before, which is dead, stands still or is cut off.
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
  /** A member has not come yet: it is watched, and nothing is placed on it until it has. */
  suspend: (node: string) => void;
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
    if (this.#awaited.size > 1 || !this.#stayed || !this.#canSpare(this.#awaited)) return;
    this.#cancel();
    this.#cancel = this.#ctx.after(LAST_MS, () => this.#end());
  }

  /** The deployments that served in the term before. */
  get #served(): Deployment[] {
    const { past } = this.#options.memory;
    return [...past.serving ? [past.serving] : [], ...past.named ?? []];
  }

  /** Whether a node of the term before has come. Nodes that were started a moment ago are of none. */
  get #stayed(): boolean {
    const { memory, members } = this.#options;
    return [...this.#served, ...memory.past.others].some((d) =>
      d.members.some(({ node }) => members.has(node) && !this.#awaited.has(node))
    );
  }

  /** Whether backups could take over what these nodes have of the deployments that serve. */
  #canSpare(nodes: ReadonlySet<string>): boolean {
    const copies = this.#options.copies();
    return this.#served.every((d) =>
      !servingNodes(d).some((node) => nodes.has(node)) ||
      copies.some((copy) => copy.serving.current?.id === d.id && copy.spare([...nodes]))
    );
  }

  #end(): void {
    if (this.#ends) return;
    this.#ends = true;
    this.#cancel();
    void this.#settle();
  }

  async #settle(): Promise<void> {
    const { members, copies, restored, begin } = this.#options;
    await restored;
    if (!this.#stayed) { for (const copy of copies()) copy.beginAnew(); }
    const late = this.#partWithAwaited();
    this.#open = false; // no placement may begin before all are gone: it would wait for those left
    this.#letOthersGo();
    begin();
    await Promise.all(
      copies().map(async (copy) => {
        const { current } = copy.serving;
        if (late.length > 0 && copy.standIn(late, notCome(late))) return;
        if (!current || await this.#goesOn(copy, current)) return;
        // One that lacks nodes is repaired, or given up, as it is placed anew.
        if (copy.serving.current === current && isWhole(current, members)) {
          copy.serving.adopt(undefined, "a node has lost its layers");
        }
        void copy.replace({ anew: false });
      }),
    );
  }

  /**
   * Those that have not come are suspended where the others can do without them, and answered with;
   * else, and where the cluster begins anew, they are no members any more.
   */
  #partWithAwaited(): string[] {
    const { remove, forget, suspend } = this.#options;
    const late: string[] = [];
    const stayed = this.#stayed;
    const spared = this.#canSpare(this.#awaited);
    for (const node of this.#awaited) {
      const needed = this.#served.some((d) => servingNodes(d).includes(node));
      if (stayed && (spared || !needed)) {
        suspend(node);
        late.push(node);
      } else if (needed) remove(node, notCome([node]));
      else forget(node);
    }
    return late;
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

const notCome = (nodes: readonly string[]): string =>
  nodes.length === 1
    ? `node ${nodes[0]} has not come to the new coordinator`
    : `nodes ${nodes.join(", ")} have not come to the new coordinator`;
