/**
 * Graph and device files for commands: reads them, finds the model and the devices that they mean.
 *
 * @module
 */
import {
  type DeviceFile,
  type Graph,
  OrreryError,
  paperDimensions,
  parseDevices,
  parseGraph,
} from "../../actors/mod.ts";
import type { Manifest } from "../../models/mod.ts";
import {
  type Device,
  devicesOf,
  type DraftModel,
  linksOf,
  type ModelShape,
  paperDraft,
  paperModelOf,
  type PlanInput,
  planInputOf,
} from "../../planner/mod.ts";
import {
  fitting,
  LOADED_SHARE,
  modelShape,
  secondsPerToken as draftSeconds,
  withDefaults,
} from "../cluster/mod.ts";
import { deviceOf, geometryHash, loadProfiles, type Profile } from "../profile/mod.ts";
import { resolveDraft, resolveModel, USUAL_ACCEPTANCE } from "../serve/mod.ts";
import { StoreView } from "./store_view.ts";

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

/**
 * Reads a graph file and resolves model, devices and links. Changes nothing. Throws group `graph`:
 * `unreadable`, `bad_graph`, `no_profile`, `no_model`, `unknown_host`, `missing_link`.
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
  const paper = described && paperModelOf(graph);
  const store = new StoreView(data);
  const manifest = paper ? undefined : await manifestOf(graph, store);
  const model = paper ?? modelShape(manifest!);
  const precision = manifest?.precision ?? paperDimensions(graph.model_shape!).precision;
  const chosen = await draftOf(graph, { store, paper: paper !== undefined });
  const profiles = described ? [] : await loadProfiles(data);
  const devices = described ? devicesOf(described, model) : measuredDevices(manifest!, profiles);
  // What is served is never longer than the model's context; a plan on paper may be of what nobody
  // could serve.
  const workload = paper ? graph.workload : fitting(graph.workload, model.context);
  const fitted = { ...graph, workload };
  const draft = draftModel(fitted, { chosen, described, model, devices, profiles });
  const links = linksOf(
    given && given.links.length > 0 ? given.links : graph.links,
    devices.map((d) => d.name),
  );
  const input = planInputOf(fitted, { model, devices, links, draft });
  return { graph, input: withDefaults(input, { precision, acceptance: chosen?.acceptance }) };
}

/** A draft model of the store, or (without manifest) one that the graph describes. */
interface ChosenDraft {
  name: string;
  manifest?: Manifest;
  acceptance: number;
}

/** The draft model that `start` would take. */
async function draftOf(
  { actors: { drafter }, model }: Graph,
  { store, paper }: { store: StoreView; paper: boolean },
): Promise<ChosenDraft | undefined> {
  if (typeof drafter === "object" && drafter.shape) {
    return { name: drafter.model, acceptance: USUAL_ACCEPTANCE };
  }
  if (typeof drafter === "string" && paper) return undefined; // which one would suit it is not known
  const draft = typeof drafter === "object"
    ? drafter.model
    : drafter === "auto"
    ? undefined
    : drafter;
  const target = { model: model?.name, precision: model?.precision };
  const chosen = await resolveDraft(store, { target, draft });
  return chosen && { ...chosen, name: chosen.manifest.name };
}

interface DraftParts {
  chosen?: ChosenDraft;
  described?: DeviceFile["devices"];
  model: ModelShape;
  devices: Device[];
  profiles: Profile[];
}

/** As fast as it was measured on a device, else as the target's measurements let expect. */
function draftModel(
  graph: Graph,
  { chosen, described, model, devices, profiles }: DraftParts,
): DraftModel | undefined {
  if (!chosen) return undefined;
  const { name, manifest } = chosen;
  const { drafter } = graph.actors;
  const shape = typeof drafter === "object" ? drafter.shape : undefined;
  const named = { ...graph, actors: { ...graph.actors, drafter: { model: name, shape } } };
  const draft = paperDraft({
    graph: named,
    described,
    model,
    devices,
    draft: manifest && modelShape(manifest),
  });
  if (!draft || !manifest) return draft;
  const measured = profilesByDevice(manifest, profiles);
  const secondsPerToken = devices.map((device, i) => {
    const profile = measured.get(device.name);
    return profile ? draftSeconds(manifest, profile) : draft.secondsPerToken[i];
  });
  return { ...draft, secondsPerToken };
}

/** Machines that `deno task profile` has measured with this model, newest measurement each. */
function profilesByDevice(manifest: Manifest, profiles: Profile[]): Map<string, Profile> {
  const geometry = geometryHash(manifest);
  const found = new Map<string, Profile>();
  for (const profile of profiles) {
    const { machine } = profile.key;
    if (profile.key.geometry !== geometry || profile.key.precision !== manifest.precision) continue;
    // two nodes of one machine with different limits on processor time are two devices
    const share = Math.round(100 * profile.cpu_share);
    const name = share >= 90 ? machine.hostname : `${machine.hostname}:${share}%`;
    if (!found.has(name)) found.set(name, profile);
  }
  return found;
}

/** In the order of their names. */
function measuredDevices(manifest: Manifest, profiles: Profile[]): Device[] {
  const found = [...profilesByDevice(manifest, profiles)].sort(([a], [b]) => a < b ? -1 : 1);
  if (found.length > 0) {
    return found.map(([name, profile]) =>
      deviceOf(profile, { name, memoryBytes: LOADED_SHARE * profile.key.machine.memory_bytes })
    );
  }
  throw new OrreryError({
    group: "graph",
    code: "no_profile",
    message:
      `no machine is measured with ${manifest.name} yet; run deno task profile, describe devices in the graph ` +
      `file, or give --devices FILE`,
    metadata: { model: manifest.name },
  });
}

async function manifestOf({ model, model_shape }: Graph, store: StoreView): Promise<Manifest> {
  if (model) {
    return (await resolveModel(store, { model: model.name, precision: model.precision })).manifest;
  }
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
