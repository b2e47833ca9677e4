/**
 * The coordinator's part in where custom actors run: has the planner choose a host for each, and
 * has the hosts take them up. An actor moves when its host is gone, leaves, cannot run it, or when
 * a move saves enough.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ActorSystem,
  type Graph,
  leaseKey,
  type Member,
  type MembersView,
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
/** Latency of a link that was not measured, seconds. */
const USUAL_SECONDS = 0.001;

/** What {@linkcode GraphActors} works with. */
export interface GraphActorsOptions {
  system: ActorSystem;
  homes: ClusterDirectory["homes"];
  /** This node's own home of actors. */
  home: ActorHome;
  writer: Pick<TermWriter, "write">;
  registry: Pick<Registry, "list">;
  /** Number of the term. */
  term: number;
  /** Ends with the term. */
  signal: AbortSignal;
  graph: Graph;
  actors: readonly EntryActor[];
  /** Says which machines refuse connections. */
  nodes: Pick<MembersView, "refuses">;
  links: () => readonly LinkNow[];
}

/** An actor on its way. */
interface Hosted {
  actor: EntryActor;
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
  #members: readonly Member[] = [];
  #plan?: Pick<Plan, "stages" | "solo">;
  #placed: PlacedActor[] = [];
  /** Nodes that are no members any more: whether their processes have certainly ended. */
  readonly #buried = new Map<string, Promise<boolean>>();
  #timer?: ReturnType<typeof setTimeout>;

  /** Nothing is hosted until {@linkcode GraphActors.place}. */
  constructor(options: GraphActorsOptions) {
    this.#options = options;
    const { actors, homes, home } = options;
    homes.expect(actors.map(({ name }) => name));
    this.#hosted = new Map(actors.map((actor) => {
      const node = homes.nodeOf(actor.name);
      return [actor.name, { actor, node, moving: false, stale: true, unfit: new Map() }];
    }));
    void this.#forgetModules();
    void home.keep(actors.map(({ name }) => name), this.#within(LEAVE_MS)).catch(() => {});
  }

  /** Where each actor runs, or is to, and why there. */
  get placed(): readonly PlacedActor[] {
    return this.#placed;
  }

  /** Chooses hosts among these members, and moves what must be moved. */
  place(members: readonly Member[], plan?: Pick<Plan, "stages" | "solo">): void {
    const gone = this.#members.filter(({ node }) => !members.some((m) => m.node === node));
    const came = members.filter(({ node }) => !this.#members.some((m) => m.node === node));
    this.#members = members;
    this.#plan = plan ?? this.#plan;
    for (const { node } of gone) this.#buried.set(node, this.#bury(node));
    for (const { node } of came) {
      this.#buried.delete(node);
      void this.#tidy(node);
    }
    this.#choose();
  }

  /** The actors, as they were loaded last. */
  get actors(): EntryActor[] {
    return [...this.#hosted.values()].map(({ actor }) => actor);
  }

  /** Another version of an actor's module was loaded here: its host takes it over. */
  replace(actor: EntryActor): void {
    const hosted = this.#hosted.get(actor.name);
    if (!hosted) return;
    void hosted.actor.spare.close();
    hosted.actor = actor;
    hosted.stale = true;
    hosted.unfit.clear();
    this.#choose();
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
    const { system, graph, signal, links } = this.#options;
    const members = this.#members;
    if (signal.aborted || this.#hosted.size === 0 || members.length === 0) return;
    const nodeOf = (host: string) => members.find(({ node }) => meansNode(host, node))?.node;
    const known = new Map(links().map(({ from, to, seconds }) => [`${from} ${to}`, seconds]));
    const untrusted = graph.devices === "measured" ? [] : graph.devices.filter((d) => !d.trusted);
    const bare = members.filter(({ node }) =>
      !graph.constraints.exclude.some((host) => meansNode(host, node))
    ).map(({ node, cores, memory_bytes }) => ({
      ...{ name: node, cores, memoryBytes: memory_bytes },
      trusted: !untrusted.some(({ name }) => meansNode(name, node)),
    }));
    this.#placed = placeActors({
      actors: actorNeedsOf(graph, { home: system.node, nodeOf })
        .map((needs) => ({ ...needs, ...this.#state(needs.name) })),
      hosts: actorHostsOf(bare, this.#plan, graph.workload.output_tokens),
      seconds: bare.map(({ name: from }) =>
        bare.map(({ name: to }) => from === to ? 0 : known.get(`${from} ${to}`) ?? USUAL_SECONDS)
      ),
      api: system.node,
      model: this.#plan?.stages[0]?.host ?? system.node,
    });
    for (const { actor, host, why } of this.#placed) {
      const hosted = this.#hosted.get(actor)!;
      if (host === null) {
        if (hosted.wanted !== undefined || !hosted.node) {
          log.warn("actor {actor}: {why}", { actor, why });
        }
        hosted.wanted = undefined;
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
    const { system, signal } = this.#options;
    if (node === system.node) return;
    const names = [...this.#hosted].filter(([, h]) => h.node === node || h.wanted === node)
      .map(([name]) => name);
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
    const { registry, writer, signal, actors } = this.#options;
    const kept = actors.map(({ packed }) => moduleKey(packed.sha256));
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
