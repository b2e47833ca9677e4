/**
 * Finds the models that the first node serves, and completes its graph.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Graph, OrreryError, parseGraph } from "../../actors/mod.ts";
import type { Manifest, StoredModel } from "../../models/mod.ts";
import {
  type DraftChoice,
  type ModelChoice,
  type ModelFinder,
  resolveDraft,
  resolveModel,
} from "./resolve_model.ts";

const log = getLogger(["orrery", "models"]);

/** Options of {@linkcode resolveGraph}; those that are given override the graph. */
export interface GraphChoice extends ModelChoice {
  /** Draft model, `auto`, `none` or `ngram`. @default the graph's, else `auto` */
  draft?: string;
  /** Called with the draft model that was found and why, or why none was where `auto` asks for one. */
  onDraft?: (why: string) => void;
  /** The graph file. @default a graph that names the model alone */
  graph?: Graph;
}

/** What the first node serves. */
export interface ResolvedGraph {
  /** The model that answers. */
  target: StoredModel;
  /** The draft model; undefined: there is none. */
  draft?: DraftChoice;
  /** Which draft model was found and why, or why none was; undefined: none was looked for. */
  why?: string;
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
  const { graph, onProgress, onDraft = () => {} } = options;
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
    : typeof stated === "object" && options.draft !== "auto"
    ? stated
    : "auto";
  const { draft: chosen, why } = await resolveDraft(store, {
    target: choice,
    stored: target,
    draft,
  });
  if (why !== undefined) {
    log.info("drafts: {why}", { why });
    if (chosen || options.draft === "auto") onDraft(why);
  }
  if (chosen) checkVocabulary(drafter, chosen.manifest);
  return {
    target,
    draft: chosen,
    ...(why !== undefined && { why }),
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
