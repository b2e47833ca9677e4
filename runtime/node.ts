/**
 * Starts a node: puts together its mailbox, its actors, its model store and its API.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { hostname } from "node:os";
import {
  ActorSystem,
  clusterActor,
  type ClusterStatus,
  type DeadLetter,
  type Deployment,
  drafterActor,
  type Flow,
  flowSchema,
  headActor,
  memberActor,
  type MembersView,
  type NodeId,
  type PlaceDeployment,
  REGISTRY,
  registryActor,
  RemoteRegistry,
  stageActor,
  systemClock,
  weightsActor,
} from "../actors/mod.ts";
import { ModelStore } from "../models/mod.ts";
import { checkRanges } from "../planner/mod.ts";
import { type ApiAddress, isLoopback, nodeAccess } from "./access/mod.ts";
import { Admission, Gateway, type ResolvedGraph, resolveGraph } from "./serve/mod.ts";
import { createApi, serveApi, type Serving } from "./api/mod.ts";
import {
  checkJoin,
  ClusterDirectory,
  DeploymentHost,
  dialSeed,
  EngineLoader,
  fetchReports,
  listen,
  logHealth,
  Membership,
  modelsFrom,
  newNodeId,
  Placer,
} from "./cluster/mod.ts";
import { askExposedActor, CustomActors, FlowGenerator, modelActor } from "./custom/mod.ts";
import { announceCluster, findCluster } from "./discovery/mod.ts";
import { clusterDoctor, NodeExaminer } from "./doctor/mod.ts";
import { LimitedLog } from "./limited_log.ts";
import { type MailboxTransport, PROTOCOL } from "./mailbox/mod.ts";
import { IdleMemory } from "./memory.ts";
import { nodesAdmin } from "./nodes_admin.ts";
import type { NodeOptions } from "./node_options.ts";
import { NodeProfiler } from "./profile/mod.ts";
import { EMBEDDED_REGISTRY, openTestedRegistry } from "./registry/mod.ts";
import { openTrust } from "./trust/mod.ts";
import { Activity, manifestSha256, NodeWeights, weightStore } from "./weights/mod.ts";

const log = getLogger(["orrery", "node"]);

/** The flow of a graph without custom actors: requests go to the model directly. */
const NO_FLOW = flowSchema.parse({});

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
  /** Where the mailbox listens; other nodes join here. */
  readonly mailboxAddress: { host: string; port: number };
  /** Where the first node's mailbox listens: every node joins that one. */
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
   * A token with which other nodes join: good for 24 hours and 100 nodes, made at the first call.
   * Undefined: this node has joined another one, and only the first node makes tokens.
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
  const { host, join } = options;
  if (join && join !== "discover") checkJoin(host, join.host);
  const { address, ...access } = nodeAccess(options);
  const store = await ModelStore.open(options.data);
  const model = join ? undefined : await resolveGraph(store, options);
  if (model && options.layers) checkRanges(options.layers, model.target.manifest.geometry.layers);

  await using undo = new AsyncDisposableStack();
  const { registry: where = EMBEDDED_REGISTRY, data: folder } = options;
  const registry = join ? undefined : await openTestedRegistry(where, { data: folder });
  undo.defer(() => registry?.close());
  const memory = new IdleMemory();
  undo.defer(() => memory.close());
  const custom = model && await CustomActors.load(model.graph, {
    file: options.graphFile ?? "graph",
    node: options.name ?? hostname(),
  });
  undo.defer(() => custom?.close());
  const id = newNodeId(options);
  const trust = await openTrust({
    data: options.data,
    node: id,
    join: join === "discover" ? (authority) => findFirst(host, authority) : join,
    token: options.token,
    protocol: options.protocol,
  });
  undo.defer(() => trust.close());
  const mailbox = await listen({ ...options, node: id, tls: trust });
  undo.defer(() => mailbox.close());
  await trust.listening(mailbox.address);
  const directory = new ClusterDirectory(mailbox.node);
  // They need the system, which calls back into them: made below.
  const parts: { gateway?: Gateway; membership?: Membership } = {};
  const system = new ActorSystem({
    transport: mailbox,
    directory,
    clock: systemClock,
    random: Math.random,
    onDeadLetter: deadLetterLog(),
    onCrash: (actor, error) =>
      log.error("{actor} crashed: {message}", { actor, message: error.message, error }),
    onPeerLost(peer, reason) {
      log.info("the link to node {peer} is lost: {reason}", { peer, reason });
      parts.gateway?.nodeLost(peer);
      parts.membership?.peerLost(peer, reason);
    },
  });
  undo.defer(() => system.close({ deadlineMs: SYSTEM_CLOSE_MS }));
  const seed = trust.first;
  if (seed) directory.seed = await dialSeed(mailbox, seed, trust);

  const gateway = parts.gateway = new Gateway({
    system,
    admission: new Admission(options.admission),
    onBroken: (deployment, why) => parts.membership?.broken(deployment, why),
  });
  const { threads, spinning, memoryBytes, data } = options;
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
    serving = { deployment, reason };
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
  const membership = parts.membership = new Membership({
    system,
    directory,
    mailbox,
    host: memberHost,
    trust,
    seed,
  });
  const models = [model?.target, model?.draft].flatMap((m) => m ? [m.manifest.name] : []);
  const { protocol = PROTOCOL } = options;
  const asked = new RemoteRegistry({
    actor: system.at(registryActor, REGISTRY),
    clock: systemClock,
  });
  const discovers = options.announce && !isLoopback(host);
  const examiner = new NodeExaminer({
    system,
    mailbox,
    data,
    protocol,
    registry: registry ? { where, registry } : { registry: asked },
    expiresMs: () => trust.expiresMs,
    stagesBytes: () => loader.loadedBytes(),
    memoryBytes,
    discovery: {
      does: !discovers ? "off" : seed ? "looks" : "announces",
      authority: trust.authority,
      host,
    },
  });
  let closing: Promise<void> | undefined;
  const onDrain = () => {
    log.info("the first node drains this node");
    if (options.onDrain) options.onDrain();
    else void (closing ??= close(DRAIN_MS));
  };
  registerActors({
    ...{
      system,
      store,
      models,
      mailbox,
      gateway,
      host: memberHost,
      membership,
      profiler,
      examiner,
    },
    activity,
    onDrain,
  });
  if (registry) {
    system.register(registryActor, {
      config: registryActor.config.parse({}),
      resources: () => ({ registry }),
    });
  }
  if (model) {
    custom!.register(system);
    system.register(modelActor, { config: {}, resources: () => ({ generator: gateway }) });
    const view: MembersView = {
      silentMs: (node) => mailbox.silentMs(node),
      refuses: (node, deadlineMs) => mailbox.refuses(node, deadlineMs),
      identity: (node) => trust.identityOf(node),
      isFormer: (node) => trust.isFormer(node),
      changed: logHealth,
    };
    const placer = registerCluster(system, { ...model, flow: custom!.flow, view }, options);
    undo.defer(() => placer.close());
  }
  // The first node knows the flow from its graph. The others know it from the deployment: before
  // there is one, no request may pass.
  const flow = () => custom?.flow ?? (serving.deployment && (serving.deployment.flow ?? NO_FLOW));

  const drained = new AbortController();
  const app = createApi(new FlowGenerator({ inner: gateway, system, flow }), {
    access,
    serving: () => serving,
    askActor: askExposedActor({ system, flow }),
    nodes: nodesAdmin({ system, trust, status: () => membership.status() }),
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
  await membership.join();
  if (!seed && options.announce) {
    const { authority } = trust;
    const { port } = mailbox.address;
    const announced = await announceCluster({ host, port, authority, name: id.split(":")[0] });
    undo.defer(() => announced?.[Symbol.asyncDispose]());
  }

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
    firstAddress: seed ?? mailbox.address,
    system,
    gateway,
    get running() {
      return activity.running;
    },
    cluster: () => membership.status(),
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

/** Registers the actors that every node has. */
function registerActors(parts: {
  system: ActorSystem;
  store: ModelStore;
  /** Names of the models that this node's graph serves: members ask for them before a deployment. */
  models: string[];
  mailbox: MailboxTransport;
  gateway: Gateway;
  host: DeploymentHost;
  membership: Membership;
  profiler: NodeProfiler;
  examiner: NodeExaminer;
  activity: Activity;
  onDrain: () => void;
}): void {
  const {
    system,
    store,
    models,
    mailbox,
    gateway,
    host,
    membership,
    profiler,
    examiner,
    activity,
    onDrain,
  } = parts;
  system.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: (to) => ({
      engine: async () => activity.watched(profiler.watched(await host.loadStage(to))),
    }),
  });
  system.register(headActor, {
    config: headActor.config.parse({}),
    resources: (to) => ({ engine: async () => activity.watched(await host.loadHead(to)) }),
  });
  system.register(drafterActor, {
    config: drafterActor.config.parse({}),
    resources: (to) => ({
      engine: async () => {
        const loaded = await host.loadDraft(to);
        return { ...loaded, engine: activity.watched(loaded.engine) };
      },
    }),
  });
  gateway.register();
  system.register(memberActor, {
    config: {},
    resources: () => ({
      ...{ host, profiler, examiner, onDrain, clock: Date.now, nodes: mailbox },
      onPing: (by: NodeId) => membership.pinged(by),
    }),
  });
  const served = weightStore({
    store,
    served: () => [...models, ...host.models],
    running: () => activity.running,
  });
  system.register(weightsActor, { config: {}, resources: () => ({ store: served }) });
}

/**
 * Registers the cluster actor of the first node, whose placement comes from the returned placer.
 */
function registerCluster(
  system: ActorSystem,
  { target: { manifest }, draft, graph, flow, view }: ResolvedGraph & {
    flow: Flow;
    view: MembersView;
  },
  { layers, placement, nodes }: NodeOptions,
): Placer {
  const placer = new Placer({
    system,
    manifest,
    layers,
    placement,
    graph,
    draft: draft?.manifest,
    acceptance: draft?.acceptance,
  });
  system.register(clusterActor, {
    config: clusterActor.config.parse({
      nodes: Math.max(nodes, layers?.length ?? 1),
      model: manifest.name,
      source: system.node,
      manifest_sha256: manifestSha256(manifest),
    }),
    resources: () => ({
      nodes: view,
      place: async (...given: Parameters<PlaceDeployment>) => ({
        ...await placer.place(...given),
        flow,
      }),
    }),
  });
  return placer;
}

/**
 * Logs messages that reached no actor. Other nodes cannot fill the log: of each of them, one line a
 * minute for each code of error.
 */
function deadLetterLog(): (letter: DeadLetter) => void {
  const limits = new LimitedLog();
  return (letter) => {
    const { peer, error } = letter;
    if (peer === undefined) return logDeadLetter(letter, "");
    const { write, leftOut } = limits.take(`${error.code} ${peer}`);
    const more = leftOut > 0 ? ` (and ${leftOut} more since the last such line)` : "";
    if (write) logDeadLetter(letter, `${more}, from node ${peer}`);
  };
}

function logDeadLetter({ to, from, type, error, peer }: DeadLetter, more: string): void {
  // A message to an actor that has just ended is common and harmless. A message from this node's
  // outside is an ask, whose caller gets the error already.
  const level = (from === "" && peer === undefined) ||
      ["not_active", "no_owner", "cancelled"].includes(error.code)
    ? "debug"
    : "warn";
  log[level]("dead letter: {type} from {from} to {to}: {message}{more}", {
    type,
    from: from || "outside",
    to,
    message: error.message,
    more,
  });
}
