/**
 * The planner's plan for an input that was made of a graph and of profiles. Pure.
 *
 * @module
 */
import type { Graph } from "../../actors/mod.ts";
import { annotated, type Plan, plan, type PlanInput } from "../../planner/mod.ts";

/**
 * The plan for this input. Where `withDefaults` (`plan_input.ts`) chose the wire format and not the
 * user, the plan says why. Throws what the planner throws.
 */
export function planAs(input: PlanInput, { decode }: Pick<Graph, "decode">): Plan {
  const made = plan(input);
  if (input.wire !== "f32" || decode.wire !== "auto") return made;
  const why = "the weights are f32, and so a split changes no bit";
  return annotated(made, { wireWhy: why });
}
