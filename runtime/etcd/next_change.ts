/**
 * Which change of etcd's members is due, as a function of what is known.
 *
 * There are one or three members that vote: with two, the loss of either would stop the registry.
 * A further node is a learner first, which gets all data and has no vote; the second one stays so
 * until a third is there.
 *
 * @module
 */
import { WANTED_VOTERS } from "../../actors/mod.ts";
import type { ListedMember } from "./member_list.ts";

/** A silent learner is given up after so many milliseconds: it keeps others from their place. */
const LEARNER_GONE_MS = 30_000;

/** A node that can run a member, in the order in which nodes came. */
export interface EtcdNode {
  name: string;
  peerUrl: string;
  /** The member whose data it has. */
  memberId?: string;
  /** It was heard of lately. */
  fresh: boolean;
  /** And its etcd runs. */
  running: boolean;
}

/** What is known when a change is chosen. */
export interface EtcdMembersView {
  members: ListedMember[];
  nodes: EtcdNode[];
  /** Names of nodes that were removed from the cluster. */
  removed: ReadonlySet<string>;
  /** Milliseconds for which a member was not seen alive; 0: it is alive. */
  silentMs(member: ListedMember): number;
  /** Milliseconds of silence after which a member is given up, if another node can replace it. */
  goneMs: number;
}

/** One change. */
export type MembersChange =
  | { kind: "add"; name: string; peerUrl: string }
  | { kind: "promote"; id: string; name: string }
  | { kind: "remove"; id: string; name: string; why: string }
  | { kind: "update"; id: string; name: string; peerUrl: string };

/** The change that is due now; undefined: none. */
export function nextChange(view: EtcdMembersView): MembersChange | undefined {
  const { members, nodes, removed, silentMs, goneMs } = view;
  const nodeOf = (member: ListedMember) =>
    nodes.find(({ name, peerUrl }) =>
      member.name === "" ? member.peerUrls.includes(peerUrl) : member.name === name
    );
  const voters = members.filter(({ learner }) => !learner);
  const learner = members.find(({ learner }) => learner);
  const alive = (member: ListedMember) => silentMs(member) === 0;
  const spare = nodes.find((node) =>
    node.fresh && !removed.has(node.name) && !members.some((member) => nodeOf(member) === node)
  );
  /** Would those that vote and live still be a majority without this one? */
  const safe = (member: ListedMember) => {
    if (member.learner) return true;
    const left = voters.filter((voter) => voter !== member);
    return left.length > 0 && left.filter(alive).length > left.length / 2;
  };
  const remove = (member: ListedMember, why: string) => {
    const name = member.name || nodeOf(member)?.name || member.peerUrls[0];
    return { kind: "remove" as const, id: member.id, name, why };
  };

  for (const member of members) {
    if (!safe(member)) continue;
    const node = nodeOf(member);
    const name = member.name || node?.name;
    if (name !== undefined && removed.has(name)) return remove(member, "its node was removed");
    if (node?.fresh && member.name !== "" && node.memberId !== member.id) {
      return remove(member, "its node has not this member's data any more");
    }
    const silent = silentMs(member);
    const patience = member.learner ? Math.min(goneMs, LEARNER_GONE_MS) : goneMs;
    if (silent >= patience && (member.learner || spare)) {
      return remove(member, `nothing was heard of it for ${Math.round(silent / 1000)} s`);
    }
  }
  for (const member of members) {
    const node = nodeOf(member);
    if (node?.fresh && node.memberId === member.id && !member.peerUrls.includes(node.peerUrl)) {
      return { kind: "update", id: member.id, name: node.name, peerUrl: node.peerUrl };
    }
  }
  if (learner && alive(learner) && voters.length < WANTED_VOTERS) {
    const wanted = voters.length > 1 || spare !== undefined;
    if (wanted && voters.every(alive)) {
      return { kind: "promote", id: learner.id, name: learner.name };
    }
  }
  if (!learner && spare && voters.length < WANTED_VOTERS) {
    return { kind: "add", name: spare.name, peerUrl: spare.peerUrl };
  }
  return undefined;
}
