/**
 * The next revision of a deployment: the same layer ranges under the same addresses, some of them at
 * other nodes. Nodes are gone and their backups take over, or layers move while all nodes live. What
 * stays where it is goes on; the arbiters have the rest rebuilt (`pipeline/rebuild.ts`). Pure.
 *
 * @module
 */
import { shapeSchema } from "../pipeline/mod.ts";
import { atBackups, type BackupOptions, layersAt } from "./backups.ts";
import { type Deployment, type HeadShard, type Member, servingNodes } from "./deployment.ts";
import type { DeploymentPlacement } from "./placement.ts";

/** The stages and shards of a deployment that are at other nodes in another revision of it. */
export interface MovedParts {
  /** Indices of the stages. */
  stages: number[];
  /** Indices of the shards of the LM head. */
  heads: number[];
}

/** What is at other nodes in `after` than in `before`, another revision of it. */
export function movedParts(
  before: Pick<Deployment, "stages" | "head">,
  after: Pick<Deployment, "stages" | "head">,
): MovedParts {
  const moved = (was: readonly { node: string }[] = [], is: readonly { node: string }[] = []) =>
    [...is.keys()].filter((i) => was[i]?.node !== is[i].node);
  return { stages: moved(before.stages, after.stages), heads: moved(before.head, after.head) };
}

/**
 * The next revision of a deployment, with its parts at the nodes of another placement of the same
 * model. Undefined: that is no move, since layers or parts of the head are cut elsewhere.
 */
export function movedTo(
  deployment: Deployment,
  placement: DeploymentPlacement,
  members: readonly Member[],
): Deployment | undefined {
  const cuts = ({ stages, head = [] }: Pick<Deployment, "stages" | "head">) =>
    JSON.stringify([
      stages.map(({ first, last }) => [first, last]),
      head.map(({ first_part, last_part }) => [first_part, last_part]),
    ]);
  if (cuts(deployment) !== cuts(placement)) return undefined;
  const { stages, head, solo, draft, plan, flow, shape = shapeSchema.parse({}) } = placement;
  if (shape.wire !== deployment.shape.wire) return undefined; // what was kept has this format
  return {
    ...deployment,
    stages,
    head,
    solo,
    draft,
    plan,
    flow,
    shape,
    revision: (deployment.revision ?? 0) + 1,
    members: [...members],
  };
}

/** Whether every node is a member without which the deployment cannot answer. */
export const isWhole = (
  deployment: Pick<Deployment, "stages" | "head">,
  members: ReadonlyMap<string, unknown>,
): boolean => servingNodes(deployment).every((node) => members.has(node));

/** Options of {@linkcode repaired}. */
export interface RepairedOptions {
  /** All members. */
  members: readonly Member[];
  /** Members on which layers may be placed. */
  able: readonly Member[];
  /** Members that do not answer, and count as gone. @default none */
  away?: ReadonlySet<string>;
  /** Members that can take nothing over. @default none */
  full?: ReadonlySet<string>;
  /** Bytes that a placement takes at each node; see {@linkcode BackupOptions}. @default not known */
  bytesAt?: BackupOptions["bytesAt"];
}

/**
 * The next revision of a deployment, without the nodes that are no members: each stage that was there
 * goes to its backup (`backups.ts`), each shard of the head to a node that has one or, where none is
 * left, to that of the last stage, and the drafter to a member with few layers. Undefined: that cannot
 * be, since nobody who is here can take the layers.
 */
export function repaired(
  deployment: Deployment,
  { members, able, away, full, bytesAt }: RepairedOptions,
): Deployment | undefined {
  const isThere = ({ node }: Member) => !away?.has(node);
  const here = new Set(members.filter(isThere).map(({ node }) => node));
  const takers = able.filter((member) => isThere(member) && !full?.has(member.node));
  const stages = atBackups(deployment, { here, takers, bytesAt });
  if (!stages) return undefined;
  const { head, solo, draft, revision = 0 } = deployment;
  return {
    ...deployment,
    revision: revision + 1,
    stages,
    ...(head && { head: withoutGone(head, here, stages.at(-1)!.node) }),
    solo: solo && here.has(solo.node) ? solo : undefined,
    draft: withDrafter(draft, { here, able, stages }),
    members: [...members],
  };
}

/** The member with the fewest of these layers, of several the first one; undefined: there is none. */
function leastLayers(
  able: readonly Member[],
  stages: Deployment["stages"],
): string | undefined {
  const layers = ({ node }: Member) => layersAt(stages, node);
  return able.toSorted((a, b) => layers(a) - layers(b))[0]?.node;
}

/** The drafter at a node that is here. */
function withDrafter(
  draft: Deployment["draft"],
  { here, able, stages }: {
    here: ReadonlySet<string>;
    able: readonly Member[];
    stages: Deployment["stages"];
  },
): Deployment["draft"] {
  if (!draft || here.has(draft.node)) return draft;
  const node = leastLayers(able, stages);
  return node === undefined ? undefined : { ...draft, node };
}

/** Gives shards of nodes that are gone to the node of the nearest one that is left. */
function withoutGone(head: readonly HeadShard[], here: ReadonlySet<string>, last: string) {
  return head.map((shard, i): HeadShard => {
    if (here.has(shard.node)) return shard;
    const [nearest] = [...head.keys()].filter((k) => here.has(head[k].node))
      .sort((a, b) => Math.abs(a - i) - Math.abs(b - i));
    return { ...shard, node: nearest === undefined ? last : head[nearest].node };
  });
}
