/**
 * A node: the actor system, its mailbox, its store, its API, put together.
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
  type Graph,
  memberActor,
  type NodeId,
  OrreryError,
  parseGraph,
  type PlaceDeployment,
  stageActor,
  systemClock,
  weightsActor,
} from "../actors/mod.ts";
import { type AddProgress, ModelStore, type Precision, type StoredModel } from "../models/mod.ts";
import { checkRanges, type LayerRange } from "../planner/mod.ts";
import {
  Admission,
  type DraftChoice,
  Gateway,
  type ModelChoice,
  resolveDraft,
  resolveModel,
} from "./serve/mod.ts";
import { createApi, serveApi, type Serving } from "./api/mod.ts";
import {
  advertisedHost,
  checkJoin,
  ClusterDirectory,
  DeploymentHost,
  dialSeed,
  Membership,
  Placer,
  weightStore,
} from "./cluster/mod.ts";
import { askExposedActor, CustomActors, FlowGenerator, modelActor } from "./custom/mod.ts";
import { createMailbox, type MailboxTransport } from "./mailbox/mod.ts";
import { NodeProfiler } from "./profile/mod.ts";

const log = getLogger(["orrery", "node"]);

/** A graph without custom actors. */
const NO_FLOW = flowSchema.parse({});

export { EMBEDDED } from "./serve/mod.ts";

/** How to start a node. */
export interface NodeOptions {
  /**
   * Address that API and mailbox listen on; on all (`0.0.0.0`), peers are told the first outward
   * one.
   */
  host: string;
  /** REST API; 0 takes a free port. */
  port: number;
  /** Mailbox; 0 takes a free port. */
  mailboxPort: number;
  /** Folder of the model store. */
  data: string;
  /** First part of the node's id, by which graph files name it. @default the host's name */
  name?: string;
  /** Name in the store, or a checkpoint folder. @default the graph's, else the embedded model */
  model?: string;
  /** How the weights are stored. @default "f32" for the embedded model, "q4" for others */
  precision?: Precision;
  /**
   * Threads of a stage's engine. @default 1 for stages under 64 MiB, the number of cores for larger
   * ones
   */
  threads?: number;
  /**
   * Do engine threads without work spin (faster alone, ruinous under a CPU quota)? @default false
   */
  spinning?: boolean;
  /** Bytes that this node's stages may use. @default what is free */
  memoryBytes?: number;
  /** On the first node: nodes in all to wait for. */
  nodes: number;
  /** Join the node whose mailbox listens here, instead of being the first. */
  join?: { host: string; port: number };
  /** On the first node: layers by node, in the order in which nodes join. */
  layers?: LayerRange[];
  /** On the first node: ask the planner, or split evenly. @default "planned" */
  placement?: "planned" | "even";
  /** On the first node: model, constraints, objective, workload and decode policy. */
  graph?: Graph;
  /**
   * The file that `graph` came from: modules of custom actors are relative to it. @default a file
   * in the current folder
   */
  graphFile?: string;
  /**
   * On the first node: draft model, or `none`, or `ngram`. @default the graph's, else the embedded
   * draft for the embedded model
   */
  draft?: string;
  /** Generations at once, and waiting. @default {active: 8, queued: 32} */
  admission?: { active: number; queued: number };
  /** Told how far the conversion of a checkpoint is. */
  onProgress?: (progress: AddProgress) => void;
  /** Told when the node begins or ceases to answer, and why. */
  onServe?: (deployment: Deployment | undefined, reason: string) => void;
}

/** A running node. */
export interface Node {
  /**
   * Name of this life of the node: host name, mailbox port as asked for, four random hexadecimal
   * digits.
   */
  readonly id: NodeId;
  /** Base of the REST API. */
  readonly url: string;
  /** Where other nodes join. */
  readonly mailboxAddress: { host: string; port: number };
  /** Its actors; register more kinds here. */
  readonly system: ActorSystem;
  /**
   * The model as the API asks it once a request has passed the graph's own actors; generates
   * without HTTP.
   */
  readonly gateway: Gateway;
  /** Who is in the cluster and what serves. */
  cluster(): Promise<ClusterStatus>;
  /** Drains: no new requests, running ones end, the node leaves. @default deadlineMs 30000 */
  close(options?: { deadlineMs?: number }): Promise<void>;
}

/**
 * Starts a node: listens, makes or joins the cluster. Answering prompts comes later (`onServe`).
 *
 * Throws group `cluster` (`join_failed`, `bad_layers`), `api` (`port_in_use`), `model` (what the
 * store says).
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { host, join } = options;
  if (join) checkJoin(host, join.host);
  const store = await ModelStore.open(options.data);
  const model = join ? undefined : await resolveModels(store, options);
  if (model && options.layers) checkRanges(options.layers, model.target.manifest.geometry.layers);

  await using undo = new AsyncDisposableStack();
  const custom = model && await CustomActors.load(model.graph, {
    file: options.graphFile ?? "graph",
    node: options.name ?? hostname(),
  });
  undo.defer(() => custom?.close());
  const mailbox = await listen(options);
  undo.defer(() => mailbox.close());
  const directory = new ClusterDirectory(mailbox.node);
  const parts: { gateway?: Gateway; membership?: Membership } = {}; // made below; the system calls back into them
  const system = new ActorSystem({
    transport: mailbox,
    directory,
    clock: systemClock,
    random: Math.random,
    onDeadLetter: logDeadLetter,
    onCrash: (actor, error) =>
      log.error("{actor} crashed: {message}", { actor, message: error.message, error }),
    onPeerLost(peer, reason) {
      log.warn("node {peer} is gone: {reason}", { peer, reason });
      parts.gateway?.nodeLost(peer);
      parts.membership?.peerLost(peer, reason);
    },
  });
  undo.defer(() => system.close({ deadlineMs: 5_000 }));
  if (join) directory.seed = await dialSeed(mailbox, join);

  const gateway = parts.gateway = new Gateway({
    system,
    admission: new Admission(options.admission ?? { active: 8, queued: 32 }),
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
  let serving: Serving = { reason: "the node has just started" };
  const onServe = (deployment: Deployment | undefined, reason: string) => {
    serving = { deployment, reason };
    options.onServe?.(deployment, reason);
  };
  const memberHost = new DeploymentHost({
    system,
    directory,
    store,
    mailbox,
    gateway,
    threads,
    spinning,
    memoryBytes,
    onServe,
  });
  undo.defer(() => memberHost.close());
  const membership = parts.membership = new Membership({
    system,
    directory,
    mailbox,
    host: memberHost,
    seed: join,
  });
  registerActors({ system, store, gateway, host: memberHost, membership, profiler });
  if (model) {
    custom!.register(system);
    system.register(modelActor, { config: {}, resources: () => ({ generator: gateway }) });
    const placer = registerCluster(system, { ...model, flow: custom!.flow }, options);
    undo.defer(() => placer.close());
  }
  // On another node than the first it is known once there is a deployment; before, nothing passes.
  const flow = () => custom?.flow ?? (serving.deployment && (serving.deployment.flow ?? NO_FLOW));

  const drained = new AbortController();
  const app = createApi(new FlowGenerator({ inner: gateway, system, flow }), {
    serving: () => serving,
    askActor: askExposedActor({ system, flow }),
  });
  const api = serveApi({ app, host, port: options.port, signal: drained.signal });
  undo.defer(() => {
    drained.abort();
    return api.finished;
  });
  await membership.join();

  const running = undo.move();
  let closing: Promise<void> | undefined;
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
    mailboxAddress: mailbox.address,
    system,
    gateway,
    cluster: () => membership.status(),
    close: ({ deadlineMs = 30_000 } = {}) => closing ??= close(deadlineMs),
  };
}

function registerActors(parts: {
  system: ActorSystem;
  store: ModelStore;
  gateway: Gateway;
  host: DeploymentHost;
  membership: Membership;
  profiler: NodeProfiler;
}): void {
  const { system, store, gateway, host, membership, profiler } = parts;
  system.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: (to) => ({ engine: async () => profiler.watched(await host.loadStage(to)) }),
  });
  system.register(drafterActor, {
    config: drafterActor.config.parse({}),
    resources: (to) => ({ engine: () => host.loadDraft(to) }),
  });
  gateway.register();
  system.register(memberActor, {
    config: {},
    resources: () => ({ host, onPing: () => membership.pinged(), profiler }),
  });
  system.register(weightsActor, { config: {}, resources: () => ({ store: weightStore(store) }) });
}

/** What the first node serves. */
interface Models {
  target: StoredModel;
  draft?: DraftChoice;
  graph: Graph;
}

/** Target, draft and graph, as the graph says and as options that are given override it. */
async function resolveModels(store: ModelStore, options: NodeOptions): Promise<Models> {
  const { graph, onProgress } = options;
  const stated = graph?.actors.drafter ?? "auto";
  const draft = options.draft ??
    (typeof stated === "object" ? stated.model : stated === "auto" ? undefined : stated);
  const choice: ModelChoice = {
    model: options.model ?? graph?.model?.name,
    precision: options.precision ?? graph?.model?.precision,
    onProgress,
  };
  const target = await resolveModel(store, choice);
  const base = graph ??
    parseGraph(JSON.stringify({ model: target.manifest.name }), { file: "defaults" });
  const drafter = draft === "none" || draft === "ngram"
    ? draft
    : typeof stated === "object"
    ? stated
    : "auto";
  return {
    target,
    draft: await resolveDraft(store, { target: choice, draft }),
    graph: { ...base, actors: { ...base.actors, drafter } },
  };
}

function registerCluster(
  system: ActorSystem,
  { target: { manifest }, draft, graph, flow }: Models & { flow: Flow },
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
    }),
    resources: () => ({
      place: async (...given: Parameters<PlaceDeployment>) => ({
        ...await placer.place(...given),
        flow,
      }),
    }),
  });
  return placer;
}

async function listen(options: NodeOptions): Promise<MailboxTransport> {
  const { host, mailboxPort: port } = options;
  const name = (options.name ?? hostname()).replace(/[^A-Za-z0-9.-]/g, "-").slice(0, 64) || "node";
  try {
    return await createMailbox({
      // A restarted node is another node: what it held is gone.
      node: `${name}:${port}:${crypto.randomUUID().slice(0, 4)}`,
      host,
      port,
      advertiseHost: advertisedHost(host),
      accept: () => true,
    });
  } catch (error) {
    const code = /\bE[A-Z]{4,}\b/.exec(String(error))?.[0] ?? ""; // not every error carries it as a field
    const reasons: Record<string, string | undefined> = {
      EADDRINUSE: "is in use",
      EADDRNOTAVAIL: "is not on this machine",
      EINVAL: "is not on this machine",
      ENOTFOUND: "names no host",
      EACCES: "may not be opened",
    };
    const why = reasons[code];
    if (why === undefined) throw error;
    throw new OrreryError({
      group: "mailbox",
      code: "port_in_use",
      message:
        `mailbox address ${host}:${port} ${why}; choose another with --mailbox-port or --host`,
      metadata: { host, port },
      cause: error,
    });
  }
}

function logDeadLetter({ to, from, type, error }: DeadLetter): void {
  // A word to somebody who has just finished is the common, harmless case; who asked has the
  // others' reasons already.
  const level = from === "" || ["not_active", "no_owner", "cancelled"].includes(error.code)
    ? "debug"
    : "warn";
  log[level]("dead letter: {type} from {from} to {to}: {message}", {
    type,
    from,
    to,
    message: error.message,
  });
}
