/**
 * A cluster in virtual time whose links change: the production's cluster actor, placer, planner and
 * link meters, over links that are nothing but numbers. Nodes compute nothing.
 *
 * @module
 */
import {
  type ActorSystem,
  CLUSTER,
  clusterActor,
  type ClusterStatus,
  directoryOf,
  memberActor,
  type MembersView,
  type NodeLinks,
  parseAddress,
  parseGraph,
  Simulation,
} from "../../actors/mod.ts";
import { Placer, planAs } from "../../runtime/cluster/mod.ts";
import { LinkMeter } from "../../runtime/mailbox/link_meter.ts";
import { madeUpManifest, madeUpProfile } from "./made_up_model.ts";
import { NO_MEMORY, NO_SOURCES } from "./no_memory.ts";

/** Milliseconds between two pings of a link, as in a mailbox. */
const PING_MS = 2_000;
/** A message from actor to actor takes so much longer than half of a ping. Seconds. */
const OVERHEAD_S = 0.0002;

/** A link in both directions. */
interface SimulatedLink {
  /** Round trip of a ping, milliseconds. */
  roundTripMs: number;
  /** Bytes a second, each way. */
  bytesPerS: number;
}

/** See the module's text. */
export class LinkWorld {
  readonly sim = new Simulation({ seed: 1 });
  readonly names: readonly string[];
  readonly systems = new Map<string, ActorSystem>();
  /** Milliseconds that a layer takes for a row, by node; profiles have it as it is when asked for. */
  readonly speeds = new Map<string, number>();
  /** Pairs of nodes whose link was measured by messages of its own, such as `a b`. */
  readonly probes: string[] = [];
  /** Plans that were made. */
  plans = 0;
  /** Bytes that requests send over each link between two pings. */
  traffic = 0;
  readonly #links = new Map<string, SimulatedLink>();
  /** What node `a` measures of its link to node `b`, by `a b`. */
  readonly #meters = new Map<string, LinkMeter>();
  readonly #manifest = madeUpManifest();
  readonly #placer: Placer;

  /** Nodes with one letter each, such as `abc`; the first one has the cluster actor. */
  constructor(letters: string) {
    this.names = [...letters].map((letter) => `${letter}:1:x`);
    const [first] = this.names;
    const directory = directoryOf((to) => to === CLUSTER ? first : parseAddress(to).key);
    for (const name of this.names) {
      this.speeds.set(name, 20);
      const system = this.sim.node(name, directory);
      this.systems.set(name, system);
      system.register(memberActor, { config: {}, resources: () => this.#resources(name) });
    }
    const system = this.systems.get(first)!;
    const graph = parseGraph("{ model: made-up, objective: throughput }", { file: "test" });
    const { clock } = this.sim;
    const placer = this.#placer = new Placer({
      ...{ system, manifest: this.#manifest, graph, clock },
      makePlan: (input, graph) => Promise.resolve(planAs(input, graph)), // in no time
    });
    system.register(clusterActor, {
      config: clusterActor.config.parse({ nodes: letters.length, model: "m", source: first }),
      resources: () => ({
        memory: NO_MEMORY,
        sources: NO_SOURCES,
        nodes: VIEW,
        place: (...given: Parameters<Placer["place"]>) => {
          this.plans++;
          return placer.place(...given);
        },
      }),
    });
  }

  /** All nodes join, and links are pinged from now on. */
  async start(): Promise<void> {
    const { clock } = this.sim;
    for (const from of this.names) {
      for (const to of this.names) {
        if (from !== to) this.#meters.set(`${from} ${to}`, new LinkMeter(clock.now()));
      }
    }
    const ping = () => {
      clock.after(PING_MS, ping);
      for (const [pair, meter] of this.#meters) {
        const [from, to] = pair.split(" ");
        const { roundTripMs: ms } = this.link(from, to);
        meter.pinged(clock.now(), { ms, bytes: clock.now() / PING_MS * this.traffic });
      }
    };
    ping();
    for (const [i, node] of this.names.entries()) {
      await this.sim.until(this.systems.get(node)!.ask(CLUSTER, {
        ...{ type: "join", node, host: `10.0.0.${i}`, port: 1, cores: 1, memory_bytes: 4e9 },
      }));
    }
    await this.sim.run({ forMs: 1_000 });
  }

  /** The link between two nodes, given by their letters or ids; change its fields. */
  link(a: string, b: string): SimulatedLink {
    const key = [a[0], b[0]].sort().join(" ");
    let link = this.#links.get(key);
    if (!link) this.#links.set(key, link = { roundTripMs: 0.4, bytesPerS: 12.5e6 });
    return link;
  }

  /** Large messages come from one node to another. */
  transfer(from: string, to: string): void {
    const { bytesPerS } = this.link(from, to);
    const meter = [...this.#meters].find(([pair]) => pair[0] === to && pair.includes(` ${from}:`))!;
    for (let i = 0; i < 8; i++) {
      const bytes = 500_000;
      meter[1].received(this.sim.clock.now(), { bytes, ms: bytes / bytesPerS * 1000, others: 0 });
    }
  }

  /** The stages that serve, such as `a 0-5, b 6-11`. */
  async stages(): Promise<string> {
    const { deployment } = await this.status();
    return (deployment?.stages ?? [])
      .map(({ node, first, last }) => `${node[0]} ${first}-${last}`).join(", ");
  }

  async status(): Promise<ClusterStatus> {
    const system = this.systems.get(this.names[0])!;
    return await this.sim.until(system.ask(CLUSTER, { type: "status" })) as ClusterStatus;
  }

  /** The links as the placer knows them. */
  get known(): Placer["links"] {
    return this.#placer.links;
  }

  close(): void {
    this.#placer.close();
  }

  #resources(self: string) {
    const profiler = {
      profile: () =>
        Promise.resolve({
          profile: madeUpProfile(this.#manifest, this.speeds.get(self)!),
          memory_bytes: 2e9,
        }),
      probe: ({ node }: { node: string }) => {
        this.probes.push(`${self[0]} ${node[0]}`);
        const { roundTripMs, bytesPerS } = this.link(self, node);
        const seconds = roundTripMs / 2000 + OVERHEAD_S;
        return Promise.resolve({ seconds, bytes_per_s: bytesPerS, bytes_per_s_back: bytesPerS });
      },
      links: () => this.#reported(self),
    };
    return { profiler, host: HOST, onPing() {}, onDrain() {}, nodes: VIEW };
  }

  #reported(self: string): NodeLinks {
    const figures = this.names.filter((node) => node !== self).map((node) => ({
      node,
      ...this.#meters.get(`${self} ${node}`)!.figures(this.sim.clock.now()),
    }));
    return {
      quiet_ms: Math.min(...figures.map(({ quietMs }) => quietMs)),
      links: figures.map(({ node, roundTripMs, bytesPerS, ageMs }) => ({
        node,
        round_trip_ms: roundTripMs ?? null,
        bytes_per_s: bytesPerS ?? null,
        age_ms: ageMs ?? null,
      })),
    };
  }
}

const VIEW: MembersView = {
  silentMs: () => 0,
  refuses: () => Promise.resolve(false),
  identity: () => undefined,
  isFormer: () => false,
  changed() {},
};

const HOST = {
  prepare: () => Promise.resolve(),
  standBy: () => Promise.resolve(),
  loadAhead: () => Promise.resolve(),
  adopt() {},
  release: () => Promise.resolve(),
  retire: () => Promise.resolve(),
  holds: () => true,
  nodeLost() {},
};
