/**
 * Which custom actors stand before the model and behind it, by the edges of the graph.
 *
 *     api -> guard -> generation     requests pass guard
 *     generation -> filter -> api    text passes filter
 *
 * Several actors on a path run one after the other: in the order of the edges, and where these
 * leave it open in the order in which the file lists the actors. Other edges only say who sends to
 * whom; they put no actor on a path.
 *
 * @module
 */
import { API, type Graph } from "./schema.ts";

/** Names of the custom actors on each path, in the order in which they run. */
export interface GraphPaths {
  /** Actors that are asked before a request reaches the model. */
  request: string[];
  /** Actors that each piece of an answer's text passes on its way to the client. */
  delta: string[];
}

type Edges = Pick<Graph, "actors" | "edges">;

const GENERATION = "generation";

/** The paths of a parsed graph; see the module's text. */
export function graphPaths({ actors, edges }: Edges): GraphPaths {
  const custom = actors.custom.map((a) => a.name);
  return {
    request: between(API, GENERATION, { custom, edges }),
    delta: between(GENERATION, API, { custom, edges }),
  };
}

/**
 * Adds a problem for every edge that closes a circle of custom actors, or that leads from `api` or
 * `generation` to actors from which no edge leads on.
 */
export function checkPaths(
  { actors, edges }: Edges,
  source: { add(path: PropertyKey[], message: string): void },
): void {
  const custom = actors.custom.map((a) => a.name);
  const inner = edges.filter((e) => custom.includes(e.from) && custom.includes(e.to));
  for (const [i, edge] of edges.entries()) {
    if (!inner.includes(edge)) continue;
    const back = reachable(edge.to, inner);
    if (edge.from !== edge.to && !back.has(edge.from)) continue;
    const circle = [
      ...custom.filter((n) => n !== edge.from && back.has(n) && reachable(n, inner).has(edge.from)),
    ];
    source.add(
      ["edges", i],
      `expected edges without a circle, found ${
        edge.from === edge.to
          ? `${edge.from} to itself`
          : `one through ${[edge.from, ...circle].join(", ")}`
      }`,
    );
  }
  for (const [start, end] of [[API, GENERATION], [GENERATION, API]]) {
    for (const [i, edge] of edges.entries()) {
      if (edge.from !== start || !custom.includes(edge.to)) continue;
      const ends = new Set([edge.to, ...reachable(edge.to, inner)]);
      if (edges.some((e) => e.to === end && ends.has(e.from))) continue;
      // Otherwise a guard that stands on no path would look as if it guarded.
      source.add(["edges", i], `expected ${edge.to} to lead on to ${end}, found no edge that does`);
    }
  }
}

/** Custom actors on any path from one end to the other, in the order in which they run. */
function between(
  from: string,
  to: string,
  { custom, edges }: { custom: string[]; edges: Graph["edges"] },
): string[] {
  const inner = edges.filter((e) => custom.includes(e.from) && custom.includes(e.to));
  const ahead = new Set<string>();
  for (const { to: first } of edges.filter((e) => e.from === from && custom.includes(e.to))) {
    for (const name of [first, ...reachable(first, inner)]) ahead.add(name);
  }
  const lasts = new Set(edges.filter((e) => e.to === to).map((e) => e.from));
  const left = custom.filter((name) =>
    ahead.has(name) && [name, ...reachable(name, inner)].some((n) => lasts.has(n))
  );
  const order: string[] = [];
  while (left.length > 0) {
    // Without circles there is always an actor that no other must run before.
    const next = left.findIndex((name) =>
      !inner.some((e) => e.to === name && left.includes(e.from))
    );
    order.push(...left.splice(Math.max(0, next), 1));
  }
  return order;
}

/** Names that the edges lead to from `from`, in one step or more. */
function reachable(from: string, edges: Graph["edges"]): Set<string> {
  const found = new Set<string>();
  const open = [from];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const { from: start, to } of edges) {
      if (start !== name || found.has(to)) continue;
      found.add(to);
      open.push(to);
    }
  }
  return found;
}
