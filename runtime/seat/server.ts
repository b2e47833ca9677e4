/**
 * A server: a node that opens the cluster's registry itself, and so may coordinate. With the registry
 * embedded, that is the first node alone; with a registry that several nodes open, each of them.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import {
  type ActorSystem,
  type Fence,
  type Member,
  type Registry,
  SERVERS,
  serversActor,
  systemClock,
  type Term,
  testRegistry,
} from "../../actors/mod.ts";
import type { ModelStore } from "../../models/mod.ts";
import type { ClusterDirectory, Membership } from "../cluster/mod.ts";
import type { ActorHome } from "../custom/mod.ts";
import { type ManagedRegistry, takeOverState } from "../etcd/mod.ts";
import { EMBEDDED_REGISTRY, MANAGED_REGISTRY, openTestedRegistry } from "../registry/mod.ts";
import {
  Authority,
  fileRecords,
  Identities,
  type KnownIdentity,
  registryRecords,
  type TrustRecords,
} from "../trust/mod.ts";
import { readMainGraph, readMembers, readPast } from "./cluster_contents.ts";
import { Coordination } from "./coordination.ts";
import { mirrorIdentities } from "./identities_mirror.ts";
import type { Presence } from "./presence.ts";
import { noteRegistry } from "./registry_note.ts";
import { fillFromCopy, type PromotedFrom } from "./promoted_registry.ts";
import { Seat, type SeatOptions } from "./seat.ts";
import { type GraphOptions, notedGraph, ownGraph, type ServedGraph } from "./served_graph.ts";

const log = getLogger(["orrery", "coordinator"]);

/** Milliseconds without a sign of life after which another server may take over. */
const TTL_MS = 2_000;
/**
 * The same where no other can. The lease only says that the node is there, and must not end because
 * a busy machine stood still for a while.
 */
const ALONE_TTL_MS = 60_000;

/** Options of {@linkcode RegistryServer.open}. */
export interface ServerOptions {
  /** What is served, unless the cluster serves something already. */
  graph: GraphOptions;
  /** Where the registry is. @default embedded */
  where?: string;
  /** This node's part in an etcd that the cluster runs itself: then that is the registry. */
  managed?: ManagedRegistry;
  /** Folder of the model store. */
  data: string;
  store: ModelStore;
}

/** What a server coordinates with. */
export interface ServerParts {
  system: ActorSystem;
  directory: Pick<ClusterDirectory, "follow" | "homes">;
  membership: Membership;
  presence: Presence;
  /** Lets this node's actors act as the coordinator's. */
  fence: Fence;
  /** The custom actors that this node hosts. */
  home: ActorHome;
  /** Whether changed modules of custom actors take over at once. */
  watch: boolean;
  /** What this node sees of the members. */
  nodes: SeatOptions["nodes"];
  /** Fetches what this node's store lacks of a model. */
  ensure: SeatOptions["ensure"];
  /** This node, as others reach it. */
  member: Member;
  /** The nodes that were taken in, where they are a file of this node. */
  identities: () => Promise<KnownIdentity[]>;
  /** Announces the cluster; what it returns ends with the term. */
  announce: () => Promise<AsyncDisposable | undefined>;
}

/** See the module's text. */
export class RegistryServer {
  readonly registry: Registry;
  /** Where it is. */
  readonly where: string;
  /** Is the registry in a file of this node, so that no other node can coordinate? */
  readonly alone: boolean;
  /** Where the cluster's authority is kept; undefined: in files of this node. */
  readonly records?: TrustRecords;
  readonly #store: ModelStore;
  readonly #graph: GraphOptions;
  /** Does it serve what the first node before it did, as it was promoted? */
  readonly #promoted: boolean;
  readonly #managed: ManagedRegistry | undefined;
  /** The node's data folder. */
  readonly #data: string;
  #own?: Promise<ServedGraph>;

  private constructor(
    registry: Registry,
    where: string,
    { store, graph, managed, data }: Pick<ServerOptions, "store" | "graph" | "managed" | "data">,
    promoted = false,
  ) {
    this.#managed = managed;
    this.#data = data;
    this.#promoted = promoted;
    const alone = where === EMBEDDED_REGISTRY;
    this.registry = registry;
    this.where = where;
    this.alone = alone;
    if (!alone) this.records = registryRecords(registry);
    this.#store = store;
    this.#graph = graph;
  }

  /** At a node that became a server while it ran, whose etcd is a member that votes now. */
  static async joined(
    registry: Registry,
    options: Pick<ServerOptions, "data" | "store" | "graph"> & { managed: ManagedRegistry },
  ): Promise<RegistryServer> {
    await noteRegistry(options.data, MANAGED_REGISTRY);
    return new RegistryServer(registry, MANAGED_REGISTRY, options);
  }

  /**
   * Opens the registry, and finds what is served where no cluster says it yet. Throws what
   * `openTestedRegistry`, `ManagedRegistry.start` and `ownGraph` throw.
   */
  static async open(options: ServerOptions): Promise<RegistryServer> {
    const { data, managed } = options;
    const where = managed ? MANAGED_REGISTRY : options.where ?? EMBEDDED_REGISTRY;
    const registry = managed
      ? await openManaged(managed, data)
      : await openTestedRegistry(where, { data });
    try {
      const server = new RegistryServer(registry, where, options);
      await noteRegistry(data, where);
      if (server.alone || (await readMembers(registry)).length === 0) await server.#ownGraph();
      return server;
    } catch (error) {
      await registry.close();
      throw error;
    }
  }

  /**
   * Opens the registry of a node that was promoted, and fills it from its copy of the first node's.
   * Throws what `openTestedRegistry` throws.
   *
   * @param told Its options say what it serves, and not what the first node before it did.
   */
  static async promoted(
    options: ServerOptions,
    from: PromotedFrom,
    told = false,
  ): Promise<RegistryServer> {
    const { data } = options;
    const registry = await openTestedRegistry(EMBEDDED_REGISTRY, { data });
    try {
      await fillFromCopy(registry, from);
      await noteRegistry(data, EMBEDDED_REGISTRY);
      return new RegistryServer(registry, EMBEDDED_REGISTRY, options, !told);
    } catch (error) {
      await registry.close();
      throw error;
    }
  }

  /** Milliseconds without a sign of life after which this node counts as gone. */
  get ttlMs(): number {
    return this.alone ? ALONE_TTL_MS : TTL_MS;
  }

  /** This node's part in coordinating the cluster; it begins with `start`. */
  coordination(parts: ServerParts): Coordination {
    const { membership, presence, member, fence } = parts;
    const { node, host, port } = member;
    return new Coordination({
      registry: this.registry,
      lease: presence.lease,
      candidate: { node, host, port },
      clock: systemClock,
      random: Math.random,
      alone: this.alone,
      fence,
      begin: (term, signal) => this.#begin(parts, term, signal),
      onTerm: (term) => membership.follow(term),
      onVacant: (why) => membership.vacant(why),
    });
  }

  async #begin(parts: ServerParts, term: Term, signal: AbortSignal): Promise<Seat> {
    const { system, directory, membership, home, nodes, member, watch, announce, ensure } = parts;
    const { registry } = this;
    directory.follow(term);
    const past = await readPast(registry);
    // Former lives of this node may seem to live: their leases have just begun anew, or not ended.
    past.members = past.members.filter(({ node, host, port }) =>
      node === member.node || host !== member.host || port !== member.port
    );
    const others = past.members.some(({ node }) => node !== member.node);
    const goesOn = this.#promoted ||
      !this.alone && (others || membership.coordinator !== undefined);
    const served = await this.#served(goesOn);
    const seat = await Seat.begin({
      ...{ system, registry, term, signal, past, served, nodes, home, member, watch },
      ...{ homes: directory.homes, modules: join(this.#data, "modules") },
      ...{ store: this.#store, ensure },
    });
    seat.atEnd.use(await announce());
    if (this.alone) void mirrorIdentities(registry, parts.identities, signal);
    if (this.#managed) seat.atEnd.use(await this.#seatMembers(system, this.#managed));
    return seat;
  }

  /** Decides which nodes run a member of etcd, until what it gives is disposed of. */
  async #seatMembers(system: ActorSystem, managed: ManagedRegistry): Promise<AsyncDisposable> {
    const identities = new Identities(this.records!.identities);
    const { seats, close } = await managed.coordinate({
      clock: systemClock,
      identities: () => identities.list(),
    });
    system.register(serversActor, { config: {}, resources: () => ({ seats }) });
    return {
      async [Symbol.asyncDispose]() {
        system.unregister(serversActor.kind);
        await system.stop(SERVERS);
        await close();
      },
    };
  }

  /** What to serve: that of the cluster where it goes on, else what this node was told. */
  async #served(goesOn: boolean): Promise<ServedGraph> {
    const noted = goesOn ? await readMainGraph(this.registry) : undefined;
    if (!noted) return await this.#ownGraph();
    log.info("the cluster goes on with {model}", { model: noted.model });
    return await notedGraph(this.#store, noted);
  }

  #ownGraph(): Promise<ServedGraph> {
    return this.#own ??= ownGraph(this.#store, this.#graph);
  }

  /** Closes the registry. */
  async close(): Promise<void> {
    await this.registry.close();
  }
}

/**
 * The registry in this node's etcd. Where it is new, what the node held so far is taken over; a node
 * that never was in a cluster makes the authority of one.
 */
async function openManaged(managed: ManagedRegistry, data: string): Promise<Registry> {
  let { authority } = managed;
  if (!authority) {
    await Authority.open({ data, create: true });
    const made = await fileRecords(data).authority.read();
    authority = { key: made.authority!.key, certificate: made.authority!.certificate };
  }
  const registry = await managed.start({ authority });
  await testRegistry(registry);
  const known = await registryRecords(registry).authority.read();
  if (!known.authority) await takeOverState(data, registry);
  return registry;
}
