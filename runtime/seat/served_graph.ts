/**
 * What the cluster serves: as this node was told by its options, or as another coordinator has noted
 * it in the registry.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { graphText, hasCode, parseGraph } from "../../actors/mod.ts";
import type { ModelStore, Precision } from "../../models/mod.ts";
import { checkRanges, type LayerRange } from "../../planner/mod.ts";
import {
  type DraftChoice,
  EMBEDDED,
  type GraphChoice,
  type ResolvedGraph,
  resolveDraft,
  resolveGraph,
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
      draft: draft && { model: draft.manifest.name, acceptance: draft.acceptance },
      layers,
      placement,
      nodes,
    },
  };
}

/**
 * What another coordinator has noted. A member's store has the manifest and the text files of the
 * model, and of the draft model where it drafted; without them no drafts come from a model. Throws
 * `model_not_found` (group `model`).
 */
export async function notedGraph(store: ModelStore, main: MainGraph): Promise<ServedGraph> {
  const graph = parseGraph(main.text, { file: main.file ?? "graph" });
  const target = await store.get(main.model);
  return { target, draft: await notedDraft(store, main), graph, main };
}

async function notedDraft(
  store: ModelStore,
  { model, draft }: MainGraph,
): Promise<DraftChoice | undefined> {
  if (!draft) return undefined;
  try {
    const { manifest } = await store.get(draft.model);
    return { manifest, acceptance: draft.acceptance };
  } catch (error) {
    if (!hasCode(error, "model_not_found")) throw error;
  }
  // The embedded models are part of the program.
  const [, precision] = /^embedded(?:-(q4|q8|f16|f32))?$/.exec(model) ?? [];
  if (model === EMBEDDED || precision) {
    const target = { model: EMBEDDED, precision: precision as Precision | undefined };
    return await resolveDraft(store, { target });
  }
  log.warn("no drafts come from {model}: this node, which coordinates now, does not have it", {
    model: draft.model,
  });
  return undefined;
}
