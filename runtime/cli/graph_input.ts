/**
 * Graph and device files for commands: reads them, finds the model and the devices that they mean.
 *
 * @module
 */
import { join } from "node:path";
import {
  type DeviceFile,
  type Graph,
  type GraphLink,
  OrreryError,
  parseDevices,
  parseGraph,
} from "../../actors/mod.ts";
import { type Manifest, ModelStore } from "../../models/mod.ts";
import {
  type Device,
  devicesOf,
  linksOf,
  type ModelShape,
  paperDraft,
  paperModelOf,
  type PlanInput,
  planInputOf,
} from "../../planner/mod.ts";
import { modelShape } from "../planning.ts";
import { deviceOf, geometryHash, loadProfiles, type Profile } from "../profile/mod.ts";

/** What {@linkcode readGraph} may be told. */
export interface GraphFiles {
  /** A device file, in place of the devices and links of the graph. */
  devices?: string;
  /** Folder of models and profiles. */
  data: string;
}

/** A graph file and all that planning needs of it. */
export interface GraphInput {
  graph: Graph;
  input: PlanInput;
}

/** A stage may take this share of its machine's memory: while it loads, its weights are there twice. */
const LOADED_SHARE = 0.5;

/**
 * Reads a graph file and resolves model, devices and links. Changes nothing. Throws group `graph`: `unreadable`, `bad_graph`,
 * `no_profile`, `no_model`, `unknown_host`, `missing_link`.
 */
export async function readGraph(
  file: string,
  { devices: deviceFile, data }: GraphFiles,
): Promise<GraphInput> {
  const graph = parseGraph(await read(file), { file });
  const given = deviceFile === undefined
    ? undefined
    : parseDevices(await read(deviceFile), { file: deviceFile });
  const described = given?.devices ?? (graph.devices === "measured" ? undefined : graph.devices);
  const links = given && given.links.length > 0 ? given.links : graph.links;
  const paper = paperModelOf(graph);
  if (described) {
    const model = paper ?? modelShape(await manifestOf(graph, data));
    return await inputOf(graph, { model, devices: devicesOf(described, model), described, links, data });
  }
  const manifest = await manifestOf(graph, data);
  const devices = measuredDevices(manifest, await loadProfiles(data));
  return await inputOf(graph, { model: modelShape(manifest), devices, links, data });
}

interface Parts {
  model: ModelShape;
  devices: Device[];
  described?: DeviceFile["devices"];
  links: GraphLink[];
  data: string;
}

async function inputOf(graph: Graph, { model, devices, described, links, data }: Parts): Promise<GraphInput> {
  const { drafter } = graph.actors;
  const named = typeof drafter === "object" && !drafter.shape;
  const known = named ? modelShape(await storedModel(drafter.model, data)) : undefined;
  const draft = paperDraft({ graph, described, model, devices, draft: known });
  const matrices = linksOf(links, devices.map((d) => d.name));
  return { graph, input: planInputOf(graph, { model, devices, links: matrices, draft }) };
}

/** Machines that `deno task profile` has measured with this model, newest measurement each. */
function measuredDevices(manifest: Manifest, profiles: Profile[]): Device[] {
  const geometry = geometryHash(manifest);
  const found = new Map<string, Device>();
  for (const profile of profiles) {
    const { machine } = profile.key;
    if (profile.key.geometry !== geometry || profile.key.precision !== manifest.precision) continue;
    // two nodes of one machine with different limits on processor time are two devices
    const share = Math.round(100 * profile.cpu_share);
    const name = share >= 90 ? machine.hostname : `${machine.hostname}:${share}%`;
    if (!found.has(name)) {
      found.set(name, deviceOf(profile, { name, memoryBytes: LOADED_SHARE * machine.memory_bytes }));
    }
  }
  if (found.size > 0) return [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  throw new OrreryError({
    group: "graph",
    code: "no_profile",
    message:
      `no machine is measured with ${manifest.name} yet; run deno task profile, describe devices in the graph ` +
      `file, or give --devices FILE`,
    metadata: { model: manifest.name },
  });
}

async function manifestOf({ model, model_shape }: Graph, data: string): Promise<Manifest> {
  const name = model?.name;
  if (name === undefined) {
    throw new OrreryError({
      group: "graph",
      code: "no_model",
      message:
        `a model on paper (${
          model_shape?.preset ?? model_shape?.name ?? "model_shape"
        }) has no measured devices; ` +
        `describe devices in the graph file or give --devices FILE`,
    });
  }
  return await storedModel(name, data);
}

async function storedModel(name: string, data: string): Promise<Manifest> {
  const known = await Deno.stat(join(data, "models")).then(() => true, () => false);
  if (!known || /[\\/]/.test(name)) {
    throw new OrreryError({
      group: "graph",
      code: "no_model",
      message:
        `model ${name} is not in the store ${data}; add it with deno task models add, or describe it by its dimensions`,
      metadata: { model: name },
    });
  }
  return (await (await ModelStore.open(data)).get(name)).manifest;
}

async function read(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    throw new OrreryError({
      group: "graph",
      code: "unreadable",
      message: `${file} cannot be read: ${error instanceof Error ? error.message : error}`,
      metadata: { file },
      cause: error,
    });
  }
}
