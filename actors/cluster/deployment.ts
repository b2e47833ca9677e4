/**
 * A deployment: one model, cut into stages, each on a node. A new placement is a new deployment
 * with stage actors of its own; running requests finish on the deployment with which they began.
 *
 * @module
 */
import { z } from "zod";
import { type Address } from "../system/mod.ts";
import { flowSchema } from "../graph/mod.ts";
import { HEAD_PARTS, headAddress, shapeSchema, stageAddress } from "../pipeline/mod.ts";

/** First part of the addresses of the actors that run the cluster itself. */
export const SYSTEM = "orrery";

/** A node as the cluster's membership lists it. */
export const memberSchema = z.object({
  /** Id of the node. */
  node: z.string().min(1).max(128),
  /** Network host on which its mailbox listens. */
  host: z.string().min(1),
  /** TCP port on which its mailbox listens. */
  port: z.number().int().min(1).max(65535),
  /** CPU cores of its machine. */
  cores: z.number().int().positive(),
  /** Memory of its machine in bytes. */
  memory_bytes: z.number().nonnegative(),
});

/** See {@linkcode memberSchema}. */
export type Member = z.infer<typeof memberSchema>;

/** A node's share of the LM head. */
export const headShardSchema = z.object({
  /** Node that computes it. */
  node: z.string(),
  /** First part, 0-based. */
  first_part: z.number().int().nonnegative().max(HEAD_PARTS - 1),
  /** Last part, inclusive. */
  last_part: z.number().int().nonnegative().max(HEAD_PARTS - 1),
});

/** See {@linkcode headShardSchema}. */
export type HeadShard = z.infer<typeof headShardSchema>;

const manifestSha256Schema = z.string().regex(/^[0-9a-f]{64}$/).optional();

/** A deployment; see the module's text. */
export const deploymentSchema = z.object({
  /** Id of the deployment; the first part of its actors' addresses. */
  id: z.string(),
  /**
   * How often layers were moved to other nodes under the same addresses since it was made; see
   * `repair.ts`. @default 0
   */
  revision: z.number().int().nonnegative().optional(),
  /** Name of what is deployed. @default "default" */
  name: z.string().optional(),
  /** Number of the copy, from 0. @default 0 */
  copy: z.number().int().nonnegative().optional(),
  /** Name of the model in the store of `source`. */
  model: z.string(),
  /** Node that had the model when the deployment was made; others may have it by now. */
  source: z.string(),
  /** SHA-256 of the model's manifest; undefined: an earlier version made the deployment. */
  manifest_sha256: manifestSha256Schema,
  /** The stages, in pipeline order. */
  stages: z.array(z.object({
    /** Node that runs the stage. */
    node: z.string(),
    /** First layer of the stage, 0-based. */
    first: z.number().int().nonnegative(),
    /** Last layer of the stage, 0-based, inclusive. */
    last: z.number().int().nonnegative(),
  })).min(1),
  /**
   * The node that also has a stage with all layers, for requests that are quicker on one node;
   * undefined: none has. `warm` false: it is loaded with the first request that takes it, else at
   * once.
   */
  solo: z.object({ node: z.string(), warm: z.boolean().optional() }).optional(),
  /**
   * Nodes that share the LM head: parts 0 to 7 in order, each once; undefined: the last stage has
   * all of it.
   */
  head: z.array(headShardSchema).min(1).max(HEAD_PARTS).optional(),
  /** Every node of the cluster when it was made, with or without a stage. */
  members: z.array(memberSchema),
  /**
   * The drafter: its node, and the name of the draft model in the store of `source`; undefined:
   * none.
   */
  draft: z.object({
    node: z.string(),
    model: z.string(),
    source: z.string(),
    /** SHA-256 of the draft model's manifest. */
    manifest_sha256: manifestSha256Schema,
    /** Tokens that its LM head has, the most frequent ones; undefined: all. */
    vocabulary: z.number().int().positive().optional(),
  }).optional(),
  /** How requests run on it, as planned. */
  shape: shapeSchema.default(() => shapeSchema.parse({})),
  /** Custom actors on the way of requests and answers; undefined: none. */
  flow: flowSchema.optional(),
  /** The whole plan, which `GET /api/plan` serves; undefined: nothing was planned. */
  plan: z.record(z.string(), z.unknown()).optional(),
}).superRefine(({ head = [] }, ctx) => {
  const next = head.reduce(
    (from, { first_part, last_part }) =>
      first_part === from && last_part >= from ? last_part + 1 : NaN,
    0,
  );
  if (head.length > 0 && next !== HEAD_PARTS) {
    const parts = head.map((h) => `${h.first_part}-${h.last_part}`).join(", ");
    const message = `parts ${parts} of the LM head are not 0 to ${HEAD_PARTS - 1} in order`;
    ctx.addIssue({ code: "custom", path: ["head"], message });
  }
});

/** See {@linkcode deploymentSchema}. */
export type Deployment = z.infer<typeof deploymentSchema>;

/** Addresses of the shards of its LM head, in the order of their parts; none: it is not shared. */
export function headAddresses({ id, head = [] }: Deployment): Address[] {
  return head.map((_, i) => headAddress(id, i));
}

/**
 * For each shard of its LM head, the index of the stage that is on the same node; undefined: none
 * is.
 */
export function shardStages({ stages, head = [] }: Deployment): (number | undefined)[] {
  return head.map(({ node }) => {
    const at = stages.findIndex((stage) => stage.node === node);
    return at < 0 ? undefined : at;
  });
}

/** Nodes without which the deployment cannot answer: those of its stages and of its LM head. */
export const servingNodes = (
  { stages, head = [] }: Pick<Deployment, "stages" | "head">,
): string[] => [
  ...new Set([...stages, ...head].map(({ node }) => node)),
];

/** Addresses of the deployment's stages, in pipeline order. */
export function stageAddresses(deployment: Deployment): Address[] {
  return deployment.stages.map((_, i) => stageAddress(deployment.id, i));
}
