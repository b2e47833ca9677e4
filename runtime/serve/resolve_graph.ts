/**
 * Finds the models that the first node serves, and completes its graph.
 *
 * @module
 */
import { type Graph, OrreryError, parseGraph } from "../../actors/mod.ts";
import type { Manifest, StoredModel } from "../../models/mod.ts";
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

/**
 * Target model, draft model and graph. Throws as {@linkcode resolveModel} and
 * {@linkcode checkVocabulary}.
 */
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
  const chosen = await resolveDraft(store, { target: choice, draft });
  if (chosen) checkVocabulary(drafter, chosen.manifest);
  return {
    target,
    draft: chosen,
    graph: { ...base, actors: { ...base.actors, drafter } },
  };
}

/**
 * Throws group `graph`, code `bad_vocabulary`, where the graph gives the draft model's LM head more
 * tokens than the model has.
 */
export function checkVocabulary(
  drafter: Graph["actors"]["drafter"],
  { name, geometry }: Pick<Manifest, "name" | "geometry">,
): void {
  const asked = typeof drafter === "object" ? drafter.vocabulary : undefined;
  if (typeof asked !== "number" || asked <= geometry.vocab) return;
  const { vocab } = geometry;
  throw new OrreryError({
    group: "graph",
    code: "bad_vocabulary",
    message:
      `actors.drafter.vocabulary is ${asked}, and draft model ${name} has ${vocab} tokens; ` +
      `say 256 to ${vocab}, or whole`,
    metadata: { vocabulary: asked, tokens: vocab, model: name },
  });
}
