/**
 * How many copies of a deployment there are, and when: the section `deployment` of a graph file.
 *
 * @module
 */
import { z } from "zod";
import { timeSchema } from "./units.ts";

/** Most copies of a deployment. */
const MOST_COPIES = 16;
/** Shortest and longest idle time, seconds. */
const IDLE_S = { least: 1, most: 30 * 86_400, usual: 300 };

const copies = z.int().min(0).max(MOST_COPIES);

const FIELDS = {
  min: copies.default(1).describe(
    "Copies that are loaded while there are requests; 0 as 1, with none of them kept",
  ),
  max: copies.min(1).optional().describe(
    "Most copies, where the cluster has room and requests wait; left out: as many as min",
  ),
  keep_warm: copies.optional().describe(
    "Copies that stay loaded without requests; 0: the next request waits until one is. Left out: min",
  ),
  idle: timeSchema.refine((s) => s >= IDLE_S.least && s <= IDLE_S.most, {
    error: "expected 1 s to 2592000 s",
  }).default(IDLE_S.usual).describe(
    "Time without requests after which the copies beyond keep_warm are unloaded",
  ),
  journal: z.boolean().default(true).describe(
    "Are requests journalled, so that they survive the node that took them?",
  ),
};

/** Schema of the section `deployment`; times in seconds. */
export const deploymentPolicySchema = z.strictObject(FIELDS, {
  error: (issue) =>
    issue.code === "unrecognized_keys"
      ? `expected one of ${Object.keys(FIELDS).join(", ")}`
      : undefined,
}).superRefine(({ min, max = Math.max(1, min), keep_warm = min }, context) => {
  const add = (path: string, message: string) =>
    context.addIssue({ code: "custom", path: [path], message });
  if (max < min) add("max", `expected at least min (${min})`);
  if (keep_warm > max) add("keep_warm", `expected at most max (${max})`);
});

/** See {@linkcode deploymentPolicySchema}. */
export type DeploymentPolicy = z.output<typeof deploymentPolicySchema>;
