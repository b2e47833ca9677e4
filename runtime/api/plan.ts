/**
 * `GET /api/plan`: the plan that the served deployment was made by.
 *
 * @module
 */
import type { Deployment } from "../../actors/mod.ts";
import { apiError } from "./errors.ts";

/** What a node serves, and why there is nothing or no plan. */
export interface Serving {
  /** What answers requests; undefined: nothing does. */
  deployment?: Deployment;
  /** Why there is none, or what goes on. */
  reason: string;
}

/** The plan as JSON. Throws group `api`, code `not_found`, which says why there is none. */
export function planOf({ deployment, reason }: Serving): Record<string, unknown> {
  if (deployment?.plan) return deployment.plan;
  const why = deployment
    ? "the layers were placed without measurements (--layers, --placement even, or a single node in its first seconds)"
    : `nothing is served yet${reason ? `: ${reason}` : ""}`;
  throw apiError("not_found", `there is no plan: ${why}`);
}
