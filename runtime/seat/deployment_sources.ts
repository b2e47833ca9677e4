/**
 * What the coordinator deploys under other names than the default one: finds the models of graph files
 * that are applied, in its own store or at the members, and plans for them.
 *
 * @module
 */
import {
  type ActorSystem,
  type AskedDeployment,
  type DeploymentPlacement,
  type DeploymentSource,
  type DeploymentSources,
  type Graph,
  hasCode,
  OrreryError,
  parseGraph,
  type PlaceDeployment,
  type Registry,
} from "../../actors/mod.ts";
import type { Manifest, ModelStore } from "../../models/mod.ts";
import { isPathText } from "../../models/path_text.ts";
import { placementBytes, Placer } from "../cluster/mod.ts";
import { EMBEDDED, resolveGraph } from "../serve/mod.ts";
import { type EnsureModelOptions, manifestSha256 } from "../weights/mod.ts";
import { AppliedActors } from "./applied_actors.ts";
import type { GraphActors } from "./graph_actors.ts";
import type { ServedGraph } from "./served_graph.ts";

/** Options of {@linkcode deploymentSources}. */
export interface DeploymentSourcesOptions {
  system: ActorSystem;
  store: ModelStore;
  /** What the cluster was started with. */
  served: ServedGraph;
  /** The placer of that, which knows the links. */
  placer: Placer;
  /** Ids of the members, any of which may have a model. */
  members: () => readonly string[];
  /** Fetches what this node's store lacks of a model. */
  ensure: (options: EnsureModelOptions) => Promise<unknown>;
  /** Has the modules of custom actors that were applied in an earlier term. */
  registry: Pick<Registry, "get">;
  /** Folder in which the files of modules lie. */
  modules: string;
  /** Has custom actors run. */
  actors: Pick<
    GraphActors,
    "put" | "remove" | "place" | "placedOf" | "hostedOf" | "checkNames"
  >;
}

/** Resource `sources` of the cluster actor, and the names of all models that it has found. */
export function deploymentSources(
  options: DeploymentSourcesOptions,
): DeploymentSources & { models(): string[] } {
  const { target, draft, graph } = options.served;
  const found = new Set<DeploymentSource>();
  return {
    models: () => [...found].flatMap(({ model, draft }) => [model.model, ...draft ? [draft] : []]),
    main: {
      policy: graph.deployment,
      concurrent: graph.workload.concurrent,
      draft: draft?.manifest.name,
      bytesAt: (placed) => placementBytes(placed, target.manifest, draft?.manifest),
    },
    async open(asked, signal) {
      const source = await open(asked, signal, options);
      const { close } = source;
      const kept: DeploymentSource = {
        ...source,
        close() {
          found.delete(kept);
          close();
        },
      };
      found.add(kept);
      return kept;
    },
  };
}

async function open(
  asked: AskedDeployment,
  signal: AbortSignal,
  options: DeploymentSourcesOptions,
): Promise<DeploymentSource> {
  const { system, store, served, placer, members, ensure, actors } = options;
  const stated = parseGraph(asked.graph, { file: asked.file });
  refuse(stated, asked.file);
  actors.checkNames(asked.name, stated.actors.custom.map(({ name }) => name));
  await fetchText(stated, { system, store, members, ensure, signal });
  signal.throwIfAborted();
  const { target, draft, graph, why } = await resolveGraph(store, { graph: stated });
  const custom = await AppliedActors.load(asked, graph, options);
  const own = new Placer({
    ...{ system, graph, manifest: target.manifest, draft: draft?.manifest },
    acceptance: draft?.acceptance,
    ...{ found: draft?.found, draftWhy: why },
    links: placer.linkWatch,
    like: served.target.manifest,
  });
  const place: PlaceDeployment = async (all, within) => {
    const placed = await own.place(all, within);
    return custom ? custom.placed(all, placed, within) : placed;
  };
  return {
    begin: custom && ((signal) => custom.begin(signal)),
    inherit: custom && (() => custom.close()),
    actors: custom && (() => actors.hostedOf(asked.name)),
    end: custom && (() => actors.remove(asked.name)),
    model: {
      model: target.manifest.name,
      source: system.node,
      manifest_sha256: manifestSha256(target.manifest),
    },
    draft: draft?.manifest.name,
    policy: graph.deployment,
    concurrent: graph.workload.concurrent,
    asked,
    content: contentOf(graph, asked, [target.manifest, ...draft ? [draft.manifest] : []]),
    place,
    bytesAt: (placed: DeploymentPlacement) =>
      placementBytes(placed, target.manifest, draft?.manifest),
    close() {
      own.close();
      custom?.close();
    },
  };
}

/** See {@linkcode DeploymentSource.content}. */
function contentOf(
  graph: Graph,
  { modules }: AskedDeployment,
  manifests: readonly Manifest[],
): string {
  const hashes = Object.entries(modules).map(([name, { sha256 }]) => [name, sha256]).sort();
  const { min: _min, max: _max, keep_warm: _warm, idle: _idle, ...rest } = graph.deployment;
  return JSON.stringify([{ ...graph, deployment: rest }, hashes, manifests.map(manifestSha256)]);
}

/** Throws `not_applicable` for what only the graph of the first node can have. */
function refuse(graph: Graph, file: string): void {
  const { model, actors: { custom } } = graph;
  const reads = custom.findIndex(({ permissions: { read, env } }) => read.length + env.length > 0);
  const why = reads >= 0
    ? `actors.custom[${reads}].permissions: expected net alone; files and variables of a node are ` +
      "granted by the graph file that the first node was started with"
    : model === undefined
    ? "model: expected the name of a model in the store; a model_shape is on paper only"
    : isPathText(model.name)
    ? `model: expected a name in the store, found ${JSON.stringify(model.name)}; add the model ` +
      "first (deno task models add)"
    : undefined;
  if (why === undefined) return;
  throw new OrreryError({
    group: "graph",
    code: "not_applicable",
    message: `${file}: ${why}`,
    metadata: { file },
  });
}

/** Fetches manifest and text files of the models that this node's store lacks, from any member. */
async function fetchText(
  { model, actors: { drafter } }: Graph,
  { system, store, members, ensure, signal }:
    & Pick<DeploymentSourcesOptions, "system" | "store" | "members" | "ensure">
    & { signal: AbortSignal },
): Promise<void> {
  const names = [model!.name, ...(typeof drafter === "object" ? [drafter.model] : [])];
  for (const name of names) {
    if (name === EMBEDDED || await has(store, name)) continue;
    const others = members().filter((node) => node !== system.node);
    if (others.length === 0) continue; // the store then says that it is not there
    const from = { model: name, source: others[0], manifestSha256: undefined, members: others };
    await ensure({ ...from, layers: [], parts: [], signal });
  }
}

async function has(store: ModelStore, name: string): Promise<Manifest | undefined> {
  try {
    return (await store.get(name)).manifest;
  } catch (error) {
    if (hasCode(error, "model_not_found")) return undefined;
    throw error;
  }
}
