/**
 * Decides which nodes run a member of etcd. It works at the coordinator's node alone, and keeps
 * nothing that a next coordinator would need: all is read from etcd's own list, or heard again.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type Clock,
  type EtcdOffer,
  noAnswer,
  type RegistryCertificate,
  registryClosed,
  type SeatAnswer,
} from "../../actors/mod.ts";
import type { EtcdClient } from "../registry/mod.ts";
import { type ListedMember, MemberList, READ_MS } from "./member_list.ts";
import { type MembersChange, nextChange } from "./next_change.ts";

const log = getLogger(["orrery", "registry"]);

/** Milliseconds between two looks at the list. */
const LOOK_MS = 1_000;
/** A node that sent no offer for so many milliseconds is silent, unless the options say otherwise. */
const FRESH_MS = 5_000;
/** A silent member is replaced after so many milliseconds, unless the options say otherwise. */
const GONE_MS = 5 * 60_000;

/** Options of {@linkcode EtcdMembers}. */
export interface EtcdMembersOptions {
  /** Speaks to the members; it stays the caller's, who closes it. */
  client: EtcdClient;
  /** Makes a certificate for a server with these addresses. */
  sign(hosts: string[]): Promise<RegistryCertificate>;
  /** Times silence. */
  clock: Clock;
  /**
   * This node's own member, from which the lead is given to another one: if this node is lost, etcd
   * needs not elect first who then judges this node's leases. @default it may lead
   */
  own?: { id: string; client: EtcdClient };
  /** Names of nodes that were removed from the cluster, read at each look. @default none */
  removed?(): Promise<string[]>;
  /** Milliseconds of silence after which a member is replaced. @default 5 minutes */
  goneMs?: number;
  /** A node that sent no offer for so many milliseconds is silent. @default 5000 */
  freshMs?: number;
  /** Milliseconds between two looks at the list. @default 1000 */
  lookMs?: number;
}

/** What was heard of a node. */
interface KnownNode {
  offer: EtcdOffer;
  heardAt: number;
}

/** See the module's text. */
export class EtcdMembers {
  readonly #options: EtcdMembersOptions;
  readonly #list: MemberList;
  readonly #goneMs: number;
  readonly #lookMs: number;
  /** By name, in the order in which they came. */
  readonly #nodes = new Map<string, KnownNode>();
  #removed: ReadonlySet<string> = new Set();
  /** When each member was alive last, by its id; from the first look on. */
  readonly #aliveAt = new Map<string, number>();
  #members: ListedMember[] = [];
  #said = "";
  #closed = false;
  #cancel = () => {};
  #looking: Promise<void> | undefined;
  readonly #answering = new Set<Promise<unknown>>();

  /** Begins to look at once. */
  constructor(options: EtcdMembersOptions) {
    this.#options = options;
    this.#goneMs = options.goneMs ?? GONE_MS;
    this.#lookMs = options.lookMs ?? LOOK_MS;
    this.#list = new MemberList(options.client);
    this.#later(0);
  }

  /** How many members vote, as was known last. */
  get voters(): number {
    return this.#members.filter(({ learner }) => !learner).length;
  }

  /**
   * A node says what it runs; the answer says what it is to run. Throws when the list of members
   * cannot be read: then nothing is known, and nothing changes.
   */
  async offer(offer: EtcdOffer): Promise<SeatAnswer> {
    if (this.#closed) throw registryClosed();
    const answer = this.#answer(offer);
    this.#answering.add(answer);
    try {
      return await answer;
    } finally {
      this.#answering.delete(answer);
    }
  }

  async #answer(offer: EtcdOffer): Promise<SeatAnswer> {
    const { name, peerUrl, hosts } = offer;
    const node = { offer, heardAt: this.#options.clock.now() };
    this.#nodes.set(name, node); // a node that is known keeps its place in the order
    const members = await this.#list.read().catch((error) => {
      throw noAnswer("the list of etcd's members", READ_MS, error);
    });
    const own = members.find((member) =>
      member.name === "" ? member.peerUrls.includes(peerUrl) : member.id === offer.memberId
    );
    const endpoints = endpointsOf(members);
    if (!own || this.#removed.has(name)) {
      return { state: "none", reason: this.#whyNone(name), endpoints };
    }
    // It will have this member's data from now on.
    node.offer = { ...offer, memberId: own.id };
    return {
      state: "member",
      memberId: own.id,
      votes: own.name !== "" && !own.learner,
      initialCluster: members.flatMap((member) =>
        member.peerUrls.map((url) => `${member === own ? name : member.name}=${url}`)
      ).join(),
      endpoints,
      certificate: offer.certificate ? await this.#options.sign(hosts) : undefined,
    };
  }

  /** Ends the looks; what is under way is finished. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await Promise.allSettled([this.#looking, ...this.#answering]);
  }

  #later(ms: number): void {
    this.#cancel();
    if (this.#closed) return;
    this.#cancel = this.#options.clock.after(ms, () => {
      if (this.#looking) return this.#later(this.#lookMs);
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined;
        this.#later(this.#lookMs);
      });
    });
  }

  /** Reads the list, and makes the one change that is due, if any. */
  async #look(): Promise<void> {
    try {
      this.#members = await this.#list.read();
      this.#removed = new Set(await this.#options.removed?.());
      const change = nextChange({
        members: this.#members,
        nodes: [...this.#nodes.values()].map((node) => ({
          ...node.offer,
          fresh: this.#isFresh(node),
        })),
        removed: this.#removed,
        silentMs: (member) => this.#silentMs(member),
        goneMs: this.#goneMs,
      });
      if (!change) return await this.#giveLead();
      await this.#make(change);
      // Also when an answer is lost, the next look reads what became of it.
      log.info("etcd: {change}", { change: textOf(change) });
      this.#said = "";
    } catch (error) {
      const message = (error as Error).message;
      if (message !== this.#said) log.info("etcd's members stay for now: {message}", { message });
      this.#said = message;
    }
  }

  #make(change: MembersChange): Promise<void> {
    switch (change.kind) {
      case "add":
        return this.#list.addLearner(change.peerUrl);
      case "promote":
        return this.#list.promote(change.id);
      case "remove":
        return this.#list.remove(change.id);
      case "update":
        return this.#list.update(change.id, change.peerUrl);
    }
  }

  /** Gives etcd's lead to another member, if this node's has it. */
  async #giveLead(): Promise<void> {
    const { own } = this.#options;
    const other = this.#members.find((member) =>
      member.id !== own?.id && !member.learner && this.#silentMs(member) === 0
    );
    if (!own || !other) return;
    const list = new MemberList(own.client);
    if (await list.leader() !== own.id) return;
    await list.giveLead(other.id);
    log.info("etcd: the member of node {name} leads now", { name: other.name });
  }

  #isFresh({ heardAt }: KnownNode): boolean {
    return this.#options.clock.now() - heardAt < (this.#options.freshMs ?? FRESH_MS);
  }

  #silentMs(member: ListedMember): number {
    const now = this.#options.clock.now();
    const alive = [...this.#nodes.values()].some((node) =>
      this.#isFresh(node) && node.offer.running && node.offer.memberId === member.id
    );
    if (alive || !this.#aliveAt.has(member.id)) this.#aliveAt.set(member.id, now);
    return alive ? 0 : Math.max(1, now - this.#aliveAt.get(member.id)!);
  }

  #whyNone(name: string): string {
    if (this.#removed.has(name)) return "this node was removed from the cluster";
    const names = this.#members.map((member) => member.name || "one that is being added");
    return `the members are ${names.join(", ") || "not known yet"}`;
  }
}

/** Where clients reach the members that vote; a learner answers hardly anything. */
const endpointsOf = (members: ListedMember[]): string[] =>
  members.filter(({ learner }) => !learner).flatMap(({ clientUrls }) => clientUrls);

function textOf(change: MembersChange): string {
  switch (change.kind) {
    case "add":
      return `node ${change.name} is to run a member, at ${change.peerUrl}`;
    case "promote":
      return `the member of node ${change.name} has a vote now`;
    case "remove":
      return `the member of node ${change.name} is taken out: ${change.why}`;
    case "update":
      return `the member of node ${change.name} is reached at ${change.peerUrl} now`;
  }
}
