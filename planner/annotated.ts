/**
 * Adds facts to a finished plan.
 *
 * @module
 */
import type { Plan } from "./types.ts";

/** Facts that whoever asked for a plan knows and the planner does not. */
export interface Annotations {
  /** Replaces the reason of every stage. @default the planner's reasons */
  stageWhy?: string;
  /** Replaces the reason of the wire format. @default the planner's reason */
  wireWhy?: string;
  /** Limits that also shape the plan; they follow the planner's. @default none */
  binding?: readonly string[];
}

/** A new plan with these facts. `plan` itself is not changed. */
export function annotated(
  plan: Plan,
  { stageWhy, wireWhy, binding = [] }: Annotations,
): Plan {
  return {
    ...plan,
    stages: plan.stages.map((stage) => ({ ...stage, why: stageWhy ?? stage.why })),
    wire: { ...plan.wire, why: wireWhy ?? plan.wire.why },
    binding: [...plan.binding, ...binding],
  };
}
