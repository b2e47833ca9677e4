/**
 * The text of a parsed graph file.
 *
 * @module
 */
import type { Graph } from "./schema.ts";

/** JSON text from which `parseGraph` makes this graph again. */
export function graphText(graph: Graph): string {
  const { actors, constraints } = graph;
  return JSON.stringify({
    ...graph,
    actors: {
      ...actors,
      stages: actors.stages === "auto" ? "auto" : actors.stages.map(withRange),
    },
    constraints: { ...constraints, pin: constraints.pin.map(withRange) },
  });
}

/** Layers as a file has them: `0-3`. */
const withRange = <T extends { layers: { first: number; last: number } }>(item: T) => ({
  ...item,
  layers: `${item.layers.first}-${item.layers.last}`,
});
