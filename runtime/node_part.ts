/**
 * A node's part in its cluster: it is a member, and while it opens the registry itself it may
 * coordinate. A member becomes a node that does by a promotion, or when its etcd gets a vote.
 *
 * @module
 */
import { join } from "node:path";
import {
  Claims,
  type Member,
  type MembersView,
  REGISTRY,
  type Registry,
  registryActor,
  RemoteRegistry,
  systemClock,
} from "../actors/mod.ts";
import type { ModelStore } from "../models/mod.ts";
import { logHealth, memberOf, Membership } from "./cluster/mod.ts";
import { ActorHome, followHomes } from "./custom/mod.ts";
import { announceCluster } from "./discovery/mod.ts";
import type { NodeNetwork } from "./node_network.ts";
import type { NodeOptions } from "./node_options.ts";
import type { NodeOrigin } from "./node_origin.ts";
import { askSeats } from "./node_registry.ts";
import type { NodeWork } from "./node_work.ts";
import {
  type Coordination,
  copyPath,
  KnownNodes,
  Presence,
  RegistryServer,
  type Seat,
} from "./seat/mod.ts";
import type { Succession } from "./succession/mod.ts";
import { findCoordinator } from "./trust/mod.ts";

/** Milliseconds without a sign of life after which a member's entry in the registry is gone. */
const MEMBER_TTL_MS = 10_000;
/** Milliseconds in which custom actors must have answered what they handle, when the node ends. */
const HOME_MS = 3_000;
/** Milliseconds in which a node that became a server must stand in the registry. */
const LISTED_MS = 10_000;

/** What a {@linkcode NodePart} is made of. */
export interface NodePartOptions {
  options: NodeOptions;
  store: ModelStore;
  origin: NodeOrigin;
  network: NodeNetwork;
  work: NodeWork;
}

/** See the module's text. */
export class NodePart {
  readonly membership: Membership;
  /** The nodes that this one knows, for times in which nobody coordinates. */
  readonly known: KnownNodes;
  /** This node, as its cluster lists it. */
  readonly member: Member;
  /** The custom actors that this node hosts. */
  readonly home: ActorHome;
  readonly #parts: NodePartOptions;
  /** The registry as members reach it: over the coordinator's node. */
  readonly #remote: RemoteRegistry;
  /** The registry that this node opens itself; undefined: it opens none. */
  #server?: RegistryServer;
  #presence!: Presence;
  #coordination?: Coordination;
  #claims!: Claims;
  /** Ends the following of the registry of now. */
  #following = new AbortController();
  /** Leases of registries before the present one. */
  #leases = 0;

  /** Nothing is joined or written until {@linkcode NodePart.start}. */
  constructor(parts: NodePartOptions) {
    this.#parts = parts;
    const { options, origin: { trust, server }, network } = parts;
    const { system, mailbox } = network;
    this.#remote = new RemoteRegistry({
      actor: system.at(registryActor, REGISTRY),
      clock: systemClock,
    });
    this.known = new KnownNodes({ joined: trust.first });
    this.membership = network.later.membership = this.#membership(server !== undefined);
    this.member = memberOf({ system, mailbox });
    network.later.leases = () => this.#leases + this.#presence.lease.epoch;
    this.home = new ActorHome({
      ...{ system, fence: network.fence, homes: network.directory.homes },
      modules: join(options.data, "modules"),
      registry: () => this.registry,
      claims: () => this.#claims,
    });
    this.#enter(server);
  }

  /** The registry that this node opens itself; undefined: it asks the node that coordinates. */
  get server(): RegistryServer | undefined {
    return this.#server;
  }

  /** The registry, as this node reaches it now. */
  get registry(): Registry {
    return this.#server?.registry ?? this.#remote;
  }

  /** This node's seat; undefined: it does not coordinate. */
  get seat(): Seat | undefined {
    return this.#coordination?.seat;
  }

  /** Stands for election, or joins. Throws group `cluster` (`join_failed`), and what a term needs. */
  async start(): Promise<void> {
    const { options: { data }, origin, network: { system } } = this.#parts;
    const { trust, managed, id: node } = origin;
    if (this.#coordination) {
      this.#presence.start();
      await this.#coordination.start();
    } else {
      await this.membership.join(trust.first!);
      this.#presence.start();
      this.#followHomes();
      this.known.follow({ registry: this.#remote, node, path: copyPath(data, trust.name) });
    }
    managed?.offers({
      ...askSeats(system, this.membership),
      onServer: (registry) => this.#becomeServer(registry),
    });
  }

  /** This node was promoted: it goes on with the registry from its copy, and coordinates. */
  async lead({ fingerprint: authority }: Succession): Promise<void> {
    const { options, store, origin: { trust } } = this.#parts;
    const copy = { entries: this.known.entries };
    await this.known.close(); // the copy on the disk is for its next start, should this one end here
    void this.#presence.close(); // its lease was one of the registry that is gone
    const opens = { data: options.data, store, graph: options };
    const server = await RegistryServer.promoted(opens, { authority, copy });
    await trust.lead();
    this.membership.serve();
    this.#enter(server);
    this.#presence.start();
    await this.#coordination!.start();
  }

  /** Gives up the seat, if this node has it, and stands for election no more. */
  async resign(): Promise<void> {
    await this.#coordination?.close();
  }

  /** Gives back what this node owns, and its lease. */
  async vanish(): Promise<void> {
    this.#following.abort();
    await this.home.keep([], { signal: AbortSignal.timeout(HOME_MS) }).catch(() => {});
    await this.#presence.close();
    await this.#remote.close();
  }

  /** Closes the registry that this node came to open while it ran. */
  async close(): Promise<void> {
    if (this.#server !== this.#parts.origin.server) await this.#server?.close();
  }

  #membership(isServer: boolean): Membership {
    const { origin: { trust }, network: { system, directory, mailbox }, work: { host } } =
      this.#parts;
    return new Membership({
      ...{ system, directory, mailbox, host, trust },
      find: isServer ? undefined : (places, within) => {
        const { version } = trust;
        return findCoordinator({ places: this.known.with(places), tls: trust, version, ...within });
      },
      onRemoved: () => {
        // A server stands for election no more, and its lease goes.
        void this.resign();
        void this.#presence.close();
      },
    });
  }

  /** Takes part as a member, or as a node that opens the registry itself. */
  #enter(server: RegistryServer | undefined): void {
    const { options, origin, network: { system, directory, fence } } = this.#parts;
    const { membership, member } = this;
    const presence = new Presence({
      ...{ member, ttlMs: server?.ttlMs ?? MEMBER_TTL_MS },
      ...{ clock: systemClock, random: Math.random },
      registry: server?.registry ?? this.#remote,
    });
    this.#leases += this.#presence?.lease.epoch ?? 0;
    this.#server = server;
    this.#presence = presence;
    this.#claims = new Claims({
      ...{ registry: this.registry, lease: presence.lease },
      ...{ clock: systemClock, random: Math.random },
    });
    this.#following.abort();
    this.#following = new AbortController();
    if (server) this.#followHomes(); // a member reads the registry once it has joined
    this.#coordination = server?.coordination({
      ...{ system, directory, fence, membership, presence, member },
      ...{ home: this.home, nodes: this.#view(), watch: options.watch ?? false },
      ensure: (options) => this.#parts.work.weights.ensure(options),
      identities: async () => await origin.trust.identities() ?? [],
      announce: async () => options.announce ? await this.#announce() : undefined,
    });
  }

  /** What this node sees of the members. */
  #view(): MembersView & { members(): string[] } {
    const { origin: { trust }, network: { mailbox } } = this.#parts;
    return {
      silentMs: (node) => mailbox.silentMs(node),
      refuses: (node, deadlineMs) => mailbox.refuses(node, deadlineMs),
      identity: (node) => trust.identityOf(node),
      isFormer: (node) => trust.isFormer(node),
      changed: logHealth,
      members: () => mailbox.peers().map(({ node }) => node),
    };
  }

  #followHomes(): void {
    const { network: { directory: { homes } } } = this.#parts;
    const { signal } = this.#following;
    void followHomes({ registry: this.registry, homes, signal });
  }

  #announce(): Promise<AsyncDisposable | undefined> {
    const { options: { host }, origin: { id, trust }, network: { mailbox } } = this.#parts;
    const { port } = mailbox.address;
    return announceCluster({ host, port, authority: trust.authority, name: id.split(":")[0] });
  }

  /** This node's member of etcd votes now: the node opens the registry itself. */
  async #becomeServer(opened: Registry): Promise<void> {
    const { options, store, origin, network } = this.#parts;
    const { host, data } = options;
    const managed = origin.managed!;
    const server = await RegistryServer.joined(opened, { data, store, graph: options, managed });
    await origin.trust.lead(server.records);
    const before = this.#presence;
    this.#enter(server);
    this.#presence.start();
    await this.#presence.listed({ signal: AbortSignal.timeout(LISTED_MS) });
    await before.close(); // its lease has no keys any more
    network.later.promotion?.close();
    this.membership.serve();
    await this.#coordination!.start();
    const { peers, clients } = managed.ports!;
    options.onRole?.(
      `this node is a server of the registry: it may coordinate, and its etcd listens at ${host}, ` +
        `ports ${peers} and ${clients}, for servers of this cluster alone`,
    );
  }
}
