/**
 * Places layers, on the first node: asks the members how fast they and their links are, lets the
 * planner decide, and notes in the plan what could not be measured.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ActorSystem,
  type Clock,
  CLUSTER,
  clusterActor,
  type DeploymentPlacement,
  type Graph,
  type Member,
  memberActor,
  OrreryError,
  type PlaceDeployment,
  systemClock,
  toOrreryError,
} from "../../actors/mod.ts";
import type { Manifest } from "../../models/mod.ts";
import {
  annotated,
  changedInput,
  evenHead,
  evenSplit,
  type InputChanges,
  type LayerRange,
  type Plan,
  type PlanInput,
  tableSeconds,
} from "../../planner/mod.ts";
import {
  type Gathered,
  type GatherOptions,
  gatherProfiles,
  PROFILE_DEADLINE_MS,
} from "./gather_profiles.ts";
import type { LinkNow } from "./link_table.ts";
import { LinkWatch } from "./link_watch.ts";
import { likelyProfile } from "./likely_profile.ts";
import { placementBytes } from "./placement_bytes.ts";
import {
  askedVocabulary,
  limitsOf,
  linkMatrix,
  LOADED_SHARE,
  meansNode,
  mostBranches,
  placementOf,
  planInput,
  type PlannedNode,
  policyOf,
  unplannedShape,
} from "./plan_input.ts";
import { SteadyPlan } from "./steady_plan.ts";
import { type MakePlan, planBeside } from "./plan_beside.ts";
import type { NodeProfile } from "../profile/mod.ts";
import { manifestSha256 } from "../weights/mod.ts";

const log = getLogger(["orrery", "placement"]);

/** Milliseconds for which nodes serve before they measure themselves, where that need not be first. */
const SETTLE_MS = 5_000;

/** Options of a {@linkcode Placer}. */
export interface PlacerOptions {
  /** Reaches the members. */
  system: Pick<ActorSystem, "get" | "at" | "node">;
  /** Says when links are looked at. @default systemClock */
  clock?: Clock;
  /** The model to place; it is in this node's store. */
  manifest: Manifest;
  /** The draft model, in this node's store too; undefined: there is none. */
  draft?: Manifest;
  /** See `DraftChoice.found`. @default false */
  found?: boolean;
  /** Which draft model was found and why, or why none was. @default nothing is to be said */
  draftWhy?: string;
  /** Layers of each member, in the order in which they joined first; with them nothing is planned. */
  layers?: LayerRange[];
  /** Ask the planner, or give every member the same number of layers. @default "planned" */
  placement?: "planned" | "even";
  /** Workload, objective, constraints and decode policy. */
  graph: Graph;
  /** Acceptance rate of drafts, 0 to 1, where the graph has none. @default not known */
  acceptance?: number;
  /** Knows the links; not closed with the placer. @default it measures them itself */
  links?: LinkWatch;
  /** Makes plans; tests in virtual time make them at once. @default planBeside */
  makePlan?: MakePlan;
  /**
   * The plan by which layers are placed already, and the nodes that it was made for: another plan
   * must gain something, as long as its nodes are here. @default none
   */
  serving?: { devices: readonly string[]; plan: Plan };
  /**
   * Another model, in this node's store, that nodes may have measured. Where a placement is wanted at
   * once, layers are placed by its times until nodes have measured themselves. @default none: they are
   * waited for
   */
  like?: Manifest;
  /** Milliseconds for which nodes serve before they measure themselves. @default 5000 */
  settleMs?: number;
}

/** See the module's text. */
export class Placer {
  readonly #options: PlacerOptions;
  readonly #links: LinkWatch;
  readonly #makePlan: MakePlan;
  /** Fires when a node that is alone measures itself. */
  #alone?: ReturnType<typeof setTimeout>;
  #closed = false;
  /** What the last plan was made from; undefined: this placer has made none. */
  #input?: PlanInput;
  readonly #steady: SteadyPlan;
  /** Ends a measurement that follows an early placement; undefined: there is none. */
  #soon?: AbortController;

  constructor(options: PlacerOptions) {
    this.#options = options;
    const { system, clock = systemClock, serving, makePlan = planBeside } = options;
    this.#makePlan = makePlan;
    this.#links = options.links ?? new LinkWatch({
      system,
      clock,
      replan: (why) => void this.#replan(why).catch(() => {}), // refused only where its term is over
    });
    this.#steady = new SteadyPlan({
      clock,
      makePlan,
      replan: (why) => void this.#replan(why).catch(() => {}), // refused: its term is over
    });
    if (serving) this.#steady.serves(serving.plan.stages, serving.devices);
  }

  /**
   * Resource `place` of the cluster actor. Throws what the planner throws, and `too_few_nodes`
   * (group `cluster`).
   */
  readonly place: PlaceDeployment = async (members, options) => {
    const { shape, ...placed } = await this.#place(members, options);
    const { graph } = this.#options;
    const policy = policyOf(graph);
    const stated = { ...(policy && { policy }), ...limitsOf(graph) };
    return { ...placed, shape: shape && { ...shape, ...stated } };
  };

  async #place(
    members: Member[],
    { signal, say, taken, quick }: Parameters<PlaceDeployment>[1],
  ): Promise<DeploymentPlacement> {
    const { layers, placement = "planned", like } = this.#options;
    if (layers) return this.#ranges(members, layers);
    if (placement === "even") return this.#even(members);
    const only = members.length === 1;
    const early = quick && like && !only && await this.#early(members, { like, signal, taken });
    if (early) return early;
    if (!only) say(`measuring ${members.length} nodes and the links between them`);
    const { profiles, missing } = await this.#profiles(members, { signal, knownOnly: only });
    if (profiles.size === 0) {
      if (only) this.#measureLater();
      else {
        const [why] = missing.values();
        log.warn("no node could be measured, so layers are split evenly: {why}", { why });
      }
      return this.#even(members);
    }
    if (!only) await this.#links.measure(members, signal);
    return await this.#planned(members, { profiles, missing, signal, knownOnly: only, taken });
  }

  /** What knows the links, for the placers of other deployments. */
  get linkWatch(): LinkWatch {
    return this.#links;
  }

  /** The links between the members as they are now; empty where nothing is planned by them. */
  get links(): LinkNow[] {
    return this.#links.list();
  }

  /**
   * The plan that would be made if something were different, and what it would be made from;
   * undefined: this placer has planned nothing yet. Changes nothing. Throws what `changedInput` and
   * the planner throw, and the signal's reason.
   */
  async whatIf(
    changes: InputChanges,
    signal: AbortSignal,
  ): Promise<{ plan: Plan; input: PlanInput } | undefined> {
    if (!this.#input) return undefined;
    const input = changedInput(this.#input, changes);
    return { plan: await this.#makePlan(input, this.#options.graph, signal), input };
  }

  /** Cancels the measurement that a lone node has planned, and watches links no more. */
  close(): void {
    this.#closed = true;
    this.#steady.close();
    if (!this.#options.links) this.#links.close();
    clearTimeout(this.#alone);
    this.#soon?.abort();
  }

  /**
   * A placement at once, where a member has not measured itself: by its times of model `like`, or on
   * one node; all members measure themselves then, and layers are placed anew. undefined: all have
   * done so, or no node by itself has room for the model.
   */
  async #early(
    members: Member[],
    { like, signal, taken }: {
      like: Manifest;
      signal: AbortSignal;
      taken?: ReadonlyMap<string, number>;
    },
  ): Promise<DeploymentPlacement | undefined> {
    const { manifest } = this.#options;
    const own = await this.#profiles(members, { signal, knownOnly: true });
    const unknown = members.filter(({ node }) => !own.profiles.has(node));
    if (unknown.length === 0) return undefined;
    const others = await this.#profiles(unknown, { model: like.name, signal, knownOnly: true });
    for (const [node, known] of others.profiles) {
      own.profiles.set(node, likelyProfile(known, like, manifest));
    }
    if (own.profiles.size < members.length) {
      const placed = this.#whole(members, taken);
      if (placed) this.#measureSoon(members);
      return placed;
    }
    await this.#links.measure(members, signal);
    const nodes = unknown.map(({ node }) => node).join(", ");
    const guess =
      `times at ${nodes} are those of ${like.name}, by the bytes of weights: a new plan ` +
      "is made once they are measured";
    try {
      return await this.#planned(members, {
        profiles: own.profiles,
        missing: new Map(),
        guesses: [guess],
        signal,
        knownOnly: true,
        taken,
      });
    } finally {
      this.#measureSoon(members); // also where these times say that there is no room
    }
  }

  /** The whole model on the node with the most memory left; undefined: it is too large for that. */
  #whole(
    members: readonly Member[],
    taken: ReadonlyMap<string, number> = new Map(),
  ): DeploymentPlacement | undefined {
    const { manifest, graph, draft } = this.#options;
    const { actors, constraints, devices } = graph;
    const stated = actors.stages !== "auto" || typeof actors.head === "number" ||
      constraints.pin.length > 0 || devices !== "measured";
    if (stated) return undefined;
    const left = ({ node, memory_bytes }: Member) => leftOf(memory_bytes, taken.get(node));
    const [most, ...others] = members.filter(({ node }) =>
      !constraints.exclude.some((host) => meansNode(host, node))
    ).toSorted((a, b) => left(b) - left(a));
    if (!most) return undefined;
    const last = manifest.geometry.layers - 1;
    const placed = this.#ranges([most, ...others], [{ first: 0, last }]);
    const bytes = placementBytes(placed, manifest, draft).get(most.node) ?? 0;
    if (bytes > LOADED_SHARE * left(most)) return undefined;
    this.#steady.serves([{ host: most.node, first_layer: 0, last_layer: last }]);
    return placed;
  }

  /** Has the members measure themselves after an early placement, and layers placed anew then. */
  #measureSoon(members: Member[]): void {
    if (this.#soon || this.#closed) return;
    const { signal } = this.#soon = new AbortController();
    const measured = async () => {
      const { manifest, draft } = this.#options;
      await sleep(this.#options.settleMs ?? SETTLE_MS, undefined, { signal });
      for (const { name } of draft ? [manifest, draft] : [manifest]) {
        await this.#profiles(members, { model: name, signal, knownOnly: false });
      }
      this.#soon = undefined;
      if (!this.#closed) await this.#replan(`nodes have measured ${manifest.name}`);
    };
    void measured().catch(() => {}); // the replan is refused where the term is over
  }

  /** A placement of the given ranges, each on the member of the same index. */
  #ranges(members: Member[], ranges: LayerRange[]): DeploymentPlacement {
    if (ranges.length > members.length) {
      throw new OrreryError({
        group: "cluster",
        code: "too_few_nodes",
        message: `--layers names ${ranges.length} ranges, ${members.length} node(s) are here`,
      });
    }
    const { route } = this.#options.graph.decode;
    return {
      stages: ranges.map((range, i) => ({ node: members[i].node, ...range })),
      ...this.#head(members),
      // Nothing is known of memory and speed: a whole model is kept only where the graph asks.
      ...(ranges.length > 1 && route === "one" && { solo: { node: members[0].node } }),
      draft: this.#draft(members[ranges.length]),
      shape: unplannedShape(this.#options.manifest.precision, this.#options.graph),
    };
  }

  /** The members that share the LM head without a plan, as many as the graph says. */
  #head(members: Member[]): Pick<DeploymentPlacement, "head"> {
    const { graph: { actors: { head } }, manifest } = this.#options;
    if (typeof head !== "number" || head < 2) return {};
    if (!manifest.head_parts) {
      log.warn("{why}", { why: storedWhole(manifest.name) });
      return {};
    }
    const shares = evenHead(members.slice(0, head).map((m) => m.node));
    return { head: shares.map(({ device, ...parts }) => ({ node: device, ...parts })) };
  }

  /** A placement of layers in equal shares. */
  #even(members: Member[]): DeploymentPlacement {
    return this.#ranges(members, evenSplit(this.#options.manifest.geometry.layers, members.length));
  }

  /**
   * Where to draft without a plan: on a member without layers if there is one, else on this node.
   */
  #draft(idle?: Member): DeploymentPlacement["draft"] {
    const { draft, system, found } = this.#options;
    if (found) return undefined; // nothing is known of memory and speed
    return draft && { node: idle?.node ?? system.node, ...this.#named(draft) };
  }

  /** How a deployment names a draft model that is in this node's store. */
  #named(manifest: Manifest) {
    const { system: { node }, graph } = this.#options;
    return {
      model: manifest.name,
      source: node,
      manifest_sha256: manifestSha256(manifest),
      ...askedVocabulary(graph),
    };
  }

  /** A placement by the planner. Throws what the planner throws. */
  async #planned(
    members: Member[],
    { profiles, missing, guesses = [], signal, knownOnly, taken }: Gathered & {
      /** What the plan rests on beside measurements, in words. */
      guesses?: string[];
      signal: AbortSignal;
      /** Is nobody asked to measure itself? */
      knownOnly: boolean;
      taken?: ReadonlyMap<string, number>;
    },
  ): Promise<DeploymentPlacement> {
    const { system, manifest, draft, graph, acceptance, found: optional, draftWhy } = this.#options;
    const drafts = draft
      ? (await this.#profiles(members, { model: draft.name, signal, knownOnly })).profiles
      : new Map<string, NodeProfile>();
    if (members.length === 1 && draft && drafts.size === 0) this.#measureLater();
    const slowest = [...profiles].sort(([, a], [, b]) => oneRow(b) - oneRow(a))[0];
    const nodes = members.map(({ node, memory_bytes }): PlannedNode => {
      const own = profiles.get(node);
      const { profile } = own ?? slowest[1];
      return {
        node,
        profile,
        memory_bytes: leftOf(
          own?.memory_bytes ?? Math.min(memory_bytes, slowest[1].memory_bytes),
          taken?.get(node),
        ),
        draft: drafts.get(node)?.profile,
      };
    });
    const input = planInput({
      manifest,
      nodes,
      links: linkMatrix(members, (from, to) => this.#links.get(from, to)),
      coordinator: system.node,
      graph,
      acceptance,
      draft: drafts.size > 0 ? draft : undefined,
    });
    this.#input = input;
    const found = await this.#makePlan(input, graph, signal);
    const made = await this.#steady.choose(found, { input, graph, signal });
    if (!this.#options.links) this.#links.watch(members, usedBy(made));
    const unmeasured = [...missing].map(([node, why]) =>
      `${node} could not be measured (${why}): taken to be as slow as ${slowest[0]}`
    );
    const whole = manifest.head_parts || typeof graph.actors.head !== "number"
      ? []
      : [storedWhole(manifest.name)];
    const told = draftWhy === undefined ? [] : [`drafts: ${draftWhy}`];
    const binding = [...guesses, ...unmeasured, ...whole, ...told];
    const placed = draft && (!optional || made.draft.source === "model");
    return placementOf(annotated(made, { binding }), {
      draft: placed ? this.#named(draft) : undefined,
      maxBranches: mostBranches(graph),
    });
  }

  async #profiles(
    members: readonly Member[],
    { model = this.#options.manifest.name, ...options }: Partial<GatherOptions> & {
      signal: AbortSignal;
      knownOnly: boolean;
    },
  ): Promise<Gathered> {
    return await gatherProfiles(this.#options.system, members, { model, ...options });
  }

  /**
   * Plans a measurement for later. A node that is alone has no placement to decide: it serves
   * first, and measures itself afterwards, for the plan's predictions.
   */
  #measureLater(): void {
    if (this.#alone !== undefined || this.#closed) return;
    this.#alone = setTimeout(() => void this.#measureAlone(), this.#options.settleMs ?? SETTLE_MS);
  }

  /** Has the cluster placed anew; `why` says what has changed. */
  async #replan(why: string): Promise<void> {
    await this.#options.system.at(clusterActor, CLUSTER).tell.replan({ why });
  }

  async #measureAlone(): Promise<void> {
    const { system, manifest, draft } = this.#options;
    try {
      for (const { name } of draft ? [manifest, draft] : [manifest]) {
        await system.get(memberActor, system.node).profile(
          { model: name, source: system.node },
          { deadlineMs: PROFILE_DEADLINE_MS },
        );
      }
      await this.#replan("this node has measured itself");
    } catch (error) {
      if (!this.#closed) {
        log.warn("this node could not measure itself: {why}", {
          why: toOrreryError(error).message,
        });
      }
    }
  }
}

/** Bytes of memory that a node has left where other deployments have taken some. */
const leftOf = (bytes: number, taken = 0): number => Math.max(0, bytes - taken);

/** The nodes to which a plan gives work, and the one where requests enter. */
const usedBy = ({ stages, head, solo, draft, coordinator }: Plan): string[] =>
  [
    coordinator,
    draft.host,
    solo?.host,
    ...stages.map(({ host }) => host),
    ...(head ?? []).map(({ device }) => device),
  ].filter((node) => typeof node === "string");

/** Why devices cannot share the LM head of a model that an earlier version stored. */
const storedWhole = (model: string) =>
  `the last stage has the whole LM head: ${model} was stored by an earlier version; add it again ` +
  `(deno task models add) to let devices share it`;

/** Seconds of one layer for one row. */
const oneRow = ({ profile }: NodeProfile) => tableSeconds(profile.layer, 1, 0);
