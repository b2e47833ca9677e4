/**
 * A thread that makes one plan, see `plan_beside.ts`.
 *
 * @module
 */
import { type Graph, toOrreryError, type WireError } from "../../actors/mod.ts";
import type { Plan, PlanInput } from "../../planner/mod.ts";
import { planAs } from "./plan_as.ts";

/** What the thread is asked. */
export interface PlanQuestion {
  input: PlanInput;
  graph: Pick<Graph, "decode">;
}

/** What it answers. */
export type PlanAnswer = { plan: Plan } | { error: WireError };

function answer({ input, graph }: PlanQuestion): PlanAnswer {
  try {
    return { plan: planAs(input, graph) };
  } catch (error) {
    return { error: toOrreryError(error).toWire() };
  }
}

/** The part of a worker's scope that the library's types do not have. */
const scope = globalThis as unknown as {
  postMessage(message: PlanAnswer): void;
  onmessage: ((event: MessageEvent<PlanQuestion>) => void) | null;
};
scope.onmessage = ({ data }) => scope.postMessage(answer(data));
