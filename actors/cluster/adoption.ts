/**
 * The change of the members from one deployment to the next.
 *
 *     adopt (all members) --> release (all who took part) --> retire (all who took part)
 *
 * Nodes adopt a deployment at different times, and a request that has just begun under the old one
 * may not have reached its stages. So the stages of a deployment are retired only when every node
 * has released it: no request of the node's API uses it any more, nor will. However long that
 * takes, no request fails because of it. A node that is gone is not waited for; one that leaves is, as
 * long as it may only be late, since it waits in its turn until it has handed its layers back.
 *
 * @module
 */
import { type ActorContext, hasCode } from "../system/mod.ts";
import { copyFields, type CopyName } from "./copy_name.ts";
import type { Deployment, Member } from "./deployment.ts";
import { type Adopted, memberActor } from "./member.ts";
import type { ClusterMemory } from "./memory.ts";

/** Options of an {@linkcode Adoption}. */
export interface AdoptionOptions {
  /** The members by id of their node; the caller changes them. */
  members: ReadonlyMap<string, Member>;
  /** Whether a node that is no member any more leaves at present. */
  leaves: (node: string) => boolean;
  /** Told what serves, and which deployments are gone. */
  memory: ClusterMemory;
  /** Which copy of which deployment it is about. */
  of: CopyName;
  /** Why nothing serves yet. */
  reason: string;
  /** Milliseconds after which a member that has not answered is asked again. */
  retryMs: number;
  /** Milliseconds that an answer may take. */
  deadlineMs: number;
}

/** What nodes are told of a copy beside the deployment that serves and the reason why none does. */
type Rest = Pick<Adopted, "asleep" | "failed" | "gone">;

/** Asks a member actor something. */
type AskMember = (
  member: ReturnType<typeof memberAt>,
  options: { deadlineMs: number },
) => Promise<unknown>;

/** See the module's text. */
export class Adoption {
  /** Why no deployment serves, or what the cluster is doing while one serves. */
  reason: string;
  readonly #ctx: ActorContext;
  readonly #options: AdoptionOptions;
  #current?: Deployment;
  /** What nodes are told beside the deployment. */
  #rest: Rest = {};
  /** Number of adoptions so far: an older one is not repeated. */
  #adoptions = 0;
  /** See {@linkcode Adoption.parting}. */
  #parting = 0;
  /** Ids of deployments that were retired while a node was gone, by id of the node. */
  readonly #missed = new Map<string, string[]>();
  /** Ids of the nodes that were members in an earlier revision of what serves. */
  readonly #earlier = new Set<string>();

  /** No deployment serves yet. Messages are sent in the name of the actor of `ctx`. */
  constructor(ctx: ActorContext, options: AdoptionOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.reason = options.reason;
  }

  /** The deployment that serves new requests; undefined: none does. */
  get current(): Deployment | undefined {
    return this.#current;
  }

  /** Number of deployments that no longer serve but whose stages may still be loaded. */
  get parting(): number {
    return this.#parting;
  }

  /**
   * New requests use this deployment from now on, and the one before is let go. Undefined: new
   * requests are refused with this reason, or wait where the rest says that it is asleep.
   */
  adopt(deployment: Deployment | undefined, reason: string, rest: Rest = {}): void {
    const before = this.#current;
    this.#current = deployment;
    this.#rest = rest;
    this.reason = reason;
    this.#adoptions++;
    for (const node of this.#options.members.keys()) this.tell(node);
    if (!before) return;
    if (deployment?.id === before.id) return this.#revised(before, deployment);
    if (!deployment) this.#forgetServing();
    const earlier = [...this.#earlier];
    this.#earlier.clear();
    void this.#letGo(before, earlier);
  }

  /** Nodes that leave learn that others have their layers now: they are told nothing else of it. */
  #revised(before: Deployment, after: Deployment): void {
    const { members, leaves } = this.#options;
    for (const { node } of before.members) {
      this.#earlier.add(node);
      if (!members.has(node) && leaves(node)) this.handedOver(node, after);
    }
  }

  /** The next coordinator need not go on with what served. */
  #forgetServing(): void {
    const { memory, of } = this.#options;
    void memory.serves(undefined, of).catch(() => {}); // the term is over
  }

  /** This deployment served before the actor began, and serves on. */
  resume(deployment: Deployment): void {
    this.#current = deployment;
    this.reason = "";
  }

  /** Tells a member what serves. */
  tell(node: string): void {
    const number = this.#adoptions;
    const told = {
      ...copyFields(this.#options.of),
      deployment: this.#current,
      reason: this.reason,
      ...this.#rest,
    };
    void this.#insist(node, {
      ask: (member, within) => member.adopt(told, within),
      stale: () => number !== this.#adoptions,
    });
  }

  /**
   * Retires the stages of a deployment once its requests are over. All members that took part are
   * told, because a node that leaves waits for this message.
   */
  letGo(deployment: Deployment): void {
    void this.#letGo(deployment);
  }

  /** A node that was gone is a member again: tells it which deployments were retired meanwhile. */
  rejoined(node: string): void {
    const missed = this.#missed.get(node) ?? [];
    this.#missed.delete(node);
    for (const id of missed) void this.#retire(node, id);
  }

  /** `earlier`: nodes that were members in earlier revisions of it. */
  async #letGo({ id, members }: Deployment, earlier: readonly string[] = []): Promise<void> {
    const { members: usable, leaves } = this.#options;
    const part = new Set([...members.map((m) => m.node), ...usable.keys()]);
    for (const node of earlier) {
      if (leaves(node)) part.add(node);
      else if (!part.has(node)) this.#miss(node, id);
    }
    const nodes = [...part];
    const release: AskMember = (member, within) => member.release({ id }, within);
    this.#parting++;
    await Promise.all(nodes.map((node) => this.#insist(node, { ask: release })));
    await Promise.all(nodes.map((node) => this.#retire(node, id)));
    this.#parting--;
    await this.#options.memory.retired(id).catch(() => {}); // the term is over: the next one asks again
  }

  /** Tells one node that a deployment is retired, now or when it is a member again. */
  async #retire(node: string, id: string): Promise<void> {
    const ask: AskMember = (member, within) => member.retire({ id }, within);
    if (!await this.#insist(node, { ask })) this.#miss(node, id);
  }

  /** A node is gone: it is told that this deployment was retired when it is a member again. */
  #miss(node: string, id: string): void {
    this.#missed.set(node, [...this.#missed.get(node) ?? [], id]);
  }

  /**
   * A node that leaves has handed its part of a deployment to others in this revision: it ends what it
   * has.
   */
  handedOver(node: string, deployment: Deployment): void {
    void this.#insist(node, { ask: (member, within) => member.prepare({ deployment }, within) });
  }

  /**
   * Asks a node until it answers, because one on a busy machine may answer too late. False: it gave
   * up, because the node does not answer and is not a member, the actor stops, or the question is
   * stale.
   */
  async #insist(
    node: string,
    { ask, stale = () => false }: { ask: AskMember; stale?: () => boolean },
  ): Promise<boolean> {
    const { members, leaves, deadlineMs, retryMs } = this.#options;
    while (!stale()) {
      try {
        await ask(memberAt(this.#ctx, node), { deadlineMs });
        return true;
      } catch (error) {
        const late = leaves(node) && hasCode(error, "deadline_exceeded");
        if (this.#ctx.signal.aborted || !(members.has(node) || late)) return false;
      }
      await new Promise<void>((resolve) => this.#ctx.after(retryMs, resolve));
    }
    return false;
  }
}

const memberAt = (ctx: ActorContext, node: string) => ctx.get(memberActor, node);
