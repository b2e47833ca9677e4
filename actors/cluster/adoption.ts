/**
 * Which deployment serves, and how the members change over from one to the next.
 *
 *     adopt (all members) --> release (all who took part) --> retire (all who took part)
 *
 * Nodes adopt a deployment at different times, and a request that has just begun under the one
 * before may not have reached its stages. So the stages of a deployment are retired only once every
 * node has released it: no request of its API runs through it any more, nor will. However long that
 * takes, no request fails because of it. A node that is gone is not waited for.
 *
 * @module
 */
import type { ActorContext } from "../system/mod.ts";
import type { Deployment, Member } from "./deployment.ts";
import { memberActor } from "./member.ts";

/** Options of an {@linkcode Adoption}. */
export interface AdoptionOptions {
  /** Who is a member now, by node; changed by the caller. */
  members: ReadonlyMap<string, Member>;
  /** Why nothing serves yet. */
  reason: string;
  /** Milliseconds before a member that has not answered is asked again. */
  retryMs: number;
  /** Milliseconds that an answer may take. */
  deadlineMs: number;
}

/** A member actor, and the options of what it is asked. */
type AskMember = (
  member: ReturnType<typeof memberAt>,
  options: { deadlineMs: number },
) => Promise<unknown>;

/** See the module's text. */
export class Adoption {
  /** Why nothing serves, or what goes on beside what serves. */
  reason: string;
  readonly #ctx: ActorContext;
  readonly #options: AdoptionOptions;
  #current?: Deployment;
  /** Counts adoptions: an older one is not repeated. */
  #adoptions = 0;
  #parting = 0;
  /** Deployments of which a node that was gone has not heard that they are retired, by node. */
  readonly #missed = new Map<string, string[]>();

  /** Nothing serves. Messages are sent for the actor of `ctx`. */
  constructor(ctx: ActorContext, options: AdoptionOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.reason = options.reason;
  }

  /** The deployment that serves new requests; undefined: none does. */
  get current(): Deployment | undefined {
    return this.#current;
  }

  /** Deployments whose stages may still be loaded although they serve no more. */
  get parting(): number {
    return this.#parting;
  }

  /** New requests use this deployment; the one before is let go. Undefined: they are refused. */
  adopt(deployment: Deployment | undefined, reason: string): void {
    const before = this.#current;
    this.#current = deployment;
    this.reason = reason;
    const number = ++this.#adoptions;
    for (const node of this.#options.members.keys()) {
      void this.#insist(node, {
        ask: (member, within) => member.adopt({ deployment, reason }, within),
        stale: () => number !== this.#adoptions,
      });
    }
    if (before && before.id !== deployment?.id) this.letGo(before);
  }

  /**
   * The stages of a deployment go once its requests are over. All who took part are told: a node
   * that leaves waits for this before it goes.
   */
  letGo(deployment: Deployment): void {
    void this.#letGo(deployment);
  }

  /** A node is a member again that had fallen silent: it learns what was retired meanwhile. */
  rejoined(node: string): void {
    const missed = this.#missed.get(node) ?? [];
    this.#missed.delete(node);
    for (const id of missed) void this.#retire(node, id);
  }

  async #letGo({ id, members }: Deployment): Promise<void> {
    const nodes = [...new Set([...members.map((m) => m.node), ...this.#options.members.keys()])];
    const release: AskMember = (member, within) => member.release({ id }, within);
    this.#parting++;
    await Promise.all(nodes.map((node) => this.#insist(node, { ask: release })));
    await Promise.all(nodes.map((node) => this.#retire(node, id)));
    this.#parting--;
  }

  async #retire(node: string, id: string): Promise<void> {
    const ask: AskMember = (member, within) => member.retire({ id }, within);
    if (await this.#insist(node, { ask })) return;
    this.#missed.set(node, [...this.#missed.get(node) ?? [], id]);
  }

  /**
   * Asks a node until it answers, as one on a busy machine may answer too late. Gives up (false) on
   * a node that is no member and does not answer, and when what is asked is stale.
   */
  async #insist(
    node: string,
    { ask, stale = () => false }: { ask: AskMember; stale?: () => boolean },
  ): Promise<boolean> {
    const { members, deadlineMs, retryMs } = this.#options;
    while (!stale()) {
      try {
        await ask(memberAt(this.#ctx, node), { deadlineMs });
        return true;
      } catch {
        if (this.#ctx.signal.aborted || !members.has(node)) return false;
      }
      await new Promise<void>((resolve) => this.#ctx.after(retryMs, resolve));
    }
    return false;
  }
}

const memberAt = (ctx: ActorContext, node: string) => ctx.get(memberActor, node);
