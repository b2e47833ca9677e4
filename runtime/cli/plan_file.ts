/**
 * The plan of a graph file, for `plan` and `simulate`: one function, so that both show the same
 * placement for the same file.
 *
 * @module
 */
import type { Graph } from "../../actors/mod.ts";
import { type Objective, type Plan, type PlanInput, withActors } from "../../planner/mod.ts";
import { planAs } from "../cluster/mod.ts";
import { UsageError } from "./fail.ts";
import { type GraphFiles, readGraph } from "./graph_input.ts";
import { announcing } from "./progress.ts";

/** What a plan may be made for. */
const OBJECTIVES: readonly Objective[] = ["latency", "throughput", "blended"];

/** A graph file with the plan for it. */
export interface PlannedFile {
  graph: Graph;
  /** What the plan was made for. */
  input: PlanInput;
  /** The plan, with the hosts of custom actors. */
  plan: Plan;
}

/** What is planned for in place of what the file says. */
export interface PlanChanges {
  objective?: Objective;
  workload?: Partial<PlanInput["workload"]>;
}

/** The value of `--objective`. Throws {@linkcode UsageError}. */
export function objectiveOption(text: string | undefined): Objective | undefined {
  const objective = OBJECTIVES.find((o) => o === text);
  if (text === undefined || objective) return objective;
  throw new UsageError(`--objective takes ${OBJECTIVES.join(", ")}, got ${JSON.stringify(text)}`);
}

/**
 * Reads and plans a graph file; no file is changed. Values of `changes` that are undefined leave
 * the file's. Throws what {@linkcode readGraph} throws, and group `planner`, code `infeasible`.
 */
export async function planFile(
  file: string,
  files: GraphFiles,
  { objective, workload = {} }: PlanChanges = {},
): Promise<PlannedFile> {
  const { graph, input: read } = await readGraph(file, files);
  const given = Object.entries(workload).filter(([, value]) => value !== undefined);
  const input: PlanInput = {
    ...read,
    objective: objective ?? read.objective,
    workload: { ...read.workload, ...Object.fromEntries(given) },
  };
  const { length } = input.devices;
  const made = announcing(
    `planning ${length} device${length === 1 ? "" : "s"}`,
    () => planAs(input, graph),
  );
  return { graph, input, plan: withActors(made, graph, input) };
}
