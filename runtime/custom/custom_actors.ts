/**
 * The custom actors of a graph file: loads their modules, checks them against their entries, and
 * registers them in the actor system.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import {
  type ActorSystem,
  type CustomActor,
  type DurableStore,
  type Flow,
  type Graph,
  type GraphPaths,
  graphPaths,
  hasCode,
  OrreryError,
} from "../../actors/mod.ts";
import { customDefinition, type LoadedActor } from "./definition.ts";
import { SpareWorker } from "./spare_worker.ts";
import { type LinkOptions, WorkerLink } from "./worker_link.ts";

/** Largest number of workers that run at the same time at one node. */
const MOST_WORKERS = 32;

/** Options of {@linkcode CustomActors.load}. */
export interface LoadOptions {
  /** Path of the graph file; paths of modules and permissions are relative to its folder. */
  file: string;
  /** Name of this node in graph files (an entry's `host`). */
  node: string;
}

interface SparedActor extends LoadedActor {
  /** Keeps a loaded worker ready for the next activation. */
  spare: SpareWorker;
}

/** See the module's text. */
export class CustomActors {
  /** Which actors requests and texts pass; the deployment carries it to the other nodes. */
  readonly flow: Flow;
  readonly #actors: SparedActor[];
  /** Activations that run now; each has a worker. */
  #workers = 0;

  private constructor(actors: SparedActor[], flow: Flow) {
    this.#actors = actors;
    this.flow = flow;
  }

  /**
   * Loads every module once, each in a worker of its own with the permissions of its entry. Throws
   * group `graph`, with the entry's name in the message: `bad_module`, `bad_config`, and
   * `bad_actor` (the module lacks a message that its entry or the graph's edges need, or the
   * entry's host is another node).
   */
  static async load(graph: Graph, { file, node }: LoadOptions): Promise<CustomActors> {
    const paths = graphPaths(graph);
    const actors: SparedActor[] = [];
    await using undo = new AsyncDisposableStack();
    for (const [i, entry] of graph.actors.custom.entries()) {
      const label = `${file}: actors.custom[${i}] (${entry.name})`;
      if (entry.host !== undefined && entry.host !== node) {
        throw problem(
          "bad_actor",
          `${label}: host ${entry.host} is not this node (${node}); custom actors run at the first node, so leave host out`,
        );
      }
      const actor = await loadActor(entry, { label, folder: dirname(resolve(file)), paths });
      undo.defer(() => actor.spare.close());
      actors.push(actor);
    }
    undo.move();
    const exposed = graph.actors.custom.filter((a) => a.expose).map((a) => a.name);
    return new CustomActors(actors, { ...paths, exposed });
  }

  /**
   * Registers every actor as an actor kind, under its name. `store` keeps states and alarms.
   * @default none: actors that declare some are refused with `no_store`
   */
  register(system: ActorSystem, store?: DurableStore): void {
    for (const actor of this.#actors) {
      const { name, spare, filters } = actor;
      const take = async () => {
        const link = await spare.take();
        // A filter has an activation for each answer, so the next one comes soon; other actors
        // have a single activation and need no spare worker.
        if (filters) spare.refill();
        return link;
      };
      const enter = () => this.#enter(name);
      const { stateBytes, alarms } = actor;
      const durable = store && { store, stateBytes, alarms };
      system.register(customDefinition(actor, { enter, take }), { config: undefined, durable });
    }
  }

  /** Makes the kinds unknown again that {@linkcode CustomActors.register} made known. */
  unregister(system: ActorSystem): void {
    for (const { name } of this.#actors) system.unregister(name);
  }

  /** Ends the spare workers; the others end with their activations. */
  async close(): Promise<void> {
    await Promise.all(this.#actors.map(({ spare }) => spare.close()));
  }

  /** Counts a worker; the function returned uncounts it. Throws `too_many_workers`. */
  #enter(name: string): () => void {
    if (this.#workers >= MOST_WORKERS) {
      throw new OrreryError({
        group: "actor",
        code: "too_many_workers",
        message:
          `actor ${name} cannot start: ${MOST_WORKERS} activations of custom actors run at this node already, which is the limit`,
        metadata: { limit: MOST_WORKERS },
      });
    }
    this.#workers++;
    return () => void this.#workers--;
  }
}

/** Loads one entry's module and checks its config and messages. */
async function loadActor(
  entry: CustomActor,
  { label, folder, paths }: { label: string; folder: string; paths: GraphPaths },
): Promise<SparedActor> {
  const options = linkOptions(entry, { label, folder });
  const link = await WorkerLink.open(options);
  try {
    await link.call({ op: "config", config: entry.config });
    const actor = checked(entry, { label, paths, description: link.description });
    return { ...actor, link: options, spare: new SpareWorker(options, link) };
  } catch (error) {
    link.kill();
    if (hasCode(error, "bad_config")) throw problem("bad_config", `${label}: ${error.message}`);
    throw error instanceof OrreryError
      ? error
      : problem("bad_module", `${label}: ${(error as Error).message}`);
  }
}

/**
 * The loaded actor of an entry. Throws `bad_actor` where the module lacks a message that the entry
 * lists or that the actor's place on the graph's paths needs.
 */
function checked(
  { name, config, limits, messages = [], expose, state: stateBytes, alarms }: CustomActor,
  { label, paths, description }: {
    label: string;
    paths: GraphPaths;
    description: LoadedActor["description"];
  },
): Omit<LoadedActor, "link"> {
  const filters = paths.delta.includes(name);
  const listed = messages.length > 0 ? messages : description.messages;
  if (description.alarms && alarms === 0) {
    throw problem(
      "bad_actor",
      `${label}: its module sets alarms, and its entry allows none; leave alarms out, or allow some`,
    );
  }
  const need = (message: string, why: string) => {
    if (description.messages.includes(message)) return;
    const has = description.messages.join(", ");
    throw problem(
      "bad_actor",
      `${label}: ${why} message ${message}, and its module has none; it has ${has}`,
    );
  };
  for (const message of listed) need(message, "its entry lists");
  const onPath = (message: string, why: string) => {
    need(message, why);
    if (listed.includes(message)) return;
    throw problem(
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
  return {
    name,
    description,
    config,
    messages: ends ? [...listed, "end"] : listed,
    open,
    messageBytes: limits.message_bytes,
    ...{ stateBytes, alarms, filters },
  };
}

/** What the worker of an entry is started with; paths become absolute. */
function linkOptions(
  { module, permissions: { net, read, env }, limits }: CustomActor,
  { label, folder }: { label: string; folder: string },
): LinkOptions {
  if (/^[a-z][a-z+.-]+:/i.test(module) && !/^[a-z]:[\\/]/i.test(module)) {
    throw problem("bad_module", `${label}: module ${module} must be a file; fetch it first`);
  }
  return {
    label,
    module: pathToFileURL(resolve(folder, module)).href,
    permissions: {
      net,
      env,
      read: read.map((path) => {
        const absolute = resolve(folder, path);
        if (dirname(absolute) !== absolute) return absolute;
        throw problem(
          "bad_actor",
          `${label}: permissions.read: ${path} is the whole machine, which cannot be granted`,
        );
      }),
    },
    computeMs: 1000 * limits.compute_seconds,
    answerMs: 1000 * limits.answer_seconds,
    memoryBytes: limits.memory_bytes,
  };
}

const problem = (code: string, message: string) =>
  new OrreryError({ group: "graph", code, message });
