/**
 * The nodes of a cluster, for whoever runs it: who is a member, who was taken in and is away, who
 * was removed; and how a node is drained or removed.
 *
 * @module
 */
import {
  type ActorSystem,
  CLUSTER,
  clusterActor,
  type ClusterStatus,
  type Member,
  memberActor,
  memberAddress,
} from "../actors/mod.ts";
import type { LinkNow, Membership } from "./cluster/mod.ts";
import { apiError, type NodeRow, type NodeRowLink, type NodesAdmin } from "./api/mod.ts";
import type { KnownIdentity, NodeTrust } from "./trust/mod.ts";

/** Milliseconds in which a node must say that it begins to drain. */
const DRAIN_MS = 5_000;
/** So many names are listed where none fits. */
const NAMED = 8;

/** Options of {@linkcode nodesAdmin}. */
export interface NodesAdminOptions {
  system: ActorSystem;
  trust: Pick<NodeTrust, "identities" | "removeIdentity">;
  /** The members, the deployment that serves, and who coordinates. */
  membership: Pick<Membership, "status" | "coordinator">;
  /** The links between the members as they are now. */
  links(): readonly LinkNow[];
  /** How this node is promoted; undefined: the registry is not embedded, so none is. */
  promote(): NodesAdmin["promote"] | undefined;
}

/** The nodes of the cluster that this node coordinates; elsewhere all throws `ask_first_node`. */
export function nodesAdmin(
  { system, trust, membership, links, promote }: NodesAdminOptions,
): NodesAdmin {
  /** Members that were told to drain. */
  const draining = new Set<string>();

  async function list(): Promise<NodeRow[]> {
    const { coordinator } = membership;
    const known = coordinator?.node === system.node ? await trust.identities() : undefined;
    if (!known) throw askFirstNode("knows and changes the nodes of the cluster", coordinator);
    const cluster = await membership.status();
    for (const node of draining) {
      if (!cluster.members.some((m) => m.node === node)) draining.delete(node);
    }
    return nodeRows({
      ...{ known, cluster, draining, links: links() },
      first: system.node,
      now: Date.now(),
    });
  }

  /** The one node called so. */
  async function named(name: string): Promise<NodeRow> {
    const rows = (await list()).filter(({ state }) => state !== "removed");
    const row = nodeCalled(rows, name);
    if (!row.first) return row;
    throw apiError(
      "node_is_first",
      `${row.node} is the first node, which holds the membership: stop its process instead`,
    );
  }

  return {
    list,
    async drain(name) {
      const row = await named(name);
      if (row.state === "away") {
        throw apiError("node_away", `${row.node} is no member now: there is nothing to drain`);
      }
      await system.at(memberActor, memberAddress(row.node)).drain({}, { deadlineMs: DRAIN_MS });
      draining.add(row.node);
      return { ...row, state: "draining" };
    },
    async remove(name) {
      const row = await named(name);
      await trust.removeIdentity(row.identity);
      // The links are cut already. Nobody waits until they are known to be gone.
      await system.at(clusterActor, CLUSTER).tell.lost({ node: row.node, for_good: true });
      return {
        ...row,
        ...{ state: "removed", health: null, why: null, address: null, layers: [], links: [] },
      };
    },
    async promote(waitMs) {
      const promoted = promote();
      if (promoted) return await promoted(waitMs);
      throw apiError(
        "not_promoted",
        "with this registry the nodes elect who coordinates by themselves: nobody is promoted",
      );
    },
  };
}

/** The error of a node that does not coordinate; `does`: what only the first node does. */
export const askFirstNode = (does: string, first: Membership["coordinator"]) =>
  apiError(
    "ask_first_node",
    `only the first node, which coordinates, ${does}: ask the API of the node whose mailbox ` +
      `listens at ${first?.host}:${first?.port}`,
  );

/** What {@linkcode nodeRows} puts together. */
export interface NodeFacts {
  /** Who was taken in. */
  known: KnownIdentity[];
  cluster: ClusterStatus;
  /** Ids of members that were told to drain. */
  draining: ReadonlySet<string>;
  links: readonly LinkNow[];
  /** Id of the first node. */
  first: string;
  /** Milliseconds since 1970. */
  now: number;
}

/** The first node, then the other members in the order in which they joined, then the others. */
export function nodeRows({ known, cluster, draining, links, first, now }: NodeFacts): NodeRow[] {
  const members = new Map<string, Member>(cluster.members.map((m) => [m.node, m]));
  const health = new Map(cluster.health.map((h) => [h.node, h]));
  const order = [first, ...members.keys()];
  const rows = known.map((identity): NodeRow => {
    const lives = [identity.node, ...identity.lives.map((life) => life.node)];
    const member = lives.map((node) => members.get(node)).find((m) => m !== undefined);
    const node = member?.node ?? identity.node;
    const layers = (cluster.deployment?.stages ?? []).filter((stage) => stage.node === node)
      .map((stage): [number, number] => [stage.first, stage.last]);
    const untilMs = identity.lives.find((life) => life.node === node)?.until_ms ?? 0;
    const removed = identity.removed_ms !== undefined;
    return {
      name: node.split(":")[0],
      node,
      identity: identity.identity,
      state: removed
        ? "removed"
        : !member
        ? "away"
        : draining.has(node)
        ? "draining"
        : layers.length > 0
        ? "serving"
        : "idle",
      health: member && !removed ? health.get(node)?.state ?? "alive" : null,
      why: (member && !removed && health.get(node)?.why) || null,
      first: node === first,
      address: member && !removed ? `${member.host}:${member.port}` : null,
      layers: removed ? [] : layers,
      since: new Date(identity.admitted_ms).toISOString(),
      certificate_s: removed || untilMs <= now ? null : Math.round((untilMs - now) / 1000),
      links: removed || !member ? [] : links.filter(({ from }) => from === node).map(rowLink),
    };
  });
  const place = ({ node }: NodeRow) => {
    const at = order.indexOf(node);
    return at < 0 ? order.length : at;
  };
  return rows.sort((a, b) => place(a) - place(b));
}

const rowLink = ({ to, seconds, bytesPerS }: LinkNow): NodeRowLink => ({
  to,
  latency_ms: Number((seconds * 1000).toFixed(3)),
  mbit_per_s: Number((bytesPerS * 8 / 1e6).toFixed(1)),
});

/**
 * The one row with this name, id, name:port or beginning of an identity. Throws group `api`:
 * `node_not_found`, `node_ambiguous`.
 */
export function nodeCalled<Row extends Pick<NodeRow, "node" | "name" | "identity">>(
  rows: readonly Row[],
  name: string,
): Row {
  const hits = rows.filter(({ node, name: first, identity }) =>
    [node, first, node.slice(0, node.lastIndexOf(":"))].includes(name) ||
    (name.length >= 8 && identity.startsWith(name))
  );
  const text = (list: readonly Row[]) =>
    list.slice(0, NAMED).map(({ node }) => node).join(", ") +
    (list.length > NAMED ? ` and ${list.length - NAMED} more` : "");
  if (hits.length === 0) {
    throw apiError(
      "node_not_found",
      `no node is called ${JSON.stringify(name.slice(0, 128))}; there are ${text(rows)}`,
    );
  }
  if (hits.length > 1) {
    throw apiError(
      "node_ambiguous",
      `${hits.length} nodes are called ${JSON.stringify(name)}: give the id of one: ${text(hits)}`,
    );
  }
  return hits[0];
}
