/**
 * A plan with the hosts of the graph's custom actors, for a cluster on paper or measured.
 *
 * @module
 */
import type { Graph } from "../actors/mod.ts";
import { actorHostsOf, actorNeedsOf } from "./actor_needs.ts";
import { placeActors } from "./place_actors.ts";
import type { Plan, PlanInput } from "./types.ts";

/** Cores of a device whose file does not say. */
const USUAL_CORES = 4;

/** The plan with `actors`; the plan itself where the graph has no custom actors. */
export function withActors(
  plan: Plan,
  graph: Graph,
  { devices, links, constraints }: Pick<PlanInput, "devices" | "links" | "constraints">,
): Plan {
  if (graph.actors.custom.length === 0) return plan;
  const names = devices.map(({ name }) => name);
  const described = graph.devices === "measured" ? [] : graph.devices;
  const bare = devices.map(({ name, trusted, memoryBytes }) => ({
    ...{ name, trusted, memoryBytes },
    cores: described.find((d) => d.name === name)?.cores ?? USUAL_CORES,
  }));
  const used = [...bare.keys()].filter((d) => !constraints.exclude.includes(names[d]));
  const nodeOf = (host: string) =>
    names.find((name) => name === host || name.startsWith(`${host}:`));
  const actors = placeActors({
    actors: actorNeedsOf(graph, { home: plan.coordinator, nodeOf }),
    hosts: actorHostsOf(used.map((d) => bare[d]), plan, graph.workload.output_tokens),
    seconds: used.map((from) => used.map((to) => links.seconds[from][to])),
    ...{ api: plan.coordinator, model: plan.stages[0].host },
  });
  return { ...plan, actors };
}
