/**
 * A deployment: one model, cut into stages, each at a node. Another placement is another deployment, with stage actors of
 * its own; requests that run finish on the one they began with.
 *
 * @module
 */
import { z } from "zod";
import { type Address } from "./address.ts";
import { flowSchema } from "./custom.ts";
import { requestPolicySchema } from "./request_policy.ts";
import { stageAddress } from "./stage.ts";

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

/** How requests run on a deployment, as planned; each request may ask for something else. */
export const shapeSchema = z.object({
  /** Rows of the prompt pieces by prompt length, ascending: the first bucket that is not shorter holds. */
  pieces: z.array(z.object({
    prompt_tokens: z.number().int().positive(),
    rows: z.array(z.number().int().positive()).min(1),
  })).default([]),
  /** Longest draft that may pay; 0: no draft model pays; undefined: not planned. */
  draft_length: z.number().int().nonnegative().optional(),
  /** Outline branches at once. */
  max_branches: z.number().int().positive().default(8),
  /** Rows of several lanes in one frame. */
  rows_per_frame: z.number().int().positive().default(8),
  wire: z.enum(["f32", "f16", "int8"]).default("f32"),
  /** KV rows that every stage has memory for; undefined: not planned. */
  kv_rows: z.number().int().positive().optional(),
  /** What the graph file says of requests that do not say; undefined: nothing. */
  policy: requestPolicySchema.optional(),
});

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

/** See {@linkcode shapeSchema}. */
export type Shape = z.infer<typeof shapeSchema>;

/** See {@linkcode deploymentSchema}. */
export type Deployment = z.infer<typeof deploymentSchema>;

/** Addresses of the stages in order. */
export function stageAddresses(deployment: Deployment): Address[] {
  return deployment.stages.map((_, i) => stageAddress(deployment.id, i));
}
