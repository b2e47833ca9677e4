/**
 * Starts a node. Each step has a file of its own, in this order:
 *
 * | file              | what it opens                                                              |
 * | ----------------- | -------------------------------------------------------------------------- |
 * | `node_origin.ts`  | what the node is: first, server or member; its key, registry, certificates |
 * | `node_network.ts` | the mailbox and the actor system                                           |
 * | `node_work.ts`    | requests, stages, weights, measuring                                       |
 * | `node_part.ts`    | membership, and coordinating where the node may                            |
 * | `node_actors.ts`  | the actors that every node has                                             |
 * | `node_journal.ts` | the journal of its requests                                                |
 * | `node_api.ts`     | the REST API                                                               |
 * | `node_end.ts`     | how it ends                                                                |
 *
 * @module
 */
import { type ActorSystem, type ClusterStatus, type NodeId } from "../actors/mod.ts";
import { ModelStore } from "../models/mod.ts";
import { type ApiAddress, isLoopback, nodeAccess } from "./access/mod.ts";
import { NodeExaminer } from "./doctor/mod.ts";
import { PROTOCOL } from "./mailbox/mod.ts";
import { IdleMemory } from "./memory.ts";
import { registerActors } from "./node_actors.ts";
import { openApi } from "./node_api.ts";
import { NodeEnd } from "./node_end.ts";
import { openJournal } from "./node_journal.ts";
import { openNetwork } from "./node_network.ts";
import type { NodeOptions } from "./node_options.ts";
import { openOrigin } from "./node_origin.ts";
import { NodePart, type NodePartOptions } from "./node_part.ts";
import { openWork } from "./node_work.ts";
import { Promotion } from "./promotion.ts";
import type { Gateway } from "./serve/mod.ts";

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
  const { address, ...access } = nodeAccess(options);
  const store = await ModelStore.open(options.data);
  await using undo = new AsyncDisposableStack();
  const origin = await openOrigin(options, store, undo);
  const memory = new IdleMemory();
  undo.defer(() => memory.close());
  const network = await openNetwork(options, origin, undo);
  const work = openWork({ options, store, network }, undo);
  const parts: NodePartOptions = { options, store, origin, network, work };
  const part = new NodePart(parts);
  undo.defer(() => part.close());
  undo.defer(() => part.vanish());
  const end = new NodeEnd(options);
  const examiner = examinerOf(parts, part);
  registerActors({
    ...{ ...network, ...work, store, membership: part.membership, home: part.home, examiner },
    memoryBytes: options.memoryBytes,
    logs: options.logs,
    models: () => part.seat?.models ?? [],
    onDrain: () => end.drained(),
  });
  const promotion = network.later.promotion = await openPromotion(parts, part, end);
  undo.defer(() => promotion?.close());
  const journal = network.later.journal = openJournal(
    {
      ...{ ...network, registry: () => part.registry },
      onAppend: (ms) => network.telemetry.metrics.journalled(ms),
      tracer: network.telemetry,
    },
    undo,
  );
  const { port } = options;
  const url = await openApi(
    { ...parts, address, port, access, part, examiner, promotion, journal },
    undo,
  );
  undo.defer(() => part.resign());
  undo.defer(() => part.known.close());
  await part.start();
  end.started({ gateway: work.gateway, membership: part.membership, opened: undo.move() });
  return running(parts, part, end, { url, apiAddress: address, ownKey: access.keys?.own });
}

/** What examines this node for the doctor. */
function examinerOf({ options, origin, network, work }: NodePartOptions, part: NodePart) {
  const { data, memoryBytes, host, protocol = PROTOCOL } = options;
  const { trust } = origin;
  const discovers = options.announce && !isLoopback(host);
  return new NodeExaminer({
    ...{ system: network.system, mailbox: network.mailbox, data, protocol, memoryBytes },
    registry: () => ({ where: part.server?.where, registry: part.registry }),
    expiresMs: () => trust.expiresMs,
    stagesBytes: () => work.loader.loadedBytes(),
    discovery: () => ({
      does: !discovers ? "off" : part.seat ? "announces" : "looks",
      authority: trust.authority,
      host,
    }),
  });
}

/** How this node may become the first one; undefined: the nodes elect who coordinates. */
async function openPromotion(
  { options, store, origin, network }: NodePartOptions,
  part: NodePart,
  end: NodeEnd,
): Promise<Promotion | undefined> {
  const { embedded, server, trust } = origin;
  if (!embedded || (server && !server.alone)) return undefined;
  const { membership, known, member } = part;
  return await Promotion.open({
    ...{ data: options.data, store, trust, mailbox: network.mailbox },
    ...{ membership, known, member, neededMs: options.voteAfterMs },
    lead: (succession) => part.lead(succession),
    onFollowed: (why) => end.followed(why),
  });
}

/** The running node, as its program sees it. */
function running(
  { origin: { trust, managed }, network: { system, mailbox }, work }: NodePartOptions,
  part: NodePart,
  end: NodeEnd,
  api: Pick<Node, "url" | "apiAddress" | "ownKey">,
): Node {
  const { membership } = part;
  const { gateway, activity } = work;
  return {
    ...{ ...api, id: mailbox.node, mailboxAddress: mailbox.address, system, gateway },
    get etcdPorts() {
      return managed?.ports;
    },
    get firstAddress() {
      const { host, port } = membership.coordinator ?? mailbox.address;
      return { host, port };
    },
    get running() {
      return activity.running;
    },
    cluster: () => membership.status(),
    async alone() {
      const known = part.server?.alone ? await trust.identities() ?? [] : [];
      // Former first nodes of this folder, at other ports, came without a token.
      const others = known.filter((i) => i.token !== undefined);
      return known.length > 0 && others.every((i) => (i.left_ms ?? i.removed_ms) !== undefined);
    },
    joinToken: () => trust.joinToken(),
    close: ({ deadlineMs } = {}) => end.close(deadlineMs),
  };
}
