/**
 * Reads graph and device files for commands, and finds the models and devices that they name.
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
import { draftSeconds, fitting, LOADED_SHARE, modelShape, withDefaults } from "../cluster/mod.ts";
import { deviceOf, geometryHash, loadProfiles, type Profile } from "../profile/mod.ts";
import { checkVocabulary, resolveDraft, resolveModel, USUAL_ACCEPTANCE } from "../serve/mod.ts";
import { PROGRAM } from "./program_name.ts";
import { StoreView } from "./store_view.ts";

/** A process that gets at least this share of its cores, in percent, has the whole machine. */
const WHOLE_CPU_PERCENT = 90;

/** Options of {@linkcode readGraph}. */
export interface GraphFiles {
  /** Path of a device file; its devices and links replace those of the graph file. */
  devices?: string;
  /** Folder of the model store and of the measured profiles. */
  data: string;
}

/** A graph file, and what the planner is given for it. */
export interface GraphInput {
  /** The file, parsed. */
  graph: Graph;
  /** The planner's input for it. */
  input: PlanInput;
}

/**
 * Reads a graph file and resolves its model, devices and links; no file is changed. Throws group
 * `graph`: `unreadable`, `bad_graph`, `no_profile`, `no_model`, `unknown_host`, `missing_link`.
 */
export async function readGraph(
  file: string,
  { devices: deviceFile, data }: GraphFiles,
): Promise<GraphInput> {
  const graph = parseGraph(await readGraphFile(file), { file });
  const given = deviceFile === undefined
    ? undefined
    : parseDevices(await readGraphFile(deviceFile), { file: deviceFile });
  const described = given?.devices ?? (graph.devices === "measured" ? undefined : graph.devices);
  const paper = described && paperModelOf(graph);
  const store = new StoreView(data);
  const manifest = paper ? undefined : await manifestOf(graph, store);
  const model = paper ?? modelShape(manifest!);
  const precision = manifest?.precision ?? paperDimensions(graph.model_shape!).precision;
  const chosen = await draftOf(graph, { store, paper: paper !== undefined });
  const profiles = described ? [] : await loadProfiles(data);
  const devices = described ? devicesOf(described, model) : measuredDevices(manifest!, profiles);
  // A node never serves more rows than the model's context, so the workload is cut to fit it. A
  // model described by its dimensions alone is never served: its workload stays as written.
  const workload = paper ? graph.workload : fitting(graph.workload, model.context);
  // a device file with links has the uplinks that belong to them
  const wires = given && given.links.length > 0 ? given : graph;
  const fitted = { ...graph, workload, uplinks: wires.uplinks };
  const draft = draftModel(fitted, { chosen, described, model, devices, profiles });
  const links = linksOf(wires.links, devices.map((d) => d.name));
  const input = planInputOf(fitted, { model, devices, links, draft });
  return { graph, input: withDefaults(input, { precision, acceptance: chosen?.acceptance }) };
}

/** The draft model to plan with. */
interface ChosenDraft {
  name: string;
  /** Undefined: the model is not in the store, the graph file describes its dimensions. */
  manifest?: Manifest;
  /** Expected acceptance rate, 0 to 1. */
  acceptance: number;
}

/** The draft model that `deno task start` would take for this graph; undefined: none. */
async function draftOf(
  { actors: { drafter }, model }: Graph,
  { store, paper }: { store: StoreView; paper: boolean },
): Promise<ChosenDraft | undefined> {
  if (typeof drafter === "object" && drafter.shape) {
    return { name: drafter.model, acceptance: USUAL_ACCEPTANCE };
  }
  // For a model described by its dimensions alone, nothing says which draft model would suit it.
  if (typeof drafter === "string" && paper) return undefined;
  const draft = typeof drafter === "object"
    ? drafter.model
    : drafter === "auto"
    ? undefined
    : drafter;
  const target = { model: model?.name, precision: model?.precision };
  const stored = paper ? undefined : await resolveModel(store, target);
  const { draft: chosen } = await resolveDraft(store, { target, stored, draft });
  if (chosen) checkVocabulary(drafter, chosen.manifest);
  return chosen && { ...chosen, name: chosen.manifest.name };
}

/** What a draft model is planned from. */
interface DraftParts {
  /** Undefined: there is no draft model. */
  chosen?: ChosenDraft;
  /** Devices as a file describes them; undefined: they are measured. */
  described?: DeviceFile["devices"];
  /** The target model. */
  model: ModelShape;
  devices: Device[];
  profiles: Profile[];
}

/**
 * The draft model as the planner takes it. Its seconds a token on a device come from its own
 * profile there if there is one, else they are estimated from the target model's.
 */
function draftModel(
  graph: Graph,
  { chosen, described, model, devices, profiles }: DraftParts,
): DraftModel | undefined {
  if (!chosen) return undefined;
  const { name, manifest } = chosen;
  const { drafter } = graph.actors;
  const shape = typeof drafter === "object" ? drafter.shape : undefined;
  const named: Graph = {
    ...graph,
    actors: { ...graph.actors, drafter: { model: name, shape } },
  };
  const draft = paperDraft({
    graph: named,
    described,
    model,
    devices,
    draft: manifest && modelShape(manifest),
  });
  if (!draft || !manifest) return draft;
  const measured = profilesByDevice(manifest, profiles);
  const times = devices.map((device, i) => {
    const profile = measured.get(device.name);
    return profile
      ? draftSeconds(manifest, profile)
      : { token: draft.secondsPerToken[i], head: draft.head!.seconds[i] };
  });
  return {
    ...draft,
    secondsPerToken: times.map(({ token }) => token),
    head: { ...draft.head!, seconds: times.map(({ head }) => head) },
  };
}

/**
 * The newest profile of this model for each device, by device name. A device is a machine that
 * `deno task profile` has measured, or a limited share of one.
 */
function profilesByDevice(manifest: Manifest, profiles: Profile[]): Map<string, Profile> {
  const geometry = geometryHash(manifest);
  const found = new Map<string, Profile>();
  for (const profile of profiles) {
    const { machine } = profile.key;
    if (profile.key.geometry !== geometry || profile.key.precision !== manifest.precision) continue;
    // Two nodes of one machine with different limits of CPU time are two devices.
    const share = Math.round(100 * profile.cpu_share);
    const name = share >= WHOLE_CPU_PERCENT ? machine.hostname : `${machine.hostname}:${share}%`;
    if (!found.has(name)) found.set(name, profile);
  }
  return found;
}

/** The measured machines as the planner's devices, in the order of their names. */
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
      `no machine is measured with ${manifest.name} yet; run ${PROGRAM} profile, describe devices in the graph ` +
      `file, or give --devices FILE`,
    metadata: { model: manifest.name },
  });
}

/** The manifest of the graph's model. Throws `no_model` where only its dimensions are given. */
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

/** The text of a graph file or of what it names. Throws group `graph`, code `unreadable`. */
export async function readGraphFile(file: string): Promise<string> {
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
