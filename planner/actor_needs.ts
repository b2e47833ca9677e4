/**
 * What the custom actors of a graph need, and what nodes have for them.
 *
 * @module
 */
import { type Graph, graphPaths } from "../actors/mod.ts";
import { ACTOR_ENDS, type ActorHost, type ActorNeeds } from "./place_actors.ts";
import type { Plan } from "./types.ts";

/** What is known of a graph's actors beside its file. */
export interface NeedsParts {
  /** The node with the graph file, whose files and variables the file names. */
  readonly home: string;
  /** The node that a `host` of the file means; undefined: none. */
  nodeOf(host: string): string | undefined;
}

/**
 * The needs of each custom actor. Where the file names no links, an actor on the way of requests
 * gets one message for each from `api`, one on the way of text one for each token, and any other is
 * taken to be asked by `api` and to ask the model.
 */
export function actorNeedsOf(graph: Graph, { home, nodeOf }: NeedsParts): ActorNeeds[] {
  const paths = graphPaths(graph);
  const names = graph.actors.custom.map(({ name }) => name);
  return graph.actors.custom.map(({ name, needs, permissions: { read, env }, host }) => {
    const onPath = [
      ...(paths.request.includes(name) ? [{ to: "api", perRequest: 1 }] : []),
      ...(paths.delta.includes(name)
        ? [{ to: "api", perRequest: graph.workload.output_tokens }]
        : []),
    ];
    const beside = onPath.length > 0 ? onPath : ACTOR_ENDS.map((to) => ({ to, perRequest: 1 }));
    const edges = graph.edges.filter(({ from, to }) => from === name && names.includes(to))
      .map(({ to }) => ({ to, perRequest: 1 }));
    const links = needs.links?.map(({ to, per_request }) => ({ to, perRequest: per_request })) ??
      [...beside, ...edges];
    const granted = [...read.length > 0 ? ["files"] : [], ...env.length > 0 ? ["variables"] : []];
    const only = host !== undefined
      ? { host: nodeOf(host) ?? host, why: `the graph file names host ${host}` }
      : granted.length > 0
      ? { host: home, why: `it may read ${granted.join(" and ")}, which are those of ${home}` }
      : undefined;
    return {
      ...{ name, links, cores: needs.cores, trusted: needs.trusted },
      memoryBytes: needs.memory_bytes,
      ...(only && { only }),
    };
  });
}

/** A node, before anything is placed on it. */
export interface BareHost {
  /** Id of the node, or name in a file. */
  readonly name: string;
  /** Cores of its machine. */
  readonly cores: number;
  /** May it host actors that must be on a trusted node? */
  readonly trusted: boolean;
  /** Bytes of its memory. */
  readonly memoryBytes: number;
}

/** What a plan leaves to actors. `outputTokens`: tokens of an answer of the workload. */
export function actorHostsOf(
  hosts: readonly BareHost[],
  plan: Pick<Plan, "stages" | "solo"> | undefined,
  outputTokens: number,
): ActorHost[] {
  return hosts.map((host) => {
    const stages = plan?.stages.filter((stage) => stage.host === host.name) ?? [];
    const whole = plan?.solo?.host === host.name ? [plan.solo] : [];
    const bytes = [...stages, ...whole].reduce((sum, s) => sum + s.weight_bytes + s.kv_bytes, 0);
    const seconds = stages.reduce((sum, s) => sum + s.seconds_per_row, 0) * outputTokens;
    return { ...host, memoryBytes: host.memoryBytes - bytes, stageSeconds: seconds };
  });
}
