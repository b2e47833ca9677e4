/**
 * Finds the models that the first node serves, and completes its graph.
 *
 * @module
 */
import { type Graph, parseGraph } from "../../actors/mod.ts";
import type { StoredModel } from "../../models/mod.ts";
import {
  type DraftChoice,
  type ModelChoice,
  type ModelFinder,
  resolveDraft,
  resolveModel,
} from "./resolve_model.ts";

/** Options of {@linkcode resolveGraph}; those that are given override the graph. */
export interface GraphChoice extends ModelChoice {
  /** Draft model, `none` or `ngram`. @default the graph's, else the embedded model's own */
  draft?: string;
  /** The graph file. @default a graph that names the model alone */
  graph?: Graph;
}

/** What the first node serves. */
export interface ResolvedGraph {
  /** The model that answers. */
  target: StoredModel;
  /** The draft model; undefined: there is none. */
  draft?: DraftChoice;
  /** The graph, with the drafter that the options and the file come to. */
  graph: Graph;
}

/** Target model, draft model and graph. Throws as {@linkcode resolveModel}. */
export async function resolveGraph(
  store: ModelFinder,
  options: GraphChoice,
): Promise<ResolvedGraph> {
  const { graph, onProgress } = options;
  const stated = graph?.actors.drafter ?? "auto";
  const draft = options.draft ??
    (typeof stated === "object" ? stated.model : stated === "auto" ? undefined : stated);
  const choice: ModelChoice = {
    model: options.model ?? graph?.model?.name,
    precision: options.precision ?? graph?.model?.precision,
    onProgress,
  };
  const target = await resolveModel(store, choice);
  const base = graph ??
    parseGraph(JSON.stringify({ model: target.manifest.name }), { file: "defaults" });
  const drafter = draft === "none" || draft === "ngram"
    ? draft
    : typeof stated === "object"
    ? stated
    : "auto";
  return {
    target,
    draft: await resolveDraft(store, { target: choice, draft }),
    graph: { ...base, actors: { ...base.actors, drafter } },
  };
}
