/**
 * Starts a node: puts together its mailbox, its actors, its model store and its API.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { hostname } from "node:os";
import {
  ActorSystem,
  type ClusterStatus,
  COORDINATOR_KEY,
  type Deployment,
  Fence,
  flowSchema,
  type MembersView,
  type NodeId,
  parseAddress,
  REGISTRY,
  type Registry,
  registryActor,
  RemoteRegistry,
  systemClock,
} from "../actors/mod.ts";
import { ModelStore } from "../models/mod.ts";
import { type ApiAddress, isLoopback, nodeAccess } from "./access/mod.ts";
import { Admission, Gateway } from "./serve/mod.ts";
import { createApi, serveApi, type Serving } from "./api/mod.ts";
import {
  checkJoin,
  ClusterDirectory,
  DeploymentHost,
  EngineLoader,
  fetchReports,
  isCoordinators,
  listen,
  logHealth,
  memberOf,
  Membership,
  modelsFrom,
  newNodeId,
} from "./cluster/mod.ts";
import { askExposedActor, FlowGenerator } from "./custom/mod.ts";
import { deadLetterLog } from "./dead_letter_log.ts";
import { announceCluster, findCluster } from "./discovery/mod.ts";
import { clusterDoctor, NodeExaminer } from "./doctor/mod.ts";
import { LEFT, PROTOCOL } from "./mailbox/mod.ts";
import { IdleMemory } from "./memory.ts";
import { registerActors } from "./node_actors.ts";
import { nodesAdmin } from "./nodes_admin.ts";
import type { NodeOptions } from "./node_options.ts";
import { askSeats, openManaged, openServer, runsEtcd } from "./node_registry.ts";
import { NodeProfiler } from "./profile/mod.ts";
import { Promotion } from "./promotion.ts";
import { EMBEDDED_REGISTRY } from "./registry/mod.ts";
import { type Coordination, copyPath, KnownNodes, Presence, RegistryServer } from "./seat/mod.ts";
import { startRole, type Succession } from "./succession/mod.ts";
import { findCoordinator, NodeKey, openTrust } from "./trust/mod.ts";
import { Activity, NodeWeights } from "./weights/mod.ts";

const log = getLogger(["orrery", "node"]);

/** The flow of a graph without custom actors: requests go to the model directly. */
const NO_FLOW = flowSchema.parse({});

/** Milliseconds without a sign of life after which a member's entry in the registry is gone. */
const MEMBER_TTL_MS = 10_000;
/** Milliseconds in which a node that became a server must stand in the registry. */
const LISTED_MS = 10_000;
/** Milliseconds that the actors have to end when the node closes. */
const SYSTEM_CLOSE_MS = 5_000;
/** Milliseconds that running requests and the change-over to other nodes have when it closes. */
const DRAIN_MS = 30_000;

export type { NodeOptions } from "./node_options.ts";
export { EMBEDDED } from "./serve/mod.ts";

/** A running node. */
export interface Node {
  /**
   * The node's id: its name, the mailbox port as asked for, and four random hexadecimal digits. A
   * restarted node has another id.
   */
  readonly id: NodeId;
  /** Base URL of the REST API, without a final slash. */
  readonly url: string;
  /** Where the API listens. */
  readonly apiAddress: ApiAddress;
  /** A key with which this process may ask its own API; undefined: no key is needed. */
  readonly ownKey?: string;
  /** Ports on which this node's etcd listens; undefined: it runs none. */
  readonly etcdPorts: { peers: number; clients: number } | undefined;
  /** Where the mailbox listens; other nodes join here. */
  readonly mailboxAddress: { host: string; port: number };
  /** Where the coordinator's mailbox listens: every node joins that one. */
  readonly firstAddress: { host: string; port: number };
  /** Its actor system; further actor kinds can be registered in it. */
  readonly system: ActorSystem;
  /**
   * Generates without HTTP. The API asks it too, once a request has passed the graph's custom
   * actors.
   */
  readonly gateway: Gateway;
  /** Whether a request runs at this node or through its stages. */
  readonly running: boolean;
  /** The members of the cluster and the deployment that serves. */
  cluster(): Promise<ClusterStatus>;
  /**
   * Whether nobody else can take part in what this node serves: the registry is a file of this node,
   * and every other node that its cluster took in has left or was removed.
   */
  alone(): Promise<boolean>;
  /**
   * A token with which other nodes join: good for 24 hours and 100 nodes, made at the first call.
   * Undefined: this node has joined another one, and does not have the authority's key.
   */
  joinToken(): Promise<string> | undefined;
  /**
   * Drains the node: it takes no new requests, waits for running ones, and leaves the cluster, for
   * `deadlineMs` milliseconds at most. @default deadlineMs 30000
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
}

/**
 * Starts a node: it listens, and makes or joins a cluster. It answers prompts later, once a model
 * is placed (`onServe` tells when).
 *
 * Throws group `access` (what `nodeAccess` throws), `cluster` (`join_failed`, `bad_layers`),
 * `trust`, `api` and `mailbox` (`port_in_use`),
 * `graph` (what a custom actor's module lacks), `model` (what the store throws), `registry`.
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { host, data } = options;
  const { address, ...access } = nodeAccess(options);
  const store = await ModelStore.open(data);

  await using undo = new AsyncDisposableStack();
  const id = newNodeId(options);
  const ranEtcd = await runsEtcd(data, id);
  const embedded = !ranEtcd && (options.registry ?? EMBEDDED_REGISTRY) === EMBEDDED_REGISTRY;
  const role = embedded ? await startRole({ ...options, node: id }) : undefined;
  if (role?.why !== undefined) log.warn("{why}", { why: role.why });
  if (role?.why !== undefined) options.onRole?.(role.why);
  const join = role ? role.join : options.join;
  if (join && join !== "discover") checkJoin(host, join.host);
  /** This node's part in the cluster: a member's, until it opens a registry itself. */
  const part: {
    server?: RegistryServer;
    presence?: Presence;
    coordination?: Coordination;
    /** Leases of registries before the present one. */
    leases: number;
  } = { leases: 0 };
  undo.defer(() => part.server?.close());
  const key = await NodeKey.open(data, id);
  undo.defer(() => key.close());
  const managed = await openManaged(options, { node: id, identity: await key.identity(), join });
  undo.defer(() => managed?.close());
  // A node that has become a server goes on as one, whichever node it joined at first.
  if (!join || managed?.server) part.server = await openServer(options, store, role, managed);
  const { server } = part;
  const memory = new IdleMemory();
  undo.defer(() => memory.close());
  const trust = await openTrust({
    data,
    node: id,
    key,
    join: server
      ? undefined
      : join === "discover"
      ? (authority) => findFirst(host, authority)
      : join,
    token: role?.join ? undefined : options.token,
    records: server?.records,
    protocol: options.protocol,
  });
  undo.defer(() => trust.close());
  const directory = new ClusterDirectory(id);
  const epochOf = (to: string) => directory.epochOf(to);
  const mailbox = await listen({ ...options, node: id, tls: trust, epochOf });
  undo.defer(() => mailbox.close());
  await trust.listening(mailbox.address);
  // They need the system, which calls back into them: made below.
  const parts: { gateway?: Gateway; membership?: Membership; promotion?: Promotion } = {};
  const fence = new Fence({
    ownershipName: (to) => isCoordinators(parseAddress(to)) ? COORDINATOR_KEY : undefined,
    onLapse: ({ epoch }) =>
      log.warn("this node's lease may have lapsed: it refuses what its term {epoch} was for", {
        epoch,
      }),
  });
  const system = new ActorSystem({
    transport: mailbox,
    directory,
    fence,
    leaseEpoch: () => part.leases + (part.presence?.lease.epoch ?? 1),
    clock: systemClock,
    random: Math.random,
    onDeadLetter: deadLetterLog(),
    onCrash: (actor, error) =>
      log.error("{actor} crashed: {message}", { actor, message: error.message, error }),
    onPeerLost(peer, reason) {
      log.info("the link to node {peer} is lost: {reason}", { peer, reason });
      parts.gateway?.nodeLost(peer);
      parts.membership?.peerLost(peer, reason);
      if (reason === LEFT) void trust.left(peer).catch(() => {}); // it counts for a day longer then
    },
  });
  undo.defer(() => system.close({ deadlineMs: SYSTEM_CLOSE_MS }));

  const gateway = parts.gateway = new Gateway({
    system,
    admission: new Admission(options.admission),
    onBroken: (deployment, why) => parts.membership?.broken(deployment, why),
  });
  const { threads, spinning, memoryBytes } = options;
  const profiler = new NodeProfiler({
    system,
    store,
    mailbox,
    data,
    threads,
    spinning,
    memoryBytes,
  });
  undo.defer(() => profiler.close());
  const activity = new Activity({ clock: systemClock, requests: () => gateway.running });
  const weights = new NodeWeights({
    system,
    store,
    running: () => activity.running,
    onProgress: fetchReports({ system, gateway, show: options.onFetch }),
  });
  undo.defer(() => weights.close());
  let serving: Serving = { reason: "the node has just started" };
  const onServe = (deployment: Deployment | undefined, reason: string) => {
    if (reason.startsWith("placement failed") && reason !== serving.reason) {
      log.warn("{reason}", { reason });
    }
    serving = { deployment, reason };
    if (deployment) parts.promotion?.members(deployment.members);
    options.onServe?.(deployment, reason);
  };
  const loader = new EngineLoader(system, { threads, spinning, memoryBytes });
  const memberHost = new DeploymentHost({
    system,
    directory,
    store,
    mailbox,
    gateway,
    loader,
    models: modelsFrom(weights),
    onServe,
  });
  undo.defer(() => memberHost.close());
  const registry = server?.registry ??
    new RemoteRegistry({ actor: system.at(registryActor, REGISTRY), clock: systemClock });
  const known = new KnownNodes({ joined: trust.first });
  const membership = parts.membership = new Membership({
    system,
    directory,
    mailbox,
    host: memberHost,
    trust,
    find: server ? undefined : (places, within) => {
      const { version } = trust;
      return findCoordinator({ places: known.with(places), tls: trust, version, ...within });
    },
    onRemoved() {
      // A server stands for election no more, and its lease goes.
      void part.coordination?.close();
      void part.presence?.close();
    },
  });
  const { protocol = PROTOCOL } = options;
  const discovers = options.announce && !isLoopback(host);
  const examiner = new NodeExaminer({
    system,
    mailbox,
    data,
    protocol,
    registry: () => ({
      where: part.server?.where,
      registry: part.server?.registry ?? registry,
    }),
    expiresMs: () => trust.expiresMs,
    stagesBytes: () => loader.loadedBytes(),
    memoryBytes,
    discovery: () => ({
      does: !discovers ? "off" : part.coordination?.seat ? "announces" : "looks",
      authority: trust.authority,
      host,
    }),
  });
  let closing: Promise<void> | undefined;
  const onDrain = () => {
    log.info("the first node drains this node");
    if (options.onDrain) options.onDrain();
    else void (closing ??= close(DRAIN_MS));
  };
  const member = memberOf({ system, mailbox });
  undo.defer(async () => {
    await part.presence?.close();
    if (registry !== part.server?.registry) await registry.close();
  });
  const nodes: MembersView = {
    silentMs: (node) => mailbox.silentMs(node),
    refuses: (node, deadlineMs) => mailbox.refuses(node, deadlineMs),
    identity: (node) => trust.identityOf(node),
    isFormer: (node) => trust.isFormer(node),
    changed: logHealth,
  };
  const name = options.name ?? hostname();
  /** Takes part as a member, or as a node that opens the registry itself. */
  const enter = (server?: RegistryServer) => {
    const { ttlMs = MEMBER_TTL_MS } = server ?? {};
    const presence = new Presence({
      ...{ member, ttlMs, clock: systemClock, random: Math.random },
      registry: server?.registry ?? registry,
    });
    const coordination = server?.coordination({
      ...{
        system,
        directory,
        membership,
        presence,
        generator: gateway,
        member,
        nodes,
        name,
        fence,
      },
      identities: async () => await trust.identities() ?? [],
      announce: async () => options.announce ? await announce(trust.authority) : undefined,
    });
    part.leases += part.presence?.lease.epoch ?? 0;
    Object.assign(part, { server, presence, coordination });
    return { presence, coordination };
  };
  const { presence, coordination } = enter(server);
  const announce = (authority: string) =>
    announceCluster({ host, port: mailbox.address.port, authority, name: id.split(":")[0] });
  registerActors({
    ...{ system, store, mailbox, gateway, host: memberHost, membership, profiler, examiner },
    activity,
    models: () => part.coordination?.seat?.models ?? [],
    onDrain,
  });
  // The coordinator knows the flow from its graph. The others know it from the deployment: before
  // there is one, no request may pass.
  const flow = () =>
    part.coordination?.seat?.flow ?? (serving.deployment && (serving.deployment.flow ?? NO_FLOW));

  /** This node was promoted: it goes on with the registry from its copy, and coordinates. */
  const lead = async ({ fingerprint: authority }: Succession) => {
    const copy = { entries: known.entries };
    await known.close(); // the copy on the disk is for its next start, should this one end here
    void part.presence!.close(); // its lease was one of the registry that is gone
    const server = await RegistryServer.promoted({ data, store, graph: options }, {
      authority,
      copy,
    });
    await trust.lead();
    membership.serve();
    const { presence, coordination } = enter(server);
    presence.start();
    await coordination!.start();
  };
  /** This node's member of etcd votes now: the node opens the registry itself. */
  const becomeServer = async (opened: Registry) => {
    const server = await RegistryServer.joined(opened, {
      ...{ data, store, graph: options, managed: managed! },
    });
    await trust.lead(server.records);
    const before = part.presence!;
    const { presence, coordination } = enter(server);
    presence.start();
    await presence.listed({ signal: AbortSignal.timeout(LISTED_MS) });
    await before.close(); // its lease has no keys any more
    await promotion?.close();
    membership.serve();
    await coordination!.start();
    const { peers, clients } = managed!.ports!;
    options.onRole?.(
      `this node is a server of the registry: it may coordinate, and its etcd listens at ${host}, ` +
        `ports ${peers} and ${clients}, for servers of this cluster alone`,
    );
  };
  const onFollowed = (why: string) => {
    log.warn("{why}", { why });
    if (options.onFollowed) options.onFollowed(why);
    else void (closing ??= close(DRAIN_MS));
  };
  const promotion = !embedded || (server && !server.alone) ? undefined : await Promotion.open({
    ...{ data, name, member, store, trust, mailbox, membership, known, lead, onFollowed },
    neededMs: options.voteAfterMs,
  });
  undo.defer(() => promotion?.close());
  parts.promotion = promotion;

  const drained = new AbortController();
  const app = createApi(new FlowGenerator({ inner: gateway, system, flow }), {
    access,
    serving: () => serving,
    askActor: askExposedActor({ system, flow }),
    nodes: nodesAdmin({
      ...{ system, trust, membership },
      links: () => part.coordination?.seat?.links ?? [],
      promote() {
        const elects = part.server?.alone === false; // it may have become a server of a registry
        return elects ? undefined : promotion && ((waitMs) => promotion.promote(waitMs));
      },
    }),
    doctor: clusterDoctor({
      system,
      examiner,
      known: () => serving.deployment?.members ?? [],
    }),
  });
  const api = await serveApi({
    app,
    host: address.host,
    port: options.port,
    signal: drained.signal,
  });
  undo.defer(() => {
    drained.abort();
    return api.finished;
  });
  undo.defer(() => part.coordination?.close());
  undo.defer(() => known.close());
  if (coordination) {
    presence.start();
    await coordination.start();
  } else {
    await membership.join(trust.first!);
    presence.start();
    known.follow({ registry, node: id, path: copyPath(data, trust.name) });
  }
  managed?.offers({ ...askSeats(system, membership), onServer: becomeServer });

  const running = undo.move();
  const close = async (deadlineMs: number) => {
    const deadline = performance.now() + deadlineMs;
    gateway.drain();
    await gateway.idle(deadlineMs);
    await membership.leave(Math.max(0, deadline - performance.now()));
    await running.disposeAsync();
  };
  return {
    id: mailbox.node,
    url: api.url,
    apiAddress: address,
    ownKey: access.keys?.own,
    mailboxAddress: mailbox.address,
    get etcdPorts() {
      return managed?.ports;
    },
    get firstAddress() {
      const { host, port } = membership.coordinator ?? mailbox.address;
      return { host, port };
    },
    system,
    gateway,
    get running() {
      return activity.running;
    },
    cluster: () => membership.status(),
    async alone() {
      const known = part.server?.alone ? await trust.identities() ?? [] : [];
      return known.filter((i) => (i.left_ms ?? i.removed_ms) === undefined).length === 1;
    },
    joinToken: () => trust.joinToken(),
    close: ({ deadlineMs = DRAIN_MS } = {}) => closing ??= close(deadlineMs),
  };
}

/** Finds the first node on the local network, which must be able to reach a node at `host`. */
async function findFirst(host: string, authority: string | undefined) {
  const first = await findCluster({ authority });
  checkJoin(host, first.host);
  return first;
}
