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
  type Deployment,
  DurableStates,
  type DurableStore,
  type Flow,
  GRAPH,
  type MembersView,
  ownerOf,
  parseAddress,
  type PlaceDeployment,
  REGISTRY,
  type Registry,
  registryActor,
  systemClock,
  type Term,
} from "../../actors/mod.ts";
import type { Plan } from "../../planner/mod.ts";
import { type LinkNow, Placer } from "../cluster/mod.ts";
import { CustomActors, modelActor } from "../custom/mod.ts";
import type { Generator } from "../api/mod.ts";
import { manifestSha256 } from "../weights/mod.ts";
import { TermWriter } from "./cluster_contents.ts";
import type { ServedGraph } from "./served_graph.ts";

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
  /** Name of this node in graph files. */
  name: string;
  /** Runs requests of custom actors to the model. */
  generator: Generator;
  /** What this node sees of the members. */
  nodes: MembersView;
}

/** See the module's text. */
export class Seat {
  /** The term that it is for. */
  readonly term: Term;
  /** Which custom actors requests and texts pass. */
  readonly flow: Flow;
  /** Names of the models that the graph serves. */
  readonly models: string[];
  /** What else ends with the term. */
  readonly atEnd = new AsyncDisposableStack();
  readonly #system: ActorSystem;
  readonly #custom: CustomActors;
  readonly #placer: Placer;

  private constructor(
    { system, term, served: { target, draft } }: SeatOptions,
    custom: CustomActors,
    placer: Placer,
  ) {
    this.term = term;
    this.flow = custom.flow;
    this.models = [target, draft].flatMap((m) => m ? [m.manifest.name] : []);
    this.#system = system;
    this.#custom = custom;
    this.#placer = placer;
  }

  /**
   * Takes up the work of a coordinator. Throws what the modules of custom actors throw, and
   * `stale_epoch` (group `actor`) where the term is over already.
   */
  static async begin(options: SeatOptions): Promise<Seat> {
    const { registry, term, signal, served, name } = options;
    const { epoch } = term;
    const { graph, main } = served;
    const writer = await TermWriter.open({ registry, epoch, signal });
    const states = await statesOf(options);
    const custom = await CustomActors.load(graph, { file: main.file ?? "graph", node: name });
    try {
      await writer.putMainGraph(main);
      signal.throwIfAborted();
    } catch (error) {
      await custom.close();
      throw error;
    }
    const placer = placerFor(options);
    const seat = new Seat(options, custom, placer);
    seat.#register(options, writer.memory(options.past), states);
    log.info("this node coordinates, term {epoch}", { epoch });
    return seat;
  }

  /** The links between the members, as they are now. */
  get links(): LinkNow[] {
    return this.#placer.links;
  }

  #register(
    { registry, served, generator, nodes: view }: SeatOptions,
    memory: ClusterMemory,
    states: DurableStore,
  ): void {
    const system = this.#system;
    system.register(registryActor, {
      config: registryActor.config.parse({}),
      resources: () => ({ registry }),
    });
    this.#custom.register(system, states);
    system.register(modelActor, { config: {}, resources: () => ({ generator }) });
    const { main: { model, nodes, layers } } = served;
    const place: PlaceDeployment = async (...given) => ({
      ...await this.#placer.place(...given),
      flow: this.flow,
    });
    system.register(clusterActor, {
      config: clusterActor.config.parse({
        nodes: Math.max(nodes, layers?.length ?? 1),
        model,
        source: system.node,
        manifest_sha256: manifestSha256(served.target.manifest),
      }),
      resources: () => ({ place, memory, nodes: view }),
    });
  }

  /** Ends the work: whoever asks from now on is told that this node does not coordinate. */
  async end(): Promise<void> {
    const system = this.#system;
    await this.atEnd.disposeAsync();
    this.#placer.close();
    for (const { kind } of [clusterActor, registryActor, modelActor]) system.unregister(kind);
    this.#custom.unregister(system);
    const own = system.status().map(({ address }) => address).filter((address) =>
      address === CLUSTER || address === REGISTRY || parseAddress(address).deployment === GRAPH
    );
    await Promise.all(own.map((address) => system.stop(address)));
    await this.#custom.close();
    log.info("this node does not coordinate any more, after term {epoch}", {
      epoch: this.term.epoch,
    });
  }
}

/** Keeps the states and alarms of custom actors, as long as the term lasts. */
async function statesOf({ registry, term: { epoch }, signal }: SeatOptions): Promise<DurableStore> {
  const owner = await ownerOf({ registry, address: CLUSTER, epoch, signal });
  return new DurableStates({
    ...{ registry, clock: systemClock, random: Math.random },
    ownerOf: () => owner,
  });
}

function placerFor({ system, served, past }: SeatOptions): Placer {
  const { target, draft, graph, main } = served;
  return new Placer({
    system,
    manifest: target.manifest,
    layers: main.layers,
    placement: main.placement,
    graph,
    draft: draft?.manifest,
    acceptance: draft?.acceptance,
    serving: past.serving && planOf(past.serving),
  });
}

/** Who was planned for, and which stages; undefined: it was made without a plan. */
function planOf({ plan, members }: Deployment): { devices: string[]; plan: Plan } | undefined {
  if (!plan) return undefined;
  return { devices: members.map(({ node }) => node), plan: plan as unknown as Plan };
}
