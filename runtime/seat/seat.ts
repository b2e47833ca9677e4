/**
 * What the coordinator does, for the length of its term: it runs the cluster actor with the placer,
 * the registry actor for nodes that do not open the registry themselves, and the custom actors of
 * the graph. Everything ends with the term, so that a node can coordinate again later.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  CLUSTER,
  clusterActor,
  type ClusterMemory,
  type ClusterPast,
  DEFAULT_DEPLOYMENT,
  type Deployment,
  type Flow,
  type Member,
  type MembersView,
  type PlaceDeployment,
  REGISTRY,
  type Registry,
  registryActor,
  type Term,
  toOrreryError,
} from "../../actors/mod.ts";
import type { Plan } from "../../planner/mod.ts";
import { type ClusterDirectory, type LinkNow, Placer } from "../cluster/mod.ts";
import { type ActorHome, CustomActors, moduleKey } from "../custom/mod.ts";
import type { ModelStore } from "../../models/mod.ts";
import { type EnsureModelOptions, manifestSha256 } from "../weights/mod.ts";
import { type MainGraph, TermWriter } from "./cluster_contents.ts";
import { deploymentSources } from "./deployment_sources.ts";
import { GraphActors } from "./graph_actors.ts";
import type { ServedGraph } from "./served_graph.ts";
import { watchModules } from "./watch_modules.ts";

const log = getLogger(["orrery", "coordinator"]);

/** Options of {@linkcode Seat.begin}. */
export interface SeatOptions {
  system: ActorSystem;
  registry: Registry;
  term: Term;
  /** Ends with the term. */
  signal: AbortSignal;
  /** What the coordinators before left. */
  past: ClusterPast;
  served: ServedGraph;
  /** What this node sees of the members. */
  nodes: MembersView & {
    /** Ids of the nodes that this one is connected to. */
    members(): readonly string[];
  };
  store: ModelStore;
  /** Fetches what this node's store lacks of a model. */
  ensure: (options: EnsureModelOptions) => Promise<unknown>;
  /** This node, as others reach it. */
  member: Member;
  /** Where custom actors live, as this node knows. */
  homes: ClusterDirectory["homes"];
  /** The custom actors that this node hosts. */
  home: ActorHome;
  /** Folder in which the files of modules lie. */
  modules: string;
  /** Whether changed modules of custom actors take over at once. */
  watch: boolean;
}

/** See the module's text. */
export class Seat {
  /** The term that it is for. */
  readonly term: Term;
  /** Which custom actors requests and texts pass. */
  readonly flow: Flow;
  /** What else ends with the term. */
  readonly atEnd = new AsyncDisposableStack();
  readonly #system: ActorSystem;
  readonly #actors: GraphActors;
  readonly #placer: Placer;
  readonly #options: Pick<SeatOptions, "served" | "modules">;
  readonly #writer: TermWriter;
  /** Names of the models that the first graph serves. */
  readonly #main: string[];
  readonly #sources: ReturnType<typeof deploymentSources>;

  private constructor(
    options: SeatOptions,
    flow: Flow,
    actors: GraphActors,
    placer: Placer,
    writer: TermWriter,
  ) {
    this.#writer = writer;
    const { system, term, served, store, nodes, ensure, registry, modules } = options;
    const { target, draft } = served;
    this.#options = options;
    this.term = term;
    this.flow = flow;
    this.#main = [target, draft].flatMap((m) => m ? [m.manifest.name] : []);
    this.#system = system;
    this.#actors = actors;
    this.#placer = placer;
    this.#sources = deploymentSources({
      ...{ system, store, served, placer, ensure, registry, modules, actors },
      members: () => nodes.members(),
    });
  }

  /** Names of the models that are deployed, or are about to be. */
  get models(): string[] {
    return [...this.#main, ...this.#sources.models()];
  }

  /**
   * Takes up the work of a coordinator. Throws what the modules of custom actors throw, and
   * `stale_epoch` (group `actor`) where the term is over already.
   */
  static async begin(options: SeatOptions): Promise<Seat> {
    const { registry, term, signal, served, modules, member } = options;
    const { epoch } = term;
    const { graph, main } = served;
    const writer = await TermWriter.open({ registry, epoch, signal });
    const custom = await CustomActors.load(graph, {
      ...{ file: main.file ?? "graph", modules },
      packed: packedIn(registry, main),
    });
    try {
      await writer.putMainGraph(
        main,
        custom.actors.map(({ name, packed }) => ({ name, ...packed })),
      );
      signal.throwIfAborted();
    } catch (error) {
      await custom.close();
      throw error;
    }
    const placer = placerFor(options);
    const { system, homes, home, nodes } = options;
    const actors = new GraphActors({
      ...{ system, homes, home, writer, registry, signal, graph, nodes },
      ...{ term: epoch, actors: custom.actors, links: () => placer.links },
      expected: new Map(options.past.applied?.flatMap(({ modules }) => Object.entries(modules))),
    });
    const seat = new Seat(options, custom.flow, actors, placer, writer);
    seat.#register(options, writer.memory(options.past));
    if (options.watch) {
      const folders = custom.actors.map(({ packed }) => packed.folder);
      void watchModules({ folders, signal, onChange: () => seat.reload() });
    }
    actors.place([member]); // others join, and are placed on then
    log.info("this node coordinates, term {epoch}", { epoch });
    return seat;
  }

  /**
   * Loads the modules of custom actors again. Those that have changed take over at their hosts: what
   * is being handled ends on the old ones, and what is kept stays. One that cannot be loaded is
   * logged, and the old one stays.
   */
  async reload(): Promise<void> {
    const { modules, served: { graph, main } } = this.#options;
    const file = main.file ?? "graph";
    for (const { name, order } of this.#actors.actors) {
      try {
        const actor = await CustomActors.loadOne(graph, { file, modules, name });
        if (actor.order.sha256 === order.sha256) await actor.spare.close();
        else {
          log.info("the module of actor {name} has changed", { name });
          const others = this.#actors.actors.filter((other) => other.name !== name);
          const all = [...others, actor].map(({ name, packed }) => ({ name, ...packed }));
          await this.#writer.putMainGraph(main, all);
          this.#actors.replace(actor);
        }
      } catch (error) {
        const { message } = toOrreryError(error);
        log.error("the changed module is not taken over: {message}", { message });
      }
    }
  }

  /** The links between the members, as they are now. */
  get links(): LinkNow[] {
    return this.#placer.links;
  }

  /** See {@linkcode Placer.whatIf}: of the deployment `default`. */
  whatIf(...asked: Parameters<Placer["whatIf"]>): ReturnType<Placer["whatIf"]> {
    return this.#placer.whatIf(...asked);
  }

  #register(
    { registry, served, nodes: view }: SeatOptions,
    memory: ClusterMemory,
  ): void {
    const system = this.#system;
    system.register(registryActor, {
      config: registryActor.config.parse({}),
      resources: () => ({ registry }),
    });
    const { main: { model, nodes, layers } } = served;
    const place: PlaceDeployment = async (members, options) => {
      this.#actors.place(members); // they need no plan of the layers, and do not wait for one
      const placed = await this.#placer.place(members, options);
      const plan = placed.plan as unknown as Plan | undefined;
      this.#actors.place(members, plan);
      const actors = this.#actors.placedOf(DEFAULT_DEPLOYMENT);
      return {
        ...placed,
        ...(plan && actors.length > 0 && { plan: { ...plan, actors } }),
        flow: this.flow,
      };
    };
    system.register(clusterActor, {
      config: clusterActor.config.parse({
        nodes: Math.max(nodes, layers?.length ?? 1),
        model,
        source: system.node,
        manifest_sha256: manifestSha256(served.target.manifest),
      }),
      resources: () => ({ place, memory, nodes: view, sources: this.#sources }),
    });
  }

  /** Ends the work: whoever asks from now on is told that this node does not coordinate. */
  async end(): Promise<void> {
    const system = this.#system;
    await this.atEnd.disposeAsync();
    this.#placer.close();
    for (const { kind } of [clusterActor, registryActor]) system.unregister(kind);
    await Promise.all([CLUSTER, REGISTRY].map((address) => system.stop(address)));
    await this.#actors.end();
    log.info("this node does not coordinate any more, after term {epoch}", {
      epoch: this.term.epoch,
    });
  }
}

/** Finds modules in the registry that the coordinator before has packed. */
function packedIn(registry: Registry, { modules = {} }: MainGraph) {
  return async (name: string) => {
    if (!Object.hasOwn(modules, name)) return undefined;
    const sha256 = modules[name];
    const entry = await registry.get(moduleKey(sha256));
    return entry && { bytes: entry.value, sha256 };
  };
}

function placerFor({ system, served, past }: SeatOptions): Placer {
  const { target, draft, graph, main, why } = served;
  return new Placer({
    system,
    manifest: target.manifest,
    layers: main.layers,
    placement: main.placement,
    graph,
    draft: draft?.manifest,
    acceptance: draft?.acceptance,
    ...{ found: draft?.found, draftWhy: why },
    serving: past.serving && planOf(past.serving),
  });
}

/** Who was planned for, and which stages; undefined: it was made without a plan. */
function planOf({ plan, members }: Deployment): { devices: string[]; plan: Plan } | undefined {
  if (!plan) return undefined;
  return { devices: members.map(({ node }) => node), plan: plan as unknown as Plan };
}
