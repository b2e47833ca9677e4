/**
 * Places layers, on the first node: asks the members how fast they and their links are, lets the
 * planner decide, and notes in the plan what could not be measured.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
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
  evenHead,
  evenSplit,
  type LayerRange,
  type Plan,
  type PlanInput,
  type PlanStage,
  tableSeconds,
} from "../../planner/mod.ts";
import type { LinkNow } from "./link_table.ts";
import { LinkWatch } from "./link_watch.ts";
import {
  askedVocabulary,
  limitsOf,
  linkMatrix,
  mostBranches,
  placementOf,
  planInput,
  type PlannedNode,
  policyOf,
  unplannedShape,
} from "./plan_input.ts";
import { type MakePlan, planBeside } from "./plan_beside.ts";
import { type NodeProfile, nodeProfileSchema } from "../profile/mod.ts";
import { manifestSha256 } from "../weights/mod.ts";

const log = getLogger(["orrery", "placement"]);

/** Milliseconds in which a node must measure itself. */
const PROFILE_DEADLINE_MS = 300_000;
/** Milliseconds in which a node must answer with a profile that it has already. */
const KNOWN_DEADLINE_MS = 10_000;
/** Milliseconds for which a node that is alone serves before it measures itself. */
const ALONE_MS = 5_000;

/** Gain of the objective, 0 to 1, below which a new plan for the same nodes moves no layers. */
const LEAST_GAIN = 0.1;

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
  /** Layers of each member, in the order in which they joined; with them nothing is planned. */
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
   * The plan by which layers are placed already, and the nodes that it was made for: another plan for
   * the same nodes must gain something. @default none
   */
  serving?: { devices: readonly string[]; plan: Plan };
}

/** See the module's text. */
export class Placer {
  readonly #options: PlacerOptions;
  readonly #links: LinkWatch;
  readonly #makePlan: MakePlan;
  /** Fires when a node that is alone measures itself. */
  #alone?: ReturnType<typeof setTimeout>;
  #closed = false;
  /** The stages of the last plan, and the sorted names of the nodes that it was made for. */
  #serving?: { devices: string; stages: readonly PlanStage[] };

  constructor(options: PlacerOptions) {
    this.#options = options;
    const { system, clock = systemClock, serving, makePlan = planBeside } = options;
    this.#makePlan = makePlan;
    this.#links = options.links ?? new LinkWatch({
      system,
      clock,
      replan: (why) => void this.#replan(why).catch(() => {}), // refused only where its term is over
    });
    if (serving) {
      const devices = namesOf(serving.devices);
      this.#serving = { devices, stages: serving.plan.stages };
    }
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
    { signal, say, taken }: Parameters<PlaceDeployment>[1],
  ): Promise<DeploymentPlacement> {
    const { layers, placement = "planned" } = this.#options;
    if (layers) return this.#ranges(members, layers);
    if (placement === "even") return this.#even(members);
    const only = members.length === 1;
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
    return await this.#planned(members, { profiles, missing, signal, only, taken });
  }

  /** What knows the links, for the placers of other deployments. */
  get linkWatch(): LinkWatch {
    return this.#links;
  }

  /** The links between the members as they are now; empty where nothing is planned by them. */
  get links(): LinkNow[] {
    return this.#links.list();
  }

  /** Cancels the measurement that a lone node has planned, and watches links no more. */
  close(): void {
    this.#closed = true;
    if (!this.#options.links) this.#links.close();
    clearTimeout(this.#alone);
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
    const { draft, system } = this.#options;
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
    { profiles, missing, signal, only, taken }: Gathered & {
      signal: AbortSignal;
      only: boolean;
      taken?: ReadonlyMap<string, number>;
    },
  ): Promise<DeploymentPlacement> {
    const { system, manifest, draft, graph, acceptance } = this.#options;
    const drafts = draft
      ? (await this.#profiles(members, { model: draft.name, signal, knownOnly: only })).profiles
      : new Map<string, NodeProfile>();
    if (only && draft && drafts.size === 0) this.#measureLater();
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
    const found = await this.#makePlan(input, graph, signal);
    const made = await this.#steady(found, { input, graph, signal });
    if (!this.#options.links) this.#links.watch(members, usedBy(made));
    const guesses = [...missing].map(([node, why]) =>
      `${node} could not be measured (${why}): taken to be as slow as ${slowest[0]}`
    );
    const whole = manifest.head_parts || typeof graph.actors.head !== "number"
      ? []
      : [storedWhole(manifest.name)];
    return placementOf(annotated(made, { binding: [...guesses, ...whole] }), {
      draft: draft && this.#named(draft),
      maxBranches: mostBranches(graph),
    });
  }

  /**
   * The plan, or a plan for the stages that serve already, where the new one gains too little:
   * moving layers costs a pause, and a small gain may be an error of measurement.
   */
  async #steady(
    made: Plan,
    { input, graph, signal }: { input: PlanInput; graph: Graph; signal: AbortSignal },
  ): Promise<Plan> {
    const devices = namesOf(input.devices.map((d) => d.name));
    const serving = this.#serving;
    const keep = (plan: Plan): Plan => {
      this.#serving = { devices, stages: plan.stages };
      return plan;
    };
    if (serving?.devices !== devices || layersOf(serving.stages) === layersOf(made.stages)) {
      return keep(made);
    }
    const pin = serving.stages.map(({ host, first_layer, last_layer }) => ({
      host,
      first: first_layer,
      last: last_layer,
    }));
    let same: Plan;
    try {
      const pinned = { ...input, constraints: { ...input.constraints, pin } };
      same = await this.#makePlan(pinned, graph, signal);
    } catch (error) {
      signal.throwIfAborted();
      log.info("the stages that serve no longer fit: {why}", { why: toOrreryError(error).message });
      return keep(made);
    }
    const gain = 1 - made.objective_s / same.objective_s;
    if (gain >= LEAST_GAIN) return keep(made);
    const percent = (100 * gain).toFixed(1);
    if (gain <= 0) {
      return keep(annotated(same, { stageWhy: "serves already; nothing faster found" }));
    }
    const why = `serves already; another placement would gain ${percent} % only`;
    const limit = `layers stay where they serve: moving them would gain ${percent} %, less than ${
      100 * LEAST_GAIN
    } %`;
    return keep(annotated(same, { stageWhy: why, binding: [limit] }));
  }

  /** Profiles of all members. Members with the same address share a machine and measure in turn. */
  async #profiles(
    members: Member[],
    { model = this.#options.manifest.name, signal, knownOnly }: {
      model?: string;
      signal: AbortSignal;
      knownOnly: boolean;
    },
  ): Promise<Gathered> {
    const { system } = this.#options;
    const gathered: Gathered = { profiles: new Map(), missing: new Map() };
    const measure = async (node: string) => {
      try {
        const answer = await system.get(memberActor, node).profile(
          { model, source: system.node, known_only: knownOnly },
          { deadlineMs: knownOnly ? KNOWN_DEADLINE_MS : PROFILE_DEADLINE_MS, signal },
        );
        if (answer !== null) gathered.profiles.set(node, nodeProfileSchema.parse(answer));
      } catch (error) {
        const why = toOrreryError(error).message;
        gathered.missing.set(node, why);
        log.warn("node {node} could not be measured: {why}", { node, why });
      }
    };
    const machines = Map.groupBy(members, (m) => m.host);
    await Promise.all([...machines.values()].map(async (sharing) => {
      for (const { node } of sharing) await measure(node);
    }));
    return gathered;
  }

  /**
   * Plans a measurement for later. A node that is alone has no placement to decide: it serves
   * first, and measures itself afterwards, for the plan's predictions.
   */
  #measureLater(): void {
    if (this.#alone !== undefined || this.#closed) return;
    this.#alone = setTimeout(() => void this.#measureAlone(), ALONE_MS);
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

/** What the members answered when they were asked for profiles. */
interface Gathered {
  /** Profiles by node. */
  profiles: Map<string, NodeProfile>;
  /** Why a node has no profile, by node. */
  missing: Map<string, string>;
}

/** Nodes as text, to compare sets of them: one that was started again is the same. */
const namesOf = (nodes: readonly string[]): string =>
  nodes.map((node) => node.slice(0, node.lastIndexOf(":"))).sort().join(" ");

/** The stages' nodes and layers as text, to compare placements. */
const layersOf = (stages: readonly PlanStage[]): string =>
  stages.map((s) => `${s.host} ${s.first_layer}-${s.last_layer}`).join();

/** Seconds of one layer for one row. */
const oneRow = ({ profile }: NodeProfile) => tableSeconds(profile.layer, 1, 0);
