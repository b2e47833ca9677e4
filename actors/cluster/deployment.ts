/**
 * A deployment: one model, cut into stages, each at a node. Another placement is another
 * deployment, with stage actors of its own; requests that run finish on the one they began with.
 *
 * @module
 */
import { z } from "zod";
import { type Address } from "../system/mod.ts";
import { flowSchema } from "../graph/mod.ts";
import { shapeSchema, stageAddress } from "../pipeline/mod.ts";

/** First part of the addresses of the actors that run the cluster itself. */
export const SYSTEM = "orrery";

/** A node and where its mailbox listens. */
export const memberSchema = z.object({
  node: z.string().min(1).max(128),
  host: z.string().min(1),
  port: z.number().int().min(1).max(65535),
  cores: z.number().int().positive(),
  memory_bytes: z.number().nonnegative(),
});

/** See {@linkcode memberSchema}. */
export type Member = z.infer<typeof memberSchema>;

/** See the module's text. */
export const deploymentSchema = z.object({
  /** First part of the addresses of its actors. */
  id: z.string(),
  /** Model name in the store of `source`. */
  model: z.string(),
  /** Node from whose store missing weights are fetched. */
  source: z.string(),
  stages: z.array(z.object({
    node: z.string(),
    /** First and last layer, inclusive. */
    first: z.number().int().nonnegative(),
    last: z.number().int().nonnegative(),
  })).min(1),
  members: z.array(memberSchema),
  /** The drafter, if there is one: a whole small model at one node. */
  draft: z.object({ node: z.string(), model: z.string(), source: z.string() }).optional(),
  /** How the plan says that requests run. */
  shape: shapeSchema.default(() => shapeSchema.parse({})),
  /** Custom actors that requests pass; undefined: none. */
  flow: flowSchema.optional(),
  /** The whole plan, for people: what `GET /api/plan` serves. */
  plan: z.record(z.string(), z.unknown()).optional(),
});

/** See {@linkcode deploymentSchema}. */
export type Deployment = z.infer<typeof deploymentSchema>;

/** Addresses of the stages in order. */
export function stageAddresses(deployment: Deployment): Address[] {
  return deployment.stages.map((_, i) => stageAddress(deployment.id, i));
}
