/**
 * Loads the module of an entry of a graph file, and checks it against the entry: what a host is told
 * of it is known then.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import type { CustomActor, GraphPaths } from "../../actors/mod.ts";
import type { ActorOrder } from "./actor_order.ts";
import type { LoadedActor } from "./definition.ts";
import { graphProblem } from "./graph_problem.ts";
import { loadActor, type SparedActor } from "./load_actor.ts";
import { packedBefore, type PackedModule, packModule } from "./module_bundle.ts";

/** An actor of the graph file, loaded and checked. */
export interface EntryActor extends SparedActor {
  /** Its module, as it travels to other hosts. */
  packed: PackedModule;
}

/** Where an entry stands, and what it belongs to. */
export interface EntryParts {
  /** What error messages call it. */
  label: string;
  /** Folder of the graph file. */
  folder: string;
  /** The graph's paths from the API to the model and back. */
  paths: GraphPaths;
  /** Folder in which the files of modules lie at this host. */
  modules: string;
  /**
   * The bytes of a module that another node has packed, by the actor's name, for a node that has not
   * its files. @default none is known
   */
  packed?: (name: string) => Promise<{ bytes: Uint8Array; sha256: string } | undefined>;
  /** Name of the deployment whose graph it is. @default "default" */
  deployment?: string;
  /** Are modules only those of `packed`, since the graph file is on another machine? @default false */
  travelled?: boolean;
}

/**
 * Loads one entry's module and checks its config and messages. Throws group `graph`: `bad_module`,
 * `bad_config`, `bad_actor`.
 */
export async function loadEntry(
  entry: CustomActor,
  { label, folder, paths, modules, packed: before, deployment, travelled = false }: EntryParts,
): Promise<EntryActor> {
  const module = moduleOf(entry, { label, folder });
  let packed: PackedModule;
  try {
    if (travelled) throw new Error("it did not come with the file; use `deno task apply`");
    packed = await packModule(module);
  } catch (error) {
    const known = await before?.(entry.name);
    if (!known) {
      const why = (error as Error).message;
      throw graphProblem("bad_module", `${label}: module ${module} cannot be used: ${why}`);
    }
    const { bytes, sha256 } = known;
    packed = await packedBefore(new Uint8Array(bytes), { sha256, module });
  }
  const order = orderOf(entry, { label, folder, module, packed, deployment });
  const actor = await loadActor(order, { bundle: packed.bundle, modules });
  try {
    const { description } = actor;
    const taken = checked(entry, { label, paths, description });
    return { ...actor, ...taken, order: { ...order, ...taken }, packed };
  } catch (error) {
    await actor.spare.close();
    throw error;
  }
}

/**
 * The messages that an actor takes, and who may send them. Throws `bad_actor` where the module lacks
 * a message that the entry lists or that the actor's place on the graph's paths needs.
 */
function checked(
  { name, messages = [], expose, alarms }: CustomActor,
  { label, paths, description }: {
    label: string;
    paths: GraphPaths;
    description: LoadedActor["description"];
  },
): Pick<LoadedActor, "messages" | "open" | "filters"> {
  const filters = paths.delta.includes(name);
  const listed = messages.length > 0 ? messages : description.messages;
  if (description.alarms && alarms === 0) {
    throw graphProblem(
      "bad_actor",
      `${label}: its module sets alarms, and its entry allows none; leave alarms out, or allow some`,
    );
  }
  const need = (message: string, why: string) => {
    if (description.messages.includes(message)) return;
    const has = description.messages.join(", ");
    throw graphProblem(
      "bad_actor",
      `${label}: ${why} message ${message}, and its module has none; it has ${has}`,
    );
  };
  for (const message of listed) need(message, "its entry lists");
  const onPath = (message: string, why: string) => {
    need(message, why);
    if (listed.includes(message)) return;
    throw graphProblem(
      "bad_actor",
      `${label}: ${why} message ${message}, and its entry's messages leave it out`,
    );
  };
  if (paths.request.includes(name)) {
    onPath("request", "it stands between api and generation, which takes");
  }
  if (filters) onPath("delta", "it stands between generation and api, which takes");
  // Every node asks the actors on the way of its own requests, and those that clients may ask.
  const open = [
    ...(expose ? listed : []),
    ...(paths.request.includes(name) ? ["request"] : []),
    ...(filters ? ["delta", "end"] : []),
  ];
  const ends = filters && description.messages.includes("end") && !listed.includes("end");
  return { messages: ends ? [...listed, "end"] : listed, open, filters };
}

/** Path of an entry's module. Throws `bad_module` for one that is no file. */
function moduleOf(
  { module }: CustomActor,
  { label, folder }: { label: string; folder: string },
): string {
  if (/^[a-z][a-z+.-]+:/i.test(module) && !/^[a-z]:[\\/]/i.test(module)) {
    throw graphProblem("bad_module", `${label}: module ${module} must be a file; fetch it first`);
  }
  return resolve(folder, module);
}

/** What a host is told of an entry; paths become absolute. */
function orderOf(
  { name, config, state, alarms, limits, permissions: { net, read, env } }: CustomActor,
  { label, folder, module, packed, deployment = "default" }: {
    label: string;
    folder: string;
    module: string;
    packed: PackedModule;
    deployment?: string;
  },
): ActorOrder {
  const absolute = (path: string) => {
    const found = resolve(folder, path);
    if (dirname(found) !== found) return found;
    throw graphProblem(
      "bad_actor",
      `${label}: permissions.read: ${path} is the whole machine, which cannot be granted`,
    );
  };
  return {
    ...{ name, deployment, label, module, config, limits, alarms },
    ...{ folder: packed.folder, sha256: packed.sha256, state_bytes: state },
    permissions: { net, env, read: read.map(absolute) },
    ...{ messages: [], open: [], filters: false }, // known once the module is
  };
}
