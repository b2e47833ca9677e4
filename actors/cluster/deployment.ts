/**
 * A deployment: one model, cut into stages, each on a node. A new placement is a new deployment
 * with stage actors of its own; running requests finish on the deployment with which they began.
 *
 * @module
 */
import { z } from "zod";
import { type Address } from "../system/mod.ts";
import { flowSchema } from "../graph/mod.ts";
import { shapeSchema, stageAddress } from "../pipeline/mod.ts";

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

/** A deployment; see the module's text. */
export const deploymentSchema = z.object({
  /** Id of the deployment; the first part of its actors' addresses. */
  id: z.string(),
  /** Name of the model in the store of `source`. */
  model: z.string(),
  /** Node from whose store the others fetch the weights that they lack. */
  source: z.string(),
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
   * undefined: none has.
   */
  solo: z.object({ node: z.string() }).optional(),
  /** Every node of the cluster when it was made, with or without a stage. */
  members: z.array(memberSchema),
  /**
   * The drafter: its node, and the name of the draft model in the store of `source`; undefined:
   * none.
   */
  draft: z.object({ node: z.string(), model: z.string(), source: z.string() }).optional(),
  /** How requests run on it, as planned. */
  shape: shapeSchema.default(() => shapeSchema.parse({})),
  /** Custom actors on the way of requests and answers; undefined: none. */
  flow: flowSchema.optional(),
  /** The whole plan, which `GET /api/plan` serves; undefined: nothing was planned. */
  plan: z.record(z.string(), z.unknown()).optional(),
});

/** See {@linkcode deploymentSchema}. */
export type Deployment = z.infer<typeof deploymentSchema>;

/** Addresses of the deployment's stages, in pipeline order. */
export function stageAddresses(deployment: Deployment): Address[] {
  return deployment.stages.map((_, i) => stageAddress(deployment.id, i));
}
