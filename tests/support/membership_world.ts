/**
 * A cluster under the deterministic simulator whose machines and links fail: the production's cluster
 * actor, member actors and watches, over a faulty network. Layers, weights and requests are left out.
 *
 * @module
 */
import {
  type ActorSystem,
  CLUSTER,
  clusterActor,
  type ClusterStatus,
  CoordinatorWatch,
  type Deployment,
  hasCode,
  type HealthChange,
  type Member,
  memberActor,
  type MemberDuties,
  type MembersView,
  type NodeView,
  seededRandom,
  Simulation,
} from "../../actors/mod.ts";
import { FaultyNetwork, FaultyProcess } from "./faulty_network.ts";
import { FULL_NODES, NO_MEMORY } from "./no_memory.ts";

/** A node listens on this port or the next one. */
const PORT = 8421;
/** Milliseconds between two attempts to join. */
const RETRY_MS = 2_000;
/** Milliseconds in which the cluster actor must answer. */
const JOIN_MS = 10_000;

/** What a test puts in place of the production's, to show that the checks notice it. */
export interface Broken {
  /** Changes what a process knows of others. */
  view?: (view: MembersView, at: FaultyProcess, world: MembershipWorld) => MembersView;
  /** The member actor. */
  member?: typeof memberActor;
}

/** Options of a {@linkcode MembershipWorld}. */
export interface MembershipWorldOptions {
  seed: number;
  /** Most milliseconds by which clocks of machines differ. @default 24 hours */
  skewMs?: number;
  /** Most by which rates of clocks differ from 1. @default 0.02 */
  drift?: number;
  broken?: Broken;
}

/** A member's process. */
export interface Life {
  process: FaultyProcess;
  system: ActorSystem;
  /** What the cluster told it to serve last. */
  adopted?: Deployment;
  /** Whether it believes that it is a member. */
  joined: boolean;
  watch?: CoordinatorWatch;
}

/** See the module's text. */
export class MembershipWorld {
  readonly sim: Simulation;
  readonly network: FaultyNetwork;
  /** Draws what happens, apart from the schedule. */
  readonly random: () => number;
  /** The running or last life of each machine; the first machine has the cluster actor. */
  readonly lives = new Map<string, Life>();
  /** What broke a promise. */
  readonly violations: string[] = [];
  /** Changes of health that the cluster actor told. */
  readonly changes: (HealthChange & { at: number })[] = [];
  readonly #options: MembershipWorldOptions;
  /** By machine: what its clock says against true time. */
  readonly #clocks = new Map<string, { offsetMs: number; rate: number }>();
  #lives = 0;

  /** No machine runs yet. */
  constructor(options: MembershipWorldOptions) {
    this.#options = options;
    this.sim = new Simulation({ seed: options.seed });
    this.network = new FaultyNetwork(this.sim);
    this.random = seededRandom(options.seed ^ 0x5eed);
  }

  /** A whole number from 0 to n - 1. */
  int(n: number): number {
    return Math.floor(this.random() * n);
  }

  /** Resolves after so many virtual milliseconds. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.sim.clock.after(ms, resolve));
  }

  /** The life of the first machine. */
  get first(): Life {
    return this.lives.get("n0")!;
  }

  /** Starts a new life on a machine, which joins by itself. */
  start(machine: string): Life {
    const { skewMs = 24 * 3600_000, drift = 0.02, broken } = this.#options;
    let clock = this.#clocks.get(machine);
    if (!clock) {
      clock = {
        offsetMs: skewMs * this.random(), // monotonic clocks begin at 0
        rate: 1 + drift * (2 * this.random() - 1),
      };
      this.#clocks.set(machine, clock);
    }
    // A node that is started again may listen on another port.
    const port = PORT + ++this.#lives % 2;
    const id = `${machine}:${port}:${this.#lives.toString(16).padStart(4, "0")}`;
    const process = new FaultyProcess(this.sim, id, machine, clock);
    const isFirst = machine === "n0";
    let seed = isFirst ? id : "";
    const place = (to: string) => to === CLUSTER ? seed : to.split("/")[2];
    const directory = {
      resolve: (to: string) => ({ node: place(to), epoch: 1 }),
      nodeOf: place,
    };
    const system = this.sim.node(id, directory, {
      transport: this.network.start(process),
      clock: process.clock,
      schedule: (turn) =>
        void this.sim.clock.after(0.2 * this.sim.random(), () => process.run(turn)),
      onPeerLost: (node) => process.onBroke(node),
      onCrash: (actor, error) => void this.violations.push(`${actor} crashed: ${error.message}`),
    });
    const life: Life = { process, system, joined: false };
    this.lives.set(machine, life);
    const view = this.#view(process);
    system.register(broken?.member ?? memberActor, {
      config: {},
      resources: () => ({
        host: this.#duties(life),
        onPing: (by: string) => life.watch?.pinged(by),
        nodes: view,
      }),
    });
    if (isFirst) {
      system.register(clusterActor, {
        config: clusterActor.config.parse({ nodes: 1, model: "m", source: id }),
        resources: () => ({
          memory: NO_MEMORY,
          sources: FULL_NODES, // membership alone is looked at: nothing is repaired
          nodes: view,
          place: (members: Member[]) => ({
            stages: members.map(({ node }, i) => ({ node, first: i, last: i })),
          }),
        }),
      });
      process.onBroke = (node) =>
        void system.tell(CLUSTER, { type: "broke", node }).catch(() => {});
    } else {
      life.watch = this.#watch(life, view, {
        seed: () => seed,
        lost: () => void this.#join(life, (node) => seed = node),
      });
      process.onBroke = (node) => life.watch!.broke(node);
    }
    process.run(() => void this.#join(life, (node) => seed = node));
    return life;
  }

  /** What the cluster actor says; undefined: it does not answer. */
  async status(): Promise<ClusterStatus | undefined> {
    const { process, system } = this.first;
    if (process.dead || process.frozen) return undefined;
    return await system.ask(CLUSTER, { type: "status" }, { deadlineMs: 5_000 })
      .catch(() => undefined) as ClusterStatus | undefined;
  }

  /** Notes a former life that is listed though the one that runs has joined. */
  async checkGhosts(): Promise<void> {
    for (const { node } of (await this.status())?.members ?? []) {
      const life = this.lives.get(node.split(":")[0])!;
      if (life.process.id === node || !life.joined || life.process.dead) continue;
      this.violations.push(`${node} is listed, and ${life.process.id} has joined since`);
    }
  }

  /** Ends all timers, so that a finished world can be thrown away. */
  close(): void {
    for (const process of this.network.processes.values()) process.dead = true;
  }

  /** The node finds the first one by its address, and joins; again and again until it has. */
  async #join(life: Life, found: (node: string) => void): Promise<void> {
    const { process, system } = life;
    life.joined = false;
    const pause = () => new Promise<void>((resolve) => void process.clock.after(RETRY_MS, resolve));
    const [, port] = process.id.split(":");
    const member = {
      node: process.id,
      host: process.machine,
      port: Number(port),
      cores: 1,
      memory_bytes: 1,
    };
    for (;; await pause()) {
      const first = this.first;
      if (first.process.dead) continue;
      found(first.process.id);
      try {
        await system.ask(CLUSTER, { type: "join", ...member }, { deadlineMs: JOIN_MS });
      } catch (error) {
        if (hasCode(error, "superseded")) this.violations.push(`${process.id} is superseded`);
        continue;
      }
      life.joined = true;
      life.watch?.follow(first.process.id);
      return;
    }
  }

  #watch(
    { process, system }: Life,
    view: NodeView,
    { seed, lost }: { seed: () => string; lost: (why: string) => void },
  ): CoordinatorWatch {
    const life = () => this.lives.get(process.machine)!;
    return new CoordinatorWatch({
      self: process.id,
      now: () => process.clock.now(),
      after: (ms, fn) => process.clock.after(ms, fn),
      random: () => this.sim.random(),
      silentMs: (node) => view.silentMs(node),
      refuses: (node, deadlineMs) => view.refuses(node, deadlineMs),
      ping: (node, deadlineMs) => system.get(memberActor, node).ping({}, { deadlineMs }),
      reach: (voter, node, within_ms) =>
        system.get(memberActor, voter).reach({ node, within_ms }, { deadlineMs: 2 * within_ms }),
      voters: (node) =>
        (life().adopted?.members ?? []).map((m) => m.node)
          .filter((member) => member !== node && member !== process.id),
      changed: () => {},
      isListed: (deadlineMs) =>
        system.at(clusterActor, CLUSTER).listed({ node: process.id }, { deadlineMs }),
      lost: (why) => {
        if (seed() !== "") lost(why);
      },
    });
  }

  #view(process: FaultyProcess): MembersView {
    const machineOf = (node: string) => node.split(":")[0];
    const view: MembersView = {
      silentMs: (node) => {
        const at = process.heardAt.get(node);
        return at === undefined ? undefined : process.clock.now() - at;
      },
      refuses: (node, deadlineMs) => this.network.refuses(process, node, deadlineMs),
      identity: machineOf,
      isFormer: (node) => this.lives.get(machineOf(node))!.process.id !== node,
      changed: (change) => {
        this.changes.push({ ...change, at: this.sim.clock.now() });
        if (change.to === "dead" || change.to === "suspect") this.#judge(process, change);
      },
    };
    return this.#options.broken?.view?.(view, process, this) ?? view;
  }

  /** Whether a node may be taken for suspect or dead: not where it could be reached all the time. */
  #judge(first: FaultyProcess, { node, to, why }: HealthChange): void {
    const { network } = this;
    const process = network.processes.get(node)!;
    const blame = (how: string, ms: number) =>
      this.violations.push(
        `${Math.round(this.sim.clock.now())}: ${node} is ${to} (${why}), though ${how} could ` +
          `reach it for ${Math.round(ms)} ms`,
      );
    if (to === "suspect") {
      const ms = network.wellReachableMs(first, process);
      if (ms > WELL_MS) blame("the first node", ms);
      return;
    }
    const direct = network.reachableMs(first, process);
    if (direct > DIRECT_MS) return void blame("the first node", direct);
    for (const { process: voter, joined } of this.lives.values()) {
      if (voter === process || voter === first || !joined) continue;
      const way = [network.reachableMs(first, voter), network.reachableMs(voter, process)];
      if (Math.min(...way) > VOTER_MS) blame(voter.id, Math.min(...way));
    }
  }

  #duties(life: Life): MemberDuties {
    return {
      prove: () => Promise.resolve(),
      activity: () => [],
      prepare: () => new Promise((resolve) => void life.process.clock.after(20, resolve)),
      standBy: () => Promise.resolve(),
      loadAhead: () => Promise.resolve(),
      adopt: (deployment) => void (life.adopted = deployment),
      release: () => Promise.resolve(),
      retire: () => Promise.resolve(),
      holds: () => true,
      nodeLost() {},
    };
  }
}

/**
 * A node is not to be removed that the first node could reach for this time, nor one that a member
 * could reach which the first node could reach. Milliseconds.
 */
const DIRECT_MS = 6_000;
const VOTER_MS = 20_000;
/** A node is not to be suspected that the first node could reach quickly for this time. */
const WELL_MS = 6_000;
