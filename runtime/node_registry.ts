/**
 * Which registry a node uses, and what it is there: it opens the embedded one, that of a URL, or one
 * that its cluster runs.
 *
 * @module
 */
import { join as joinPath } from "node:path";
import {
  type ActorSystem,
  hasCode,
  type NodeId,
  seatAnswerSchema,
  SERVERS,
  serversActor,
} from "../actors/mod.ts";
import type { ModelStore } from "../models/mod.ts";
import type { Membership, OwnAddress } from "./cluster/mod.ts";
import { ManagedRegistry, type OfferOptions } from "./etcd/mod.ts";
import type { NodeOptions } from "./node_options.ts";
import { MANAGED_REGISTRY } from "./registry/mod.ts";
import { copyPath, readRegistryCopy, RegistryServer } from "./seat/mod.ts";
import type { StartRole } from "./succession/mod.ts";

/** Milliseconds in which the coordinator must answer about members of etcd. */
const SEATS_MS = 5_000;

/** The registry of a node that opens it itself. */
export async function openServer(
  options: NodeOptions,
  store: ModelStore,
  role: StartRole | undefined,
  managed: ManagedRegistry | undefined,
): Promise<RegistryServer> {
  const { registry: where, data, model, graph } = options;
  const given = { where, data, store, graph: options, managed };
  if (!role?.promoted) return await RegistryServer.open(given);
  const { authority, key } = role.promoted;
  const copy = await readRegistryCopy(copyPath(data, key));
  // What it is told to serve counts for a promoted node as for any first one.
  const told = !options.join && (model !== undefined || graph !== undefined);
  return await RegistryServer.promoted(given, { authority, copy: copy ?? { entries: [] } }, told);
}

/**
 * Whether this node has run a member of etcd: the name of its folder begins with the node's name and
 * port.
 */
export async function runsEtcd(data: string, node: NodeId): Promise<boolean> {
  const [name, port] = node.split(":");
  try {
    for await (const entry of Deno.readDir(joinPath(data, "registry", "etcd"))) {
      if (entry.name.startsWith(`${name}-${port}-`)) return true;
    }
  } catch {
    // no node with this folder has run one
  }
  return false;
}

/**
 * This node's part in an etcd that its cluster runs; undefined: the options name another registry.
 * A node that joins learns from its coordinator which registry there is.
 */
export async function openManaged(
  { data, host, mailboxPort, registry }: NodeOptions,
  { join, own, ...node }: { node: NodeId; identity: string; join: unknown; own: OwnAddress },
): Promise<ManagedRegistry | undefined> {
  const managed = await ManagedRegistry.open({
    ...{ ...node, data, host, mailboxPort },
    advertise: () => own.host,
  });
  if (registry === MANAGED_REGISTRY || join || (managed.server && !registry)) return managed;
  await managed.close();
  return undefined;
}

/** Asks the coordinator about members of etcd. */
export function askSeats(
  system: ActorSystem,
  membership: Membership,
): Pick<OfferOptions, "count" | "ask"> {
  const seats = system.at(serversActor, SERVERS);
  const asked = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      if (hasCode(error, "stale_epoch")) membership.doubt("it counts another term");
      throw error;
    }
  };
  const limits = (signal: AbortSignal) => ({ signal, deadlineMs: SEATS_MS });
  return {
    count: (signal) => asked(seats.count({}, limits(signal))),
    ask: async (offer, signal) =>
      seatAnswerSchema.parse(await asked(seats.offer(offer, limits(signal)))),
  };
}
