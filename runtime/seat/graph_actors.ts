/**
 * The coordinator's part in where custom actors run: has the planner choose a host for each, and
 * has the hosts take them up. An actor moves when its host is gone, leaves, cannot run it, or when
 * a move saves enough. The graphs of several deployments share the nodes: each gets what the layers
 * of all, and the actors of those before it, leave.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ActorSystem,
  DEFAULT_DEPLOYMENT,
  type Graph,
  leaseKey,
  type Member,
  type MembersView,
  OrreryError,
  type Registry,
  toOrreryError,
} from "../../actors/mod.ts";
import {
  actorHostsOf,
  actorNeedsOf,
  placeActors,
  type PlacedActor,
  type Plan,
} from "../../planner/mod.ts";
import { type ClusterDirectory, type LinkNow, meansNode } from "../cluster/mod.ts";
import { type ActorHome, type EntryActor, homeActor, moduleKey } from "../custom/mod.ts";
import { noHost, within } from "./actors_ready.ts";
import type { TermWriter } from "./cluster_contents.ts";

const log = getLogger(["orrery", "custom"]);

/** Milliseconds in which a host must have taken an actor up: its owner before may have to lapse. */
const HOST_MS = 90_000;
/** Milliseconds in which a host must have given an actor up. */
const LEAVE_MS = 150_000;
/** The same for a host that is no member any more: it may be frozen, and its lease lapses then. */
const PARTING_MS = 3_000;
/** Milliseconds for which a host that could not run an actor is not asked again. */
const UNFIT_MS = 60_000;
/** Milliseconds until what failed is tried again. */
const AGAIN_MS = 1_000;
/** Milliseconds in which a machine must say that nobody listens there any more. */
const REFUSES_MS = 1_000;
/** Modules that are deleted from the registry at the beginning of a term. */
const MOST_DELETED = 24;
/** How often it is asked: the process may be about to end. */
const REFUSE_TRIES = 8;
/** Milliseconds between two looks at whether a move is over. */
const MOVING_MS = 50;
/** Latency of a link that was not measured, seconds. */
const USUAL_SECONDS = 0.001;

/** What {@linkcode GraphActors} works with. */
export interface GraphActorsOptions {
  system: ActorSystem;
  homes: ClusterDirectory["homes"];
  /** This node's own home of actors. */
  home: ActorHome;
  writer: Pick<TermWriter, "write" | "putModule">;
  registry: Pick<Registry, "list">;
  /** Number of the term. */
  term: number;
  /** Ends with the term. */
  signal: AbortSignal;
  /** The graph that the cluster was started with. */
  graph: Graph;
  actors: readonly EntryActor[];
  /** Actors of graphs that were applied in the term before, and will be put: their modules. */
  expected: ReadonlyMap<string, { sha256: string }>;
  /** Says which machines refuse connections. */
  nodes: Pick<MembersView, "refuses">;
  links: () => readonly LinkNow[];
}

/** A graph whose actors are placed. */
interface PlacedGraph {
  graph: Graph;
  plan?: Pick<Plan, "stages" | "solo">;
  /** Where its actors run, or are to, and why there. */
  placed: PlacedActor[];
}

/** An actor on its way. */
interface Hosted {
  actor: EntryActor;
  /** Name of the deployment whose graph it is of. */
  of: string;
  /** Told when its host has it as it is now, or cannot have it; undefined: nobody waits. */
  waits?: PromiseWithResolvers<void>;
  /** The node that hosts it; undefined: none yet. */
  node?: string;
  /** The node that is to. */
  wanted?: string;
  /** Is it being moved? */
  moving: boolean;
  /** Is what the host has another version? */
  stale: boolean;
  /** Hosts that could not run it: why, and until when (milliseconds of `performance.now`). */
  unfit: Map<string, { why: string; until: number }>;
}

/** See the module's text. */
export class GraphActors {
  readonly #options: GraphActorsOptions;
  readonly #hosted: Map<string, Hosted>;
  /** Graphs by the name of their deployment, that of the first node first. */
  readonly #graphs = new Map<string, PlacedGraph>();
  #members: readonly Member[] = [];
  /** Nodes that are no members any more: whether their processes have certainly ended. */
  readonly #buried = new Map<string, Promise<boolean>>();
  #timer?: ReturnType<typeof setTimeout>;

  /** Nothing is hosted until {@linkcode GraphActors.place}. */
  constructor(options: GraphActorsOptions) {
    this.#options = options;
    const { graph, actors, homes, home, expected } = options;
    homes.expect(DEFAULT_DEPLOYMENT, actors.map(({ name }) => name));
    this.#graphs.set(DEFAULT_DEPLOYMENT, { graph, placed: [] });
    this.#hosted = new Map(
      actors.map((actor) => [actor.name, this.#hostedNow(actor, DEFAULT_DEPLOYMENT)]),
    );
    void this.#forgetModules();
    const names = [...actors.map(({ name }) => name), ...expected.keys()];
    void home.keep(names, this.#within(LEAVE_MS)).catch(() => {});
  }

  /** Where each actor of a deployment's graph runs, or is to, and why there. */
  placedOf(deployment: string): readonly PlacedActor[] {
    return this.#graphs.get(deployment)?.placed ?? [];
  }

  /** The same with the nodes that have them by now. */
  hostedOf(deployment: string): PlacedActor[] {
    return this.placedOf(deployment).map(({ actor, host, why }) => {
      const { node, stale, waits } = this.#hosted.get(actor) ?? {};
      const runs = node !== undefined && !stale && !waits;
      if (runs || host === null) return { actor, host: runs ? node : null, why };
      return { actor, host: null, why: `it begins at ${host}: ${why}` };
    });
  }

  /** Name of the deployment that has an actor of this name; undefined: none has. */
  ownerOf(actor: string): string | undefined {
    return this.#hosted.get(actor)?.of;
  }

  /**
   * Has the actors of a deployment's graph run, in place of those that its graph before had: what is
   * being handled ends on the old ones, and what is kept stays. Resolves when every host has its
   * own. Throws group `graph`: `actor_name_taken`, and `no_host` where an actor gets none that can run
   * it; group `actor`, `deadline_exceeded`, after 90 s.
   */
  async put(
    deployment: string,
    { graph, actors }: { graph: Graph; actors: readonly EntryActor[] },
  ): Promise<void> {
    const { homes, writer, signal } = this.#options;
    this.checkNames(deployment, actors.map(({ name }) => name));
    for (const { packed: { sha256, bytes } } of actors) {
      await writer.putModule(sha256, bytes);
    }
    signal.throwIfAborted();
    const { plan } = this.#graphs.get(deployment) ?? {};
    this.#graphs.set(deployment, { graph, plan, placed: [] });
    homes.expect(deployment, actors.map(({ name }) => name));
    const names = new Set(actors.map(({ name }) => name));
    for (const [name, { of }] of this.#hosted) {
      if (of === deployment && !names.has(name)) this.#drop(name);
    }
    const waits = actors.map((actor) => {
      const before = this.#hosted.get(actor.name);
      const hosted = before ?? this.#hostedNow(actor, deployment);
      if (before) this.#swap(before, actor);
      this.#hosted.set(actor.name, hosted);
      hosted.waits?.reject(new Error("another version was put"));
      hosted.waits = Promise.withResolvers();
      hosted.waits.promise.catch(() => {});
      return hosted.waits.promise;
    });
    this.#choose();
    await within(Promise.all(waits), { ms: HOST_MS, deployment });
  }

  /** Ends the actors of a deployment that was deleted. */
  remove(deployment: string): void {
    this.#graphs.delete(deployment);
    this.#options.homes.expect(deployment, []);
    for (const [name, { of }] of this.#hosted) if (of === deployment) this.#drop(name);
  }

  /** Throws `actor_name_taken` where another deployment has an actor of one of these names. */
  checkNames(deployment: string, names: readonly string[]): void {
    for (const name of names) {
      const owner = this.ownerOf(name);
      if (owner === undefined || owner === deployment) continue;
      throw new OrreryError({
        group: "graph",
        code: "actor_name_taken",
        message: `actors.custom: deployment ${owner} has an actor ${name} already; ` +
          "its address would be the same, so give this one another name",
        metadata: { actor: name, deployment: owner },
      });
    }
  }

  /** Chooses hosts among these members, and moves what must be moved. `of`: whose plan it is. */
  place(
    members: readonly Member[],
    plan?: Pick<Plan, "stages" | "solo">,
    of = DEFAULT_DEPLOYMENT,
  ): void {
    const gone = this.#members.filter(({ node }) => !members.some((m) => m.node === node));
    const came = members.filter(({ node }) => !this.#members.some((m) => m.node === node));
    this.#members = members;
    const placed = this.#graphs.get(of);
    if (placed && plan) placed.plan = plan;
    for (const { node } of gone) this.#buried.set(node, this.#bury(node));
    for (const { node } of came) {
      this.#buried.delete(node);
      void this.#tidy(node);
    }
    this.#choose();
  }

  /** The actors of the first node's graph, as they were loaded last. */
  get actors(): EntryActor[] {
    return [...this.#hosted.values()].flatMap(({ of, actor }) =>
      of === DEFAULT_DEPLOYMENT ? [actor] : []
    );
  }

  /** Another version of an actor's module was loaded here: its host takes it over. */
  replace(actor: EntryActor): void {
    const hosted = this.#hosted.get(actor.name);
    if (!hosted) return;
    this.#swap(hosted, actor);
    this.#choose();
  }

  #hostedNow(actor: EntryActor, of: string): Hosted {
    const node = this.#options.homes.nodeOf(actor.name);
    return { actor, of, node, moving: false, stale: true, unfit: new Map() };
  }

  #swap(hosted: Hosted, actor: EntryActor): void {
    void hosted.actor.spare.close();
    hosted.actor = actor;
    hosted.stale = true;
    hosted.unfit.clear();
  }

  /** Nobody hosts this actor from now on. */
  #drop(name: string): void {
    const hosted = this.#hosted.get(name);
    if (!hosted) return;
    this.#hosted.delete(name);
    hosted.wanted = undefined;
    hosted.waits?.reject(new Error("it was taken out of the graph"));
    const over = async () => {
      while (hosted.moving) await sleep(MOVING_MS);
      if (hosted.node !== undefined && !this.#hosted.has(name)) {
        await this.#leave(hosted.node, name, "it is in no graph any more");
      }
      await hosted.actor.spare.close();
    };
    void over().catch((error) => log.warn("actor {name} does not end: {error}", { name, error }));
  }

  /** Decides nothing more: every actor stays where it is, until the next coordinator decides. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    const elsewhere = [...this.#hosted.values()].filter(({ node }) =>
      node !== this.#options.system.node
    );
    await Promise.all(elsewhere.map(({ actor }) => actor.spare.close()));
  }

  #choose(): void {
    const { signal } = this.#options;
    const members = this.#members;
    if (signal.aborted || this.#hosted.size === 0 || members.length === 0) return;
    const taken = new Map<string, number>();
    for (const [deployment, graph] of this.#graphs) this.#chooseFor(deployment, graph, taken);
  }

  /** Chooses for the actors of one graph. `taken`: bytes of actors of those before it, by node. */
  #chooseFor(deployment: string, placed: PlacedGraph, taken: Map<string, number>): void {
    const { system, links } = this.#options;
    const members = this.#members;
    const { graph, plan } = placed;
    if (graph.actors.custom.length === 0) return;
    const nodeOf = (host: string) => members.find(({ node }) => meansNode(host, node))?.node;
    const known = new Map(links().map(({ from, to, seconds }) => [`${from} ${to}`, seconds]));
    const untrusted = graph.devices === "measured" ? [] : graph.devices.filter((d) => !d.trusted);
    const bare = members.filter(({ node }) =>
      !graph.constraints.exclude.some((host) => meansNode(host, node))
    ).map(({ node, cores, memory_bytes }) => ({
      ...{ name: node, cores },
      memoryBytes: memory_bytes - (taken.get(node) ?? 0),
      trusted: !untrusted.some(({ name }) => meansNode(name, node)),
    }));
    let hosts = actorHostsOf(bare, plan, graph.workload.output_tokens);
    for (const [other, { plan }] of this.#graphs) {
      if (other === deployment) continue;
      const left = actorHostsOf(hosts, plan, 0);
      hosts = hosts.map((host, h) => ({ ...host, memoryBytes: left[h].memoryBytes }));
    }
    const actors = actorNeedsOf(graph, { home: system.node, nodeOf })
      .filter(({ name }) => this.#hosted.get(name)?.of === deployment)
      .map((needs) => ({ ...needs, ...this.#state(needs.name) }));
    placed.placed = placeActors({
      ...{ actors, hosts },
      seconds: bare.map(({ name: from }) =>
        bare.map(({ name: to }) => from === to ? 0 : known.get(`${from} ${to}`) ?? USUAL_SECONDS)
      ),
      api: system.node,
      model: plan?.stages[0]?.host ?? system.node,
    });
    for (const [i, { host }] of placed.placed.entries()) {
      if (host !== null) taken.set(host, (taken.get(host) ?? 0) + actors[i].memoryBytes);
    }
    this.#moveAll(placed.placed);
  }

  /** Brings actors to where they are to be. */
  #moveAll(placed: readonly PlacedActor[]): void {
    for (const { actor, host, why } of placed) {
      const hosted = this.#hosted.get(actor)!;
      if (host === null) {
        if (hosted.wanted !== undefined || !hosted.node) {
          log.warn("actor {actor}: {why}", { actor, why });
        }
        hosted.wanted = undefined;
        hosted.waits?.reject(noHost(actor, why));
        this.#later();
      } else {
        if (hosted.wanted !== host) {
          log.info("actor {actor} runs at {host}: {why}", { actor, host, why });
        }
        hosted.wanted = host;
        void this.#move(hosted);
      }
    }
  }

  /** What the planner is told of how an actor fares. */
  #state(name: string): { unfit: Record<string, string>; current?: string } {
    const { unfit, node, actor } = this.#hosted.get(name)!;
    const now = performance.now();
    for (const [host, { until }] of unfit) if (until <= now) unfit.delete(host);
    // The text of answers that are under way does not move, so it is not moved to save time.
    const stays = actor.filters && node !== undefined && !unfit.has(node) &&
      this.#members.some((m) => m.node === node);
    const others = stays ? this.#members.filter((m) => m.node !== node).map((m) => m.node) : [];
    return {
      unfit: Object.fromEntries([
        ...others.map((host) => [host, "would lose the text of answers that are under way"]),
        ...[...unfit].map(([host, { why }]) => [host, why]),
      ]),
      ...(node !== undefined && { current: node }),
    };
  }

  /** Brings an actor to where it is wanted, one move at a time. */
  async #move(hosted: Hosted): Promise<void> {
    const { homes, signal } = this.#options;
    const { actor: { name } } = hosted;
    if (hosted.moving) return;
    hosted.moving = true;
    try {
      while (!signal.aborted && hosted.wanted && (hosted.wanted !== hosted.node || hosted.stale)) {
        const to = hosted.wanted;
        if (hosted.node !== undefined && hosted.node !== to) {
          await this.#leave(hosted.node, name, `it moves to ${to}`);
          hosted.node = undefined;
        }
        homes.assign(name, to);
        const { actor } = hosted;
        try {
          const epoch = await this.#host(to, actor);
          homes.owned(name, { node: to, epoch });
          hosted.node = to;
          hosted.stale = hosted.actor !== actor;
          if (!hosted.stale) {
            hosted.waits?.resolve();
            hosted.waits = undefined;
          }
        } catch (error) {
          if (signal.aborted) return;
          const why = toOrreryError(error).message;
          log.warn("node {to} cannot host actor {name}: {why}", { to, name, why });
          hosted.unfit.set(to, { why: `failed: ${why}`, until: performance.now() + UNFIT_MS });
          return this.#later();
        }
      }
    } finally {
      hosted.moving = false;
    }
  }

  async #host(node: string, actor: EntryActor): Promise<number> {
    const { system, home, term } = this.#options;
    const { order } = actor;
    if (node === system.node) {
      return await home.host({ order, term }, { ...this.#within(HOST_MS), loaded: actor });
    }
    const { signal } = this.#options;
    const { epoch } = await system.get(homeActor, node)
      .host({ order, term }, { deadlineMs: HOST_MS, signal });
    void actor.spare.empty();
    return epoch;
  }

  /** Has a node give an actor up. One that is gone need not. */
  async #leave(node: string, name: string, why: string): Promise<void> {
    const { system, home, signal } = this.#options;
    if (node === system.node) return await home.leave(name, this.#within(LEAVE_MS));
    // One that leaves the cluster answers for a while yet; one that is dead does not.
    if (await Promise.race([this.#buried.get(node), sleep(REFUSES_MS, false)])) return;
    const deadlineMs = this.#members.some((m) => m.node === node) ? LEAVE_MS : PARTING_MS;
    await system.get(homeActor, node).leave({ name, why }, { deadlineMs, signal })
      .catch((error) =>
        log.info("node {node} does not give up actor {name}: {error}", { node, name, error })
      );
  }

  /** A node that has come may host what others host by now. */
  async #tidy(node: string): Promise<void> {
    const { system, signal, expected } = this.#options;
    if (node === system.node) return;
    const own = [...this.#hosted].filter(([, h]) => h.node === node || h.wanted === node)
      .map(([name]) => name);
    const names = [...own, ...[...expected.keys()].filter((name) => !this.#hosted.has(name))];
    await system.get(homeActor, node).keep({ names }, { deadlineMs: LEAVE_MS, signal })
      .catch(() => {}); // an earlier version, or gone
  }

  /**
   * A node is gone: what it owned is free at once where its process has certainly ended. Resolves to
   * whether it has.
   */
  async #bury(node: string): Promise<boolean> {
    const { nodes, writer, homes } = this.#options;
    for (const hosted of this.#hosted.values()) if (hosted.node === node) hosted.stale = true;
    homes.lost(node);
    let refuses = false;
    for (let n = 0; n < REFUSE_TRIES && !refuses && this.#isGone(node); n++) {
      const asked = performance.now();
      refuses = await nodes.refuses(node, REFUSES_MS).catch(() => false);
      if (!refuses) await sleep(Math.max(0, asked + REFUSES_MS - performance.now()));
    }
    if (!refuses) return false;
    await writer.write({ deletes: [leaseKey(node)] }).catch(() => {}); // the term is over
    return true;
  }

  #isGone(node: string): boolean {
    return !this.#options.signal.aborted && !this.#members.some((m) => m.node === node);
  }

  /** Deletes modules from the registry that no actor of the graph has. */
  async #forgetModules(): Promise<void> {
    const { registry, writer, signal, actors, expected } = this.#options;
    const kept = [...actors.map(({ packed }) => packed), ...expected.values()]
      .map(({ sha256 }) => moduleKey(sha256));
    try {
      const { entries } = await registry.list(moduleKey(""), { signal });
      const deletes = entries.map(({ key }) => key).filter((key) => !kept.includes(key));
      if (deletes.length > 0) await writer.write({ deletes: deletes.slice(0, MOST_DELETED) });
    } catch (error) {
      if (!signal.aborted) log.debug("old modules stay in the registry: {error}", { error });
    }
  }

  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#choose(), AGAIN_MS);
  }

  #within(ms: number): { signal: AbortSignal } {
    return { signal: AbortSignal.any([this.#options.signal, AbortSignal.timeout(ms)]) };
  }
}
