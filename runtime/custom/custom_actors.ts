/**
 * The custom actors of a graph file: loads their modules, checks them against their entries, and
 * registers them in the actor system.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import {
  type ActorSystem,
  type DurableStore,
  type Flow,
  type Graph,
  graphPaths,
} from "../../actors/mod.ts";
import { type EntryActor, type EntryParts, loadEntry } from "./load_entry.ts";
import { registration } from "./registration.ts";
import { WorkerSlots } from "./worker_slots.ts";

/** Options of {@linkcode CustomActors.load}. */
export interface LoadOptions {
  /** Path of the graph file; paths of modules and permissions are relative to its folder. */
  file: string;
  /** Folder in which the files of modules lie at this host. */
  modules: string;
  /** See `EntryParts` of `load_entry.ts`. */
  packed?: EntryParts["packed"];
  deployment?: EntryParts["deployment"];
  travelled?: EntryParts["travelled"];
}

/** See the module's text. */
export class CustomActors {
  /** Which actors requests and texts pass; the deployment carries it to the other nodes. */
  readonly flow: Flow;
  /** The actors, in the order of the file. */
  readonly actors: readonly EntryActor[];

  private constructor(actors: EntryActor[], flow: Flow) {
    this.actors = actors;
    this.flow = flow;
  }

  /**
   * Loads every module once, each in a worker of its own with the permissions of its entry. Throws
   * group `graph`, with the entry's name in the message: `bad_module`, `bad_config`, and
   * `bad_actor` (the module lacks a message that its entry or the graph's edges need).
   */
  static async load(graph: Graph, options: LoadOptions): Promise<CustomActors> {
    const paths = graphPaths(graph);
    const actors: EntryActor[] = [];
    await using undo = new AsyncDisposableStack();
    for (const name of graph.actors.custom.map((entry) => entry.name)) {
      const actor = await CustomActors.loadOne(graph, { ...options, name });
      undo.defer(() => actor.spare.close());
      actors.push(actor);
    }
    undo.move();
    const exposed = graph.actors.custom.filter((a) => a.expose).map((a) => a.name);
    return new CustomActors(actors, { ...paths, exposed, actors: actors.map(({ name }) => name) });
  }

  /**
   * Loads the module of one entry, as it is now. Throws as {@linkcode CustomActors.load}, and
   * RangeError where the graph has no entry of this name.
   */
  static async loadOne(
    graph: Graph,
    { file, name, ...options }: LoadOptions & { name: string },
  ): Promise<EntryActor> {
    const { custom } = graph.actors;
    const i = custom.findIndex((entry) => entry.name === name);
    if (i < 0) throw new RangeError(`the graph has no custom actor ${name}`);
    const label = `${file}: actors.custom[${i}] (${name})`;
    const parts = { ...options, label, folder: dirname(resolve(file)) };
    return await loadEntry(custom[i], { ...parts, paths: graphPaths(graph) });
  }

  /**
   * Registers every actor as an actor kind, under its name. `store` keeps states and alarms.
   * @default none: actors that declare some are refused with `no_store`
   */
  register(system: ActorSystem, store?: DurableStore): void {
    const slots = new WorkerSlots();
    for (const actor of this.actors) {
      const { definition, ...kept } = registration(actor, { slots, store });
      system.register(definition, { config: undefined, ...kept });
    }
  }

  /** Makes the kinds unknown again that {@linkcode CustomActors.register} made known. */
  unregister(system: ActorSystem): void {
    for (const { name } of this.actors) system.unregister(name);
  }

  /** Ends the spare workers; the others end with their activations. */
  async close(): Promise<void> {
    await Promise.all(this.actors.map(({ spare }) => spare.close()));
  }
}
