/**
 * `GET /api/plan`: the plan from which the served deployment was made.
 *
 * @module
 */
import type { Deployment } from "../../actors/mod.ts";
import { apiError } from "./errors.ts";

/** What a node serves. */
export interface Serving {
  /** The deployment that answers requests; undefined: none does. */
  deployment?: Deployment;
  /** Why there is no deployment, or what the node is doing; may be empty. */
  reason: string;
}

/** The plan's JSON. Throws group `api`, code `not_found`; the message says why there is no plan. */
export function planOf({ deployment, reason }: Serving): Record<string, unknown> {
  if (deployment?.plan) return deployment.plan;
  const why = deployment
    ? "the layers were placed without measurements (--layers, --placement even, or a single node in its first seconds)"
    : `nothing is served yet${reason ? `: ${reason}` : ""}`;
  throw apiError("not_found", `there is no plan: ${why}`);
}
