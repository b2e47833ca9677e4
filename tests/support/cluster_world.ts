/**
 * The cluster actor over nodes that remember what they were told, in virtual time.
 *
 * @module
 */
import {
  CLUSTER,
  clusterActor,
  type ClusterStatus,
  type Deployment,
  directoryOf,
  type HealthChange,
  type Member,
  memberActor,
  type MemberDuties,
  type MembersView,
  OrreryError,
  type PlaceDeployment,
  Simulation,
} from "../../actors/mod.ts";
import { FULL_NODES, NO_MEMORY, NO_SOURCES } from "./no_memory.ts";

/** A node that remembers what it was told, and can refuse or dawdle. */
export class FakeDuties implements MemberDuties {
  prepared: string[] = [];
  adopted: (Deployment | undefined)[] = [];
  reasons: string[] = [];
  released: string[] = [];
  retired: string[] = [];
  /** Settled when the requests that run are over. */
  requests: Promise<unknown> = Promise.resolve();
  lost: string[] = [];
  prepareMs = 50;
  /** Milliseconds before a ping is answered. */
  pingMs = 0;
  refuse?: OrreryError;
  readonly #sim: Simulation;

  constructor(sim: Simulation) {
    this.#sim = sim;
  }

  async prepare(deployment: Deployment): Promise<void> {
    await new Promise<void>((resolve) => this.#sim.clock.after(this.prepareMs, resolve));
    if (this.refuse) throw this.refuse;
    this.prepared.push(deployment.id);
  }
  standBy(): Promise<void> {
    return Promise.resolve();
  }
  /** Of an earlier version: layers never move while requests run. */
  loadAhead(): Promise<void> {
    return Promise.reject(
      new OrreryError({ group: "actor", code: "unknown_message", message: "no such message" }),
    );
  }
  async ping(): Promise<void> {
    await new Promise<void>((resolve) => this.#sim.clock.after(this.pingMs, resolve));
  }
  adopt(deployment: Deployment | undefined, reason: string): Promise<void> {
    this.adopted.push(deployment);
    this.reasons.push(reason);
    return Promise.resolve();
  }
  async release(id: string, signal: AbortSignal): Promise<void> {
    const late = new Promise((_, reject) => signal.onabort = () => reject(signal.reason));
    await Promise.race([this.requests, late]);
    this.released.push(id);
  }
  retire(id: string): Promise<void> {
    this.retired.push(id);
    return Promise.resolve();
  }
  holds(id: string): boolean {
    return !this.retired.includes(id) && this.prepared.includes(id);
  }
  nodeLost(node: string): void {
    this.lost.push(node);
  }
  prove(): Promise<void> {
    return Promise.resolve();
  }
  activity() {
    return [];
  }
}

/** One stage on each member, in their order. */
export const onePerMember = (members: Member[]) => ({
  stages: members.map((m, i) => ({ node: m.node, first: i, last: i })),
});

/** Options of {@linkcode clusterWorld}. */
export interface ClusterWorldOptions extends Partial<Pick<MembersView, "identity" | "isFormer">> {
  nodes?: number;
  seed?: number;
  place?: PlaceDeployment;
  /** Has each node memory for one stage only? @default false */
  full?: boolean;
}

/** Three nodes, of which the first has the cluster actor; none has joined yet. */
export function clusterWorld(options: ClusterWorldOptions = {}) {
  const sim = new Simulation({ seed: options.seed ?? 1 });
  const directory = directoryOf((to) => to === CLUSTER ? "n0" : to.split("/")[2]);
  const hosts = new Map<string, FakeDuties>();
  /** Only answers to pings are signs of life here. */
  const view: MembersView = {
    silentMs: () => undefined,
    refuses: () => Promise.resolve(false),
    identity: (node) => options.identity?.(node),
    isFormer: (node) => options.isFormer?.(node) ?? false,
    changed: (change) => void changes.push(change),
  };
  const changes: HealthChange[] = [];
  const systems = ["n0", "n1", "n2"].map((name) => {
    const host = new FakeDuties(sim);
    hosts.set(name, host);
    const system = sim.node(name, directory, {
      onPeerLost: (node) => name === "n0" && void systems[0].tell(CLUSTER, { type: "lost", node }),
    });
    system.register(memberActor, {
      config: {},
      resources: () => ({ host, onPing: () => host.ping(), nodes: view }),
    });
    return system;
  });
  systems[0].register(clusterActor, {
    config: clusterActor.config.parse({ nodes: options.nodes ?? 1, model: "m", source: "n0" }),
    resources: () => ({
      memory: NO_MEMORY,
      sources: options.full ? FULL_NODES : NO_SOURCES,
      place: options.place ?? onePerMember,
      nodes: view,
    }),
  });
  const join = (i: number) =>
    sim.until(systems[i].ask(CLUSTER, {
      type: "join",
      node: `n${i}`,
      host: "10.0.0.1",
      port: 1000 + i,
      cores: 1,
      memory_bytes: 1,
    }));
  const status = () =>
    sim.until(systems[0].ask(CLUSTER, { type: "status" })) as Promise<ClusterStatus>;
  const serving = (name: string) => hosts.get(name)!.adopted.at(-1)?.stages.map((s) => s.node);
  return { sim, systems, hosts, join, status, serving, changes };
}
