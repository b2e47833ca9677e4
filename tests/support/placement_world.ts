/**
 * A cluster under the deterministic simulator that is placed anew while its nodes answer requests:
 * the production's cluster actor, members, gateways, arbiters and stages over toy engines. Turns of
 * busy nodes come late, by seconds.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type ActorSystem,
  CLUSTER,
  clusterActor,
  type ClusterStatus,
  type Deployment,
  headActor,
  type HeadTokens,
  memberActor,
  type MembersView,
  OrreryError,
  parseAddress,
  type PlaceDeployment,
  seededRandom,
  Simulation,
  stageActor,
} from "../../actors/mod.ts";
import type { StoredModel } from "../../models/mod.ts";
import type { GenerateRequest } from "../../runtime/api/mod.ts";
import {
  ClusterDirectory,
  DeploymentHost,
  type LayersAtNode,
  type ModelsOfDeployments,
} from "../../runtime/cluster/mod.ts";
import { Admission, Gateway, type ServedModel } from "../../runtime/serve/mod.ts";
import { LAYERS, plainCodec } from "./generation_world.ts";
import { headBounds } from "../../models/head_parts.ts";
import { evenHead } from "../../planner/mod.ts";
import { TOY_VOCAB, ToyEngine, ToyHead } from "./toy_engine.ts";
import { NO_MEMORY, NO_SOURCES } from "./no_memory.ts";

const BOUNDS = headBounds(TOY_VOCAB);

/** Milliseconds between two HTTP/2 pings, which a mailbox answers however busy its actors are. */
const PING_MS = 2_000;

const MODEL = {
  card: { name: "toy", context: 4096, vocab: TOY_VOCAB },
  eos: [],
  defaults: { sampling: {} },
  encode: ({ tokens }: { tokens: number[] }) => Int32Array.from(tokens),
  prepare: () => Promise.resolve(),
  refusals: () => undefined,
  close: () => {},
  outlineText: () => undefined,
  makeCodec: plainCodec,
} as unknown as ServedModel;

/** Options of a {@linkcode PlacementWorld}. */
export interface PlacementWorldOptions {
  seed: number;
  /** Layers that a node has memory for. @default no bound */
  layersPerNode?: number;
  /** Do nodes share the LM head? @default false */
  heads?: boolean;
  /** Chance that a turn of an actor at this node comes late. @default never */
  late?: (node: string) => number;
  /** Last layer of each stage but the last one, in each placement. @default drawn anew each time */
  cuts?: number[];
  /** Changes an engine that was loaded at a node. @default nothing */
  engine?: (engine: ToyEngine, node: string) => void;
  /** Does the plan name a backup for the layers of each stage? @default false */
  backups?: boolean;
  /** Virtual milliseconds by which a turn comes late at most. @default 6000 */
  lateMs?: number;
}

/** A node that answers requests and runs stages. */
export interface SimulatedNode {
  name: string;
  system: ActorSystem;
  gateway: Gateway;
  host: DeploymentHost;
  /** Every engine that was loaded here. */
  engines: ToyEngine[];
}

/** See the module's text. */
export class PlacementWorld {
  readonly sim: Simulation;
  readonly nodes = new Map<string, SimulatedNode>();
  /** Crashes of actors: none is expected. */
  readonly crashes: string[] = [];
  /** Draws what happens, apart from the schedule. */
  readonly random: () => number;
  /** See {@linkcode PlacementWorldOptions.late}; may be changed while it runs. */
  late: (node: string) => number;
  readonly #options: PlacementWorldOptions;
  /** When a node was cut off, virtual milliseconds. */
  readonly #cutAt = new Map<string, number>();

  /** A cluster that waits for its two nodes n0 and n1; n0 has the cluster actor. */
  constructor(options: PlacementWorldOptions) {
    this.#options = options;
    this.late = options.late ?? (() => 0);
    this.sim = new Simulation({ seed: options.seed });
    this.random = seededRandom(options.seed ^ 0x5eed);
    const { system } = this.add("n0");
    system.register(clusterActor, {
      config: clusterActor.config.parse({ nodes: 2, model: "toy", source: "n0" }),
      resources: () => ({
        memory: NO_MEMORY,
        sources: NO_SOURCES,
        place: this.#place,
        nodes: this.#view,
      }),
    });
    this.add("n1");
  }

  /** A whole number from 0 to n - 1. */
  int(n: number): number {
    return Math.floor(this.random() * n);
  }

  /** Resolves after so many virtual milliseconds. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.sim.clock.after(ms, resolve));
  }

  /** Starts a node, which has not joined yet. */
  add(name: string): SimulatedNode {
    const { sim } = this;
    const { lateMs = 6_000 } = this.#options;
    const directory = new ClusterDirectory(name);
    directory.follow({ node: "n0", epoch: 1 });
    const engines: ToyEngine[] = [];
    const system = sim.node(name, directory, {
      schedule: (turn) =>
        void sim.clock.after(
          sim.random() < this.late(name) ? sim.random() * lateMs : sim.random(),
          turn,
        ),
      onCrash: (actor, error) => void this.crashes.push(`${actor}: ${error.message}`),
      onPeerLost: (peer) => {
        gateway.nodeLost(peer);
        if (name === "n0") void system.tell(CLUSTER, { type: "lost", node: peer }).catch(() => {});
      },
    });
    const gateway = new Gateway({
      ...{ system, clock: sim.clock },
      admission: new Admission({ active: 4, queued: 32 }),
    });
    const models: ModelsOfDeployments = {
      ensure: async () => {
        await this.sleep(1 + 200 * sim.random());
        return { manifest: { name: "toy", geometry: { vocab: TOY_VOCAB } } } as StoredModel;
      },
      open: () => Promise.resolve(MODEL),
    };
    const host = new DeploymentHost({
      system,
      directory,
      store: undefined!,
      mailbox: { peers: () => [], addPeer() {}, removePeer() {}, giveUp() {} },
      gateway,
      models,
      loader: {
        load: (to, _stored, layers) => this.#load(to, { engines, layers }),
        loadHead: async (_to, _stored, { first_part, last_part }) => {
          await this.sleep(1 + 200 * sim.random());
          const first = BOUNDS[first_part];
          return new ToyHead(sim.clock, { first, tokens: BOUNDS[last_part + 1] - first }, 3);
        },
      },
    });
    gateway.register();
    system.register(stageActor, {
      config: stageActor.config.parse({}),
      resources: (to) => ({ engine: () => host.loadStage(to) }),
    });
    system.register(headActor, {
      config: headActor.config.parse({}),
      resources: (to) => ({ engine: () => host.loadHead(to) }),
    });
    system.register(memberActor, {
      config: {},
      resources: () => ({ host, onPing() {}, onDrain() {}, nodes: this.#view }),
    });
    const node: SimulatedNode = { name, system, gateway, host, engines };
    this.nodes.set(name, node);
    return node;
  }

  /** The node joins the cluster. */
  async join({ name, system }: SimulatedNode): Promise<void> {
    const port = 1000 + Number(name.slice(1));
    const member = { node: name, host: "10.0.0.1", port, cores: 1, memory_bytes: 1 };
    await system.ask(CLUSTER, { type: "join", ...member }, { deadlineMs: 600_000 });
  }

  /** Waits until the node answers requests. */
  async ready({ gateway }: SimulatedNode): Promise<void> {
    while (!gateway.readiness().ready) await this.sleep(100);
  }

  /** The node ends as on SIGTERM, its own requests being over: it leaves, waits, and closes. */
  async leave(node: SimulatedNode): Promise<void> {
    const { name, system, host } = node;
    await system.ask(CLUSTER, { type: "leave", node: name }, { deadlineMs: 600_000 });
    while (host.stages.length > 0) await this.sleep(50);
    this.nodes.delete(name);
    host.close();
    await system.close();
  }

  /** The node ends without a goodbye. */
  kill({ name, host }: SimulatedNode): void {
    this.nodes.delete(name);
    host.close();
    this.sim.crash(name);
  }

  /** Nothing comes from the node or to it for so long, and it hears of nothing. */
  async cutOff({ name }: SimulatedNode, forMs: number): Promise<void> {
    const others = () => [...this.nodes.keys()].filter((other) => other !== name);
    const cut = others();
    for (const other of cut) this.sim.network.cut(name, other);
    this.#cutAt.set(name, this.sim.clock.now());
    await this.sleep(forMs);
    for (const other of cut) this.sim.network.heal(name, other);
    this.#cutAt.delete(name);
  }

  /** Has layers placed anew. */
  async replan(): Promise<void> {
    await this.nodes.get("n0")!.system.tell(CLUSTER, { type: "replan", why: "test" });
  }

  /** What the cluster actor says. */
  async status(): Promise<ClusterStatus> {
    return await this.nodes.get("n0")!.system.ask(CLUSTER, { type: "status" }, {
      deadlineMs: 600_000,
    }) as ClusterStatus;
  }

  /** The tokens that a node answers, greedily. */
  async ask(node: SimulatedNode, prompt: number[], count: number): Promise<number[]> {
    return (await this.answer(node, prompt, count)).tokens;
  }

  /** The same, and how often the answer was begun anew elsewhere. */
  async answer(
    { gateway }: SimulatedNode,
    prompt: number[],
    count: number,
  ): Promise<{ tokens: number[]; pauses: number }> {
    const request = {
      model: "default",
      prompt: { kind: "tokens", tokens: prompt },
      sampling: { temperature: 0 },
      maxTokens: count,
      stop: [],
      mode: "plain",
    } satisfies GenerateRequest;
    const tokens: number[] = [];
    let pauses = 0;
    for await (const event of gateway.generate(request, new AbortController().signal)) {
      if (event.type === "delta") tokens.push(...event.tokens.map((t) => t.token));
      if (event.type === "done") pauses = event.report?.pauses ?? 0;
    }
    return { tokens, pauses };
  }

  /** Ends what the hosts wait for outside of virtual time. */
  close(): void {
    for (const { host } of this.nodes.values()) host.close();
  }

  /** What the mailboxes know of each other. */
  readonly #view: MembersView = {
    silentMs: (node) => this.#silentMs(node),
    refuses: () => Promise.resolve(false),
    identity: () => undefined,
    isFormer: () => false,
    changed() {},
  };

  #silentMs(node: string): number | undefined {
    if (!this.nodes.has(node)) return undefined;
    const now = this.sim.clock.now();
    const at = this.#cutAt.get(node);
    return at === undefined ? now % PING_MS : at % PING_MS + now - at;
  }

  /** Layers cut at random and dealt to some of the members. */
  readonly #place: PlaceDeployment = async (members) => {
    await this.sleep(1 + 300 * this.random());
    const left = members.map((m) => m.node);
    const { cuts: fixed } = this.#options;
    const nodes = Array.from(
      { length: fixed ? fixed.length + 1 : 1 + this.int(members.length) },
      () => left.splice(this.int(left.length), 1)[0] ?? members[this.int(members.length)].node,
    );
    const cuts = new Set(fixed?.map((last) => last + 1));
    while (cuts.size < nodes.length - 1) cuts.add(1 + this.int(LAYERS - 1));
    const ends = [...[...cuts].sort((a, b) => a - b), LAYERS];
    const shares = this.#options.heads ? 1 + this.int(members.length) : 0;
    const stages = nodes.map((node, i) => ({ node, first: ends[i - 1] ?? 0, last: ends[i] - 1 }));
    const backup = (node: string) => {
      const others = members.filter((m) => m.node !== node);
      return others[this.int(others.length)]?.node ?? null;
    };
    return {
      ...(shares > 0 && {
        head: evenHead(members.toReversed().slice(0, shares).map((m) => m.node))
          .map(({ device, ...parts }) => ({ node: device, ...parts })),
      }),
      stages,
      ...(this.#options.backups && {
        plan: {
          backups: stages.map(({ node, first, last }) => ({
            first_layer: first,
            last_layer: last,
            host: backup(node),
          })),
        },
      }),
    };
  };

  /**
   * Checks that a node has the engines of its stages in the deployment that serves and those that it
   * has loaded ahead of it, and no others.
   */
  assertEngines({ name, engines, host }: SimulatedNode, deployment: Deployment): void {
    const mine = deployment.stages.filter((s) => s.node === name).length;
    const ahead = host.spares.map((to) => parseAddress(to));
    const strange = ahead.filter(({ deployment: id }) => id !== deployment.id);
    assert.deepEqual(strange, [], `left at ${name}`);
    const spares = ahead.filter(({ kind }) => kind === "stage").length;
    const loaded = engines.filter((e) => !e.disposed).length;
    assert.equal(
      loaded,
      mine + spares,
      `${loaded} engines are loaded at ${name}, which has ${mine} stages and ${spares} ahead`,
    );
  }

  async #load(
    to: string,
    { engines, layers: { node, first, last, head, spare } }: {
      engines: ToyEngine[];
      layers: LayersAtNode & { head?: HeadTokens[]; spare?: boolean };
    },
  ): Promise<ToyEngine> {
    await this.sleep(1 + 500 * this.random());
    const { layersPerNode = Infinity } = this.#options;
    const loaded = engines.reduce(
      (n, { disposed, info }) => n + (disposed ? 0 : info.lastLayer - info.firstLayer + 1),
      0,
    );
    if (loaded + (last - first + 1) * (spare ? 2 : 1) > layersPerNode) {
      throw new OrreryError({
        group: "cluster",
        code: "not_enough_memory",
        message: `node ${node} has no memory for ${parseAddress(to).key}`,
      });
    }
    const engine = new ToyEngine(this.sim.clock, { first, last, layers: LAYERS }, 1, {
      frameMs: (rows) => 10 + 2 * rows,
      head,
    });
    engines.push(engine);
    this.#options.engine?.(engine, node);
    return engine;
  }
}
