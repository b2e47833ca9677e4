/**
 * What a node is when it starts: its id and its key, whether it is the first node, opens a registry
 * that others open too, or joins; and the certificates that it gets by that.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { NodeId } from "../actors/mod.ts";
import type { ModelStore } from "../models/mod.ts";
import { checkJoin, newNodeId, OwnAddress } from "./cluster/mod.ts";
import { findCluster } from "./discovery/mod.ts";
import type { ManagedRegistry } from "./etcd/mod.ts";
import type { NodeOptions } from "./node_options.ts";
import { openManaged, openServer, runsEtcd } from "./node_registry.ts";
import { EMBEDDED_REGISTRY } from "./registry/mod.ts";
import type { RegistryServer } from "./seat/mod.ts";
import { type StartRole, startRole } from "./succession/mod.ts";
import { NodeKey, type NodeTrust, openTrust } from "./trust/mod.ts";

const log = getLogger(["orrery", "node"]);

/** See the module's text. */
export interface NodeOrigin {
  /** Id of this life of the node. */
  id: NodeId;
  /** Is the cluster's registry embedded, as far as this node knows? */
  embedded: boolean;
  /** The address at which others are told to reach this node. */
  own: OwnAddress;
  /** This node's part in an etcd that its cluster runs; undefined: the registry is another one. */
  managed?: ManagedRegistry;
  /** The registry that this node opens itself; undefined: it joins a node that does. */
  server?: RegistryServer;
  /** The node's key and certificates, and who else belongs to the cluster. */
  trust: NodeTrust;
}

/**
 * Finds out what the node is; `undo` closes what that opens. Throws group `cluster` (`join_failed`),
 * `trust`, `registry`, and what `ownGraph` throws where the node is the first one.
 */
export async function openOrigin(
  options: NodeOptions,
  store: ModelStore,
  undo: AsyncDisposableStack,
): Promise<NodeOrigin> {
  const { data } = options;
  const id = newNodeId(options);
  const { embedded, role, join } = await startedAs(options, id);
  const key = await NodeKey.open(data, id);
  undo.defer(() => key.close());
  const own = new OwnAddress(options.host);
  const peer = join && join !== "discover" ? join.host : registryHost(options.registry);
  if (peer !== undefined) await own.chooseBy(peer);
  const identity = await key.identity();
  const managed = await openManaged(options, { node: id, identity, join, own });
  undo.defer(() => managed?.close());
  // A node that has become a server goes on as one, whichever node it joined at first.
  const opens = !join || managed?.server;
  const server = opens ? await openServer(options, store, role, managed) : undefined;
  undo.defer(() => server?.close());
  const trust = await openTrust({
    ...{ data, node: id, key, protocol: options.protocol },
    join: server ? undefined : join === "discover" ? finding(options.host, own) : join,
    token: role?.join ? undefined : options.token,
    records: server?.records,
  });
  undo.defer(() => trust.close());
  return { id, embedded, own, managed, server, trust };
}

/** Which node to join, if any: as the options say, unless the cluster has another first node since. */
async function startedAs(
  options: NodeOptions,
  id: NodeId,
): Promise<Pick<NodeOrigin, "embedded"> & { role?: StartRole; join: NodeOptions["join"] }> {
  const { data, host, registry = EMBEDDED_REGISTRY } = options;
  const embedded = !await runsEtcd(data, id) && registry === EMBEDDED_REGISTRY;
  const role = embedded ? await startRole({ ...options, node: id }) : undefined;
  if (role?.why !== undefined) {
    log.warn("{why}", { why: role.why });
    options.onRole?.(role.why);
  }
  const join = role ? role.join : options.join;
  if (join && join !== "discover") checkJoin(host, join.host);
  return { embedded, role, join };
}

/** Finds the first node on the local network, which must be able to reach a node at `host`. */
function finding(host: string, own: OwnAddress) {
  return async (authority: string | undefined) => {
    const first = await findCluster({ authority });
    checkJoin(host, first.host);
    await own.chooseBy(first.host);
    return first;
  };
}

/** The host of a registry that is reached over the network; of several the first one. */
function registryHost(registry = ""): string | undefined {
  const [, bracketed, plain] =
    /^[a-z][a-z0-9+]*:\/\/(?:[^@/?#]*@)?(?:\[([^\]]+)\]|([^:/?#,]+))/.exec(registry) ?? [];
  return bracketed ?? plain;
}
