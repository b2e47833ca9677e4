/**
 * What a member may read and write in the registry of its coordinator, by the keys of its messages.
 *
 * A server, which opens the registry itself, is not bound by these rules. Secrets (`trust/`, but for
 * the list of identities) never leave the servers.
 *
 * @module
 */
import { type CallerRule, fieldOf, type NodeId, type RemoteMessage } from "../system/mod.ts";
import { leaseKey } from "./member_leases.ts";

/** Keys, and what keys begin with, that every member may read. */
const READABLE = [
  ...["members/", "owners/", "deployments/", "graphs/", "plans/", "modules/"],
  ...["coordinator", "serving", "trust/identities", "journals/", "idempotency/"],
];

/** What any member may write: whichever node has the copies goes on with another's requests. */
const SHARED = ["journals/", "idempotency/"];

/** What belongs to an actor: the rest of the key begins with its address. */
const OF_ACTORS = ["owners/", "state/", "alarms/"];

/** Reads keys that members may read. */
export const readsShared: CallerRule = {
  who: "any node of the cluster, of keys that members may read",
  allows(message) {
    const key = fieldOf(message.body, "key") ?? fieldOf(message.body, "prefix");
    return typeof key === "string" && mayRead(message, key);
  },
};

/** Writes keys of the sending node and of the actors that live on it. */
export const writesOwn: CallerRule = {
  who: "any node of the cluster, of keys of its own and of its actors",
  allows(message) {
    const keys = (field: string, of: (item: unknown) => unknown) => {
      const items = fieldOf(message.body, field) ?? [];
      return Array.isArray(items) ? items.map(of) : [undefined];
    };
    const named = (item: unknown) => fieldOf(item, "key");
    const read = keys("checks", named);
    const written = [...keys("sets", named), ...keys("deletes", (key) => key)];
    return written.every((key) => typeof key === "string" && mayWrite(message, key)) &&
      read.every((key) =>
        typeof key === "string" && (mayRead(message, key) || mayWrite(message, key))
      );
  },
};

/** The keys of a node itself; they vanish with its lease. */
const ofNode = (node: NodeId): string[] => [`members/${node}`, leaseKey(node)];

function mayRead(message: RemoteMessage, key: string): boolean {
  const shared = READABLE.some((name) => name.endsWith("/") ? key.startsWith(name) : key === name);
  return shared || ownedBy(message, key);
}

function mayWrite(message: RemoteMessage, key: string): boolean {
  const shared = SHARED.some((name) => key.startsWith(name));
  return shared || ofNode(message.peer).includes(key) || ownedBy(message, key);
}

/** Whether the key belongs to an actor that lives on the sending node. */
function ownedBy({ peer, nodeOf }: RemoteMessage, key: string): boolean {
  const prefix = OF_ACTORS.find((name) => key.startsWith(name));
  if (prefix === undefined) return false;
  const parts = key.slice(prefix.length).split("/");
  // All actors of one name in a graph live on one node, so it may look through all of their keys.
  if (parts.length === 3 && parts[2] === "") return nodeOf(`${parts[0]}/${parts[1]}/main`) === peer;
  // A prefix that ends within the key of an actor would fit other actors too.
  if (parts.length < (prefix === "owners/" ? 3 : 4)) return false;
  return nodeOf(parts.slice(0, 3).join("/")) === peer;
}
