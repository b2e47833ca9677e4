/**
 * The members of a cluster: who joins, who is gone, and on whom layers may be placed. One that others
 * reach and this node does not stays a member, but after a while nothing is placed on it.
 *
 * @module
 */
import type { ActorContext } from "../system/mod.ts";
import { Absent } from "./absent.ts";
import { addressTaken, superseded } from "./cluster_errors.ts";
import type { Member } from "./deployment.ts";
import type { HealthChange, NodeHealth } from "./health.ts";
import { JoinOrder } from "./join_order.ts";
import { memberActor } from "./member.ts";
import { type MembersView, memberWatch } from "./member_watch.ts";
import type { NodeWatch } from "./node_watch.ts";
import { StandIns, type StandInWorld } from "./stand_ins.ts";

/**
 * Milliseconds in which a member must answer a ping when another node joins at its address, else it
 * is taken to have been restarted.
 */
const RESTART_MS = 1_000;
/** Milliseconds between two looks at which members layers may be placed on. */
const REVIEW_MS = 1_000;

/**
 * Milliseconds after which a member that leaves has ended, whatever it was told: it waits for that for
 * half a minute (`node_end.ts`).
 */
const LEAVING_MS = 40_000;

const isGood = (state: string | undefined) => state === "alive" || state === "back";

/** What the owner of a {@linkcode Roster} is told. */
export interface RosterEvents {
  /** A node will not answer: nobody need go on to load for a deployment with it. */
  givenUp(node: string, why: string): void;
  /** A node is no member any more; what follows from it is decided elsewhere. */
  forgotten(node: string): void;
  /** A member is gone: layers must be placed without it. */
  gone(node: string, why: string): void;
  /**
   * A member that requests need has fallen silent, and may be dead: others should stand in for it.
   * False: nobody can.
   */
  silent(node: string, why: string): boolean;
  /** The nodes that requests need now. */
  needed(): Iterable<string>;
  /** Whether others could stand in for a node. */
  replaceable(node: string): boolean;
  /** A member is heard again, in whose place others stood in. */
  back(node: string): void;
  /** A node has joined, or its link is good again: it is told what it has missed. */
  rejoined(node: string): void;
  /** Layers may be placed on other members than before. */
  changed(): void;
}

/** Options of a {@linkcode Roster}. */
export interface RosterOptions {
  /** What is known of nodes from outside the actors. */
  view: MembersView;
  /** Id of the node with the cluster actor. */
  self: string;
  /** Members of the term before. */
  past: readonly Member[];
  /**
   * Milliseconds for which the link to a member must have been bad before nothing is placed on it,
   * and good before it counts again.
   */
  badLinkMs: number;
  goodLinkMs: number;
  /** Milliseconds in which a member must take a message. */
  answerMs: number;
}

/** See the module's text. */
export class Roster {
  /** All members, by id. */
  readonly members: Map<string, Member>;
  /** The members on which layers may be placed: those to which the link is not bad. */
  readonly usable: Map<string, Member>;
  readonly #ctx: ActorContext;
  readonly #options: RosterOptions;
  readonly #events: RosterEvents;
  readonly #watch: NodeWatch;
  readonly #absent = new Absent();
  readonly #order: JoinOrder;
  /** Times until which members that leave may still be here, by id; milliseconds. */
  readonly #leaving = new Map<string, number>();
  /** Ids of members that have been taken for dead in this time of the cluster. */
  readonly #buried = new Set<string>();

  /** Asks and is called in the name of the actor of `ctx`, and ends with it. */
  constructor(ctx: ActorContext, options: RosterOptions, events: RosterEvents) {
    const { view, self, past } = options;
    this.#ctx = ctx;
    this.#options = options;
    this.#events = events;
    this.members = new Map(past.map((member) => [member.node, member]));
    this.#order = new JoinOrder((node) => view.identity(node));
    for (const member of past) this.#order.joined(member, past);
    this.usable = new Map(this.members);
    this.#watch = memberWatch(ctx, {
      view,
      self,
      members: this.members,
      looked: () => standIns.look(),
      changed: (change) => this.#changed(change),
    });
    const standIns = new StandIns(this.#standInWorld());
    ctx.after(REVIEW_MS, () => this.#review());
  }

  /** The members, in the order in which they joined first; see `join_order.ts`. */
  get all(): Member[] {
    return this.#order.sorted(this.members.values());
  }

  /** The usable members, in the same order. */
  get able(): Member[] {
    return this.all.filter(({ node }) => this.usable.has(node));
  }

  /** How the members are, but for the node with this actor. */
  get health(): NodeHealth[] {
    return [...this.members.keys()].flatMap((node) => this.#watch.health(node) ?? []);
  }

  /** Members that fell silent and have not come back, and why each counts as gone. */
  get absent(): { node: string; why: string }[] {
    return this.#absent.list();
  }

  /** What is the same in all lives of a member. */
  lasting(node: string): string {
    return this.#options.view.identity(node) ?? node;
  }

  /** Takes a node in. Throws `superseded`, `address_taken`. */
  async join(member: Member): Promise<void> {
    await this.#displace(member);
    const { node } = member;
    this.members.set(node, member);
    this.#leaving.delete(node);
    this.#order.joined(member, this.members.values());
    this.usable.set(node, member);
    this.#absent.back(member);
    if (node !== this.#options.self) this.#watch.add(node, { back: this.#buried.delete(node) });
    this.#events.rejoined(node);
  }

  /** A member leaves: it is none any more, and ends once its layers are handed back. False: it is none. */
  leave(node: string): boolean {
    if (!this.forget(node)) return false;
    const now = this.#ctx.now();
    for (const [other, until] of this.#leaving) if (until <= now) this.#leaving.delete(other);
    this.#leaving.set(node, now + LEAVING_MS);
    return true;
  }

  /** Whether a node that is no member any more leaves, and may be here. */
  leaves(node: string): boolean {
    return (this.#leaving.get(node) ?? -Infinity) > this.#ctx.now();
  }

  /** Takes a node out of the members, and nothing follows from it; false: it is none. */
  forget(node: string): boolean {
    this.#watch.forget(node);
    this.usable.delete(node);
    const was = this.members.delete(node);
    this.#events.forgotten(node);
    return was;
  }

  /** A node is gone: takes it out of the members, tells the others, and has layers placed anew. */
  remove(node: string, why: string): void {
    this.#leaving.delete(node); // it has ended
    const member = this.members.get(node);
    if (!member || !this.forget(node)) return;
    this.#absent.add(member, why);
    this.#events.givenUp(node, why);
    for (const other of this.members.keys()) {
      const lost = { deadlineMs: this.#options.answerMs };
      void this.#ctx.get(memberActor, other).tell.node_lost({ node }, lost)
        .catch(() => {}); // this member is gone too
    }
    this.#events.gone(node, why);
  }

  /**
   * A member that has not come to a new coordinator stays one: it is watched from now on, its address
   * is tried at once, and nothing is placed on it until it has joined.
   */
  suspend(node: string): void {
    if (!this.listed(node)) return;
    this.usable.delete(node);
    this.broke(node);
  }

  /** Nobody misses this node: it was removed for good. */
  notMissed(node: string): void {
    this.#absent.forget(node);
  }

  /** The connection to a node broke: it is looked into. */
  broke(node: string): void {
    this.#watch.broke(node);
  }

  /** Whether a node is a member; it is watched from now on. */
  listed(node: string): boolean {
    if (!this.members.has(node)) return false;
    this.#watch.add(node);
    return true;
  }

  #standInWorld(): StandInWorld {
    const ctx = this.#ctx;
    const { self, view } = this.#options;
    const isWell = (node: string) => isGood(this.#watch.health(node)?.state);
    return {
      now: () => ctx.now(),
      after: (ms, fn) => ctx.after(ms, fn),
      reach: (voter, node, within_ms) =>
        ctx.get(memberActor, voter).reach({ node, within_ms }, { deadlineMs: 2 * within_ms }),
      refuses: (node, deadlineMs) => view.refuses(node, deadlineMs),
      needed: () => this.#events.needed(),
      replaceable: (node) => this.#events.replaceable(node),
      voters: (node) =>
        [...this.members.keys()].filter((other) => other !== node && other !== self)
          .sort((a, b) => Number(isWell(b)) - Number(isWell(a))),
      silence: (node) => this.#watch.silence(node),
      silent: (node, why) => this.#events.silent(node, why),
      back: (node) => this.#events.back(node),
    };
  }

  #changed({ node, to, why }: HealthChange): void {
    if (to !== "dead") return;
    this.#buried.add(node);
    this.remove(node, `node ${node} is gone: ${why}`);
  }

  /** Takes members behind a bad link out of the placement, and in again once it is good. */
  #review(): void {
    const { badLinkMs, goodLinkMs } = this.#options;
    let moved = false;
    for (const [node, member] of this.members) {
      const state = this.#watch.health(node)?.state;
      const ms = this.#watch.stateMs(node);
      if (state === "bad_link" && ms >= badLinkMs && this.usable.delete(node)) {
        this.#events.givenUp(node, "its link is bad");
        moved = true;
      } else if (!this.usable.has(node) && isGood(state) && ms >= goodLinkMs) {
        this.usable.set(node, member);
        this.#events.rejoined(node);
        moved = true;
      }
    }
    if (moved) this.#events.changed();
    this.#ctx.after(REVIEW_MS, () => this.#review());
  }

  /**
   * A node that joins is one of the members under a new id: takes that one out. Throws
   * `superseded` for a former life of a node, and `address_taken` where another node that answers
   * is a member at the same host and port.
   */
  async #displace(by: Member): Promise<void> {
    const { view } = this.#options;
    if (view.isFormer(by.node)) throw superseded(by.node);
    const identity = view.identity(by.node);
    for (const { node, host, port } of this.all) {
      if (node === by.node) continue;
      // One key is one node: whatever its former life still sends is of the past.
      if (identity !== undefined && view.identity(node) === identity) {
        this.remove(node, `node ${node} was restarted as ${by.node}`);
      } else if (host === by.host && port === by.port) {
        const there = await this.#ctx.get(memberActor, node).ping({}, { deadlineMs: RESTART_MS })
          .then(() => true, () => false);
        if (there) throw addressTaken(by, node);
        this.remove(node, `node ${node} is gone: node ${by.node} has its address`);
      }
    }
  }
}
