/**
 * What the cluster serves: as this node was told by its options, or as another coordinator has noted
 * it in the registry.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { graphText, hasCode, parseGraph } from "../../actors/mod.ts";
import type { ModelStore, Precision, StoredModel } from "../../models/mod.ts";
import { checkRanges, type LayerRange } from "../../planner/mod.ts";
import {
  type DraftChoice,
  EMBEDDED,
  type GraphChoice,
  type ModelChoice,
  type ResolvedGraph,
  resolveDraft,
  resolveGraph,
  resolveModel,
} from "../serve/mod.ts";
import type { MainGraph } from "./cluster_contents.ts";

const log = getLogger(["orrery", "coordinator"]);

/** What a term serves, found in this node's store. */
export interface ServedGraph extends ResolvedGraph {
  /** How it is noted for the next coordinator. */
  main: MainGraph;
}

/** What the options of a node say about what is served. */
export interface GraphOptions extends GraphChoice {
  /** Path of the graph file. */
  graphFile?: string;
  /** Layers of each node, in the order in which nodes join. */
  layers?: LayerRange[];
  placement?: "planned" | "even";
  /** Number of nodes to wait for. */
  nodes: number;
}

/**
 * What this node's options say. Throws as `resolveGraph`, and `bad_layers` (group `cluster`) where
 * the layers are not those of the model.
 */
export async function ownGraph(store: ModelStore, options: GraphOptions): Promise<ServedGraph> {
  const resolved = await resolveGraph(store, options);
  const { target: { manifest }, draft, graph } = resolved;
  const { layers, placement, nodes, graphFile } = options;
  if (layers) checkRanges(layers, manifest.geometry.layers);
  return {
    ...resolved,
    main: {
      text: graphText(graph),
      file: graphFile,
      model: manifest.name,
      draft: draft && {
        model: draft.manifest.name,
        acceptance: draft.acceptance,
        ...(draft.found && { found: true }),
      },
      layers,
      placement,
      nodes,
    },
  };
}

/**
 * What another coordinator has noted. The store of a member that has adopted a deployment has the
 * manifest and the text files of the model, and of the draft model where it drafted; without those no
 * drafts come from a model. The embedded models are part of the program. Throws `model_not_found`
 * (group `model`).
 */
export async function notedGraph(store: ModelStore, main: MainGraph): Promise<ServedGraph> {
  const graph = parseGraph(main.text, { file: main.file ?? "graph" });
  const target = await notedTarget(store, main.model);
  return { target, draft: await notedDraft(store, main), graph, main };
}

async function notedTarget(store: ModelStore, model: string): Promise<StoredModel> {
  try {
    return await store.get(model);
  } catch (error) {
    const embedded = embeddedChoice(model);
    if (!hasCode(error, "model_not_found") || !embedded) throw error;
    return await resolveModel(store, embedded);
  }
}

/** The embedded model of this name; undefined: it is another model's. */
function embeddedChoice(name: string): ModelChoice | undefined {
  const [, precision] = /^embedded(?:-(q4|q8|f16|f32))?$/.exec(name) ?? [];
  if (name !== EMBEDDED && !precision) return undefined;
  return { model: EMBEDDED, precision: precision as Precision | undefined };
}

async function notedDraft(
  store: ModelStore,
  { model, draft }: MainGraph,
): Promise<DraftChoice | undefined> {
  if (!draft) return undefined;
  try {
    const { manifest } = await store.get(draft.model);
    return { manifest, acceptance: draft.acceptance, found: draft.found };
  } catch (error) {
    if (!hasCode(error, "model_not_found")) throw error;
  }
  const embedded = embeddedChoice(model);
  if (embedded) return (await resolveDraft(store, { target: embedded })).draft;
  log.warn("no drafts come from {model}: this node, which coordinates now, does not have it", {
    model: draft.model,
  });
  return undefined;
}
