/**
 * What a node does when the cluster tells it to: prepare the stages of a deployment, adopt the
 * deployment for new requests, and retire an old one.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  type Deployment,
  drafterActor,
  drafterAddress,
  type LoadedDraft,
  type MemberDuties,
  OrreryError,
  parseAddress,
  stageActor,
  type StageEngine,
} from "../../actors/mod.ts";
import { buildStageGraph, type ModelStore, type StoredModel } from "../../models/mod.ts";
import { loadEngine, usualThreads } from "../engine/mod.ts";
import { ServedModel, type ServingControl } from "../serve/mod.ts";
import type { MailboxTransport } from "../mailbox/mod.ts";
import type { ClusterDirectory } from "./directory.ts";
import { ensureModel } from "./fetch.ts";

const log = getLogger(["orrery", "cluster"]);

/** Milliseconds that a stage or a drafter may take to load. */
const WARM_MS = 600_000;
/** Share of the free memory that the arenas of a stage may take, 0 to 1. */
const ARENA_SHARE = 0.25;
/**
 * Memory that loading a stage takes, in multiples of its weights: they are mapped once, and at most
 * once more while the engine packs them.
 */
const LOAD_FACTOR = 2;

/**
 * Milliseconds after which links to nodes that no deployment names are ended. They are not ended at
 * once, because between two placements no deployment may name a node (two nodes that join together;
 * a node that leaves and waits for its last message).
 */
const PART_MS = 60_000;

/** Options of a {@linkcode DeploymentHost}. */
export interface DeploymentHostOptions {
  /** Its actors; the stages and drafters among them are loaded here. */
  system: ActorSystem;
  /** Learns where the actors of a deployment are. */
  directory: Pick<ClusterDirectory, "learn" | "seed">;
  /** Where models are found, and stored when they are fetched. */
  store: ModelStore;
  /** Its links are opened and ended as deployments name nodes. */
  mailbox: Pick<MailboxTransport, "addPeer" | "removePeer" | "peers">;
  /** Is told which deployment serves new requests. */
  gateway: ServingControl;
  /** Threads of a stage's engine. @default by the bytes of the stage's weights */
  threads?: number;
  /** Do engine threads without work spin? @default false */
  spinning?: boolean;
  /** Bytes that all stages together may use. @default the free memory */
  memoryBytes?: number;
  /**
   * Called when the served deployment changes; undefined: nothing is served, and `reason` says why.
   */
  onServe?: (deployment: Deployment | undefined, reason: string) => void;
}

/** See the module's text. */
export class DeploymentHost implements MemberDuties {
  readonly #options: DeploymentHostOptions;
  /** Deployments that were prepared and not retired, with their models; by deployment. */
  readonly #models = new Map<
    string,
    { deployment: Deployment; stored: StoredModel; served: ServedModel }
  >();
  /** Draft models of the deployments whose drafter is at this node, by deployment. */
  readonly #drafts = new Map<string, StoredModel>();
  /** Bytes reserved for each loaded stage or drafter (weights and arenas), by address. */
  readonly #loadedBytes = new Map<string, number>();
  /** Retired deployments of which a stage is still loaded or a request still runs. */
  readonly #parting = new Map<string, Deployment>();
  /** Fires when links are checked next; undefined: no deployment is parting. */
  #partTimer?: ReturnType<typeof setTimeout>;
  /** Deployments that are being prepared: their weights are fetched from other nodes. */
  readonly #preparing = new Set<Deployment>();
  /** Nodes to which links were opened because a deployment names them. */
  readonly #met = new Set<string>();

  constructor(options: DeploymentHostOptions) {
    this.#options = options;
  }

  /** Addresses of the stages that are loaded at this node, of any deployment. */
  get stages(): string[] {
    return this.#options.system.status().map((a) => a.address).filter((to) =>
      parseAddress(to).kind === "stage"
    );
  }

  /** Fetches what is missing, and loads this node's stages and drafter of the deployment. */
  async prepare(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const { system, directory, store } = this.#options;
    this.#meet(deployment);
    directory.learn(deployment);
    const mine = this.#mine(deployment);
    this.#preparing.add(deployment);
    try {
      const stored = await ensureModel({
        system,
        store,
        source: deployment.source,
        model: deployment.model,
        layers: mine.map(({ stage }) => stage),
        signal,
      });
      const text = JSON.stringify(stored.manifest);
      const same = [...this.#models.values()].find((m) =>
        JSON.stringify(m.stored.manifest) === text
      );
      // Another deployment of the same model has its tokenizer already; parsing a large one takes
      // seconds.
      const served = same?.served ?? await ServedModel.open(stored);
      this.#models.set(deployment.id, { deployment, stored, served });
      if (deployment.draft?.node === system.node) await this.#fetchDraft(deployment, signal);
    } finally {
      this.#preparing.delete(deployment);
    }
    for (const { index } of mine) {
      await system.get(stageActor, String(index), { deployment: deployment.id })
        .warm({}, { deadlineMs: WARM_MS, signal });
    }
    if (this.#drafts.has(deployment.id)) {
      await system.at(drafterActor, drafterAddress(deployment.id))
        .warm({}, { deadlineMs: WARM_MS, signal })
        .catch((error) => this.#undrafted(deployment, error, signal));
    }
  }

  /** Fetches the whole draft model; without it the deployment goes on undrafted. */
  async #fetchDraft(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const { system, store } = this.#options;
    const { id, draft, model } = deployment;
    try {
      const options = { system, store, source: draft!.source, model: draft!.model, signal };
      const { manifest } = await ensureModel({ ...options, layers: [] });
      const last = manifest.geometry.layers - 1;
      const stored = await ensureModel({ ...options, layers: [{ first: 0, last }] });
      const target = this.#models.get(id)!.stored.manifest;
      if (manifest.files["tokenizer.json"] !== target.files["tokenizer.json"]) {
        log.warn(
          "draft model {draft} has another tokenizer than {model}: its drafts may be of little use",
          {
            draft: draft!.model,
            model,
          },
        );
      }
      this.#drafts.set(id, stored);
    } catch (error) {
      this.#undrafted(deployment, error, signal);
    }
  }

  /** Goes on without a drafter: the deployment is then slower, its answers are the same. */
  #undrafted({ id, draft }: Deployment, error: unknown, signal: AbortSignal): void {
    signal.throwIfAborted();
    this.#drafts.delete(id);
    log.error("deployment {id} runs without draft model {draft}: {error}", {
      id,
      draft: draft?.model,
      error,
    });
  }

  /** Serves new requests with this deployment; undefined: with none, and `reason` says why. */
  adopt(deployment: Deployment | undefined, reason: string): void {
    const { gateway, onServe } = this.#options;
    const entry = deployment && this.#models.get(deployment.id);
    if (deployment && entry) {
      entry.deployment = deployment; // the same stages; the members may differ
      this.#meet(deployment);
    }
    const why = entry || !deployment ? reason : `deployment ${deployment.id} was not prepared here`;
    gateway.serve(entry && { model: entry.served, deployment: entry.deployment }, why);
    onServe?.(entry?.deployment, why);
  }

  /** Lets the stages of deployment `id` end once their requests are over. */
  retire(id: string): void {
    const { system } = this.#options;
    const entry = this.#models.get(id);
    if (entry) {
      this.#models.delete(id);
      this.#drafts.delete(id);
      this.#parting.set(id, entry.deployment);
      for (const { address: to } of system.status()) {
        const { deployment, kind } = parseAddress(to);
        if (deployment !== id || !(kind === "stage" || kind === "drafter")) continue;
        // No deadline: a busy stage takes the message late. Not awaited: a full mailbox must not
        // hold up this node's member actor.
        // It fails where the actor has ended by itself.
        void system.tell(to, { type: "retire" }).catch(() => {});
      }
      this.#partTimer ??= setTimeout(() => this.#part(), PART_MS);
    }
  }

  /** Retires every deployment: the cluster that made them has ended. */
  retireAll(): void {
    for (const id of [...this.#models.keys()]) this.retire(id);
  }

  /** Fails the requests that run through a node that is gone. */
  nodeLost(node: string): void {
    this.#options.gateway.nodeLost(node);
  }

  /**
   * Loads a stage's engine, for resource `engine` of stage actors. Throws group `cluster`:
   * `retired`, `not_enough_memory`.
   */
  async loadStage(to: string): Promise<StageEngine> {
    const { deployment: id, key } = parseAddress(to);
    const entry = this.#models.get(id);
    const stage = entry?.deployment.stages[Number(key)];
    if (!entry || !stage) {
      throw new OrreryError({
        group: "cluster",
        code: "retired",
        message: `stage ${to} belongs to a deployment that this node has let go`,
        metadata: { to },
      });
    }
    return await this.#load(to, entry.stored, stage);
  }

  /**
   * Loads a whole draft model as one stage, for resource `engine` of drafters. Throws as
   * `loadStage`, and `no_draft` where the draft model could not be fetched.
   */
  async loadDraft(to: string): Promise<LoadedDraft> {
    const { system } = this.#options;
    const { deployment: id } = parseAddress(to);
    const entry = this.#models.get(id);
    const stored = this.#drafts.get(id);
    if (!entry || !stored) {
      throw new OrreryError({
        group: "cluster",
        code: entry ? "no_draft" : "retired",
        message: entry
          ? `node ${system.node} has no draft model for deployment ${id} (the log says why)`
          : `drafter ${to} belongs to a deployment that this node has let go`,
        metadata: { to },
      });
    }
    const { geometry } = stored.manifest;
    const stage = { node: system.node, first: 0, last: geometry.layers - 1 };
    const { eosTokens } = await stored.generationDefaults();
    const engine = await this.#load(to, stored, stage);
    return { engine, endTokens: eosTokens, targetVocab: entry.stored.manifest.geometry.vocab };
  }

  /** Loads layers of a stored model into an engine, within the memory that is left. */
  async #load(
    to: string,
    { manifest, blobsDir }: StoredModel,
    stage: { node: string; first: number; last: number },
  ): Promise<StageEngine> {
    const graph = await buildStageGraph(manifest, {
      firstLayer: stage.first,
      lastLayer: stage.last,
      blobDir: blobsDir,
    });
    const memory = this.#memoryLeft();
    const arenaBudgetBytes = stageBudget({
      weightBytes: graph.weightBytes,
      memory,
      stage,
      model: manifest.name,
    });
    log.info("{to} loads layers {first}-{last}", { to, first: stage.first, last: stage.last });
    this.#loadedBytes.set(to, graph.weightBytes + arenaBudgetBytes);
    return await loadEngine({
      graph,
      geometry: manifest.geometry,
      spinning: this.#options.spinning,
      threads: this.#options.threads ?? usualThreads(graph.weightBytes),
      arenaBudgetBytes,
    });
  }

  /** Bytes that one more stage may use: the free memory, or what is left of the user's limit. */
  #memoryLeft(): number {
    const { available } = Deno.systemMemoryInfo();
    const { memoryBytes = available, system } = this.#options;
    const active = new Set(system.status().map((a) => a.address as string));
    let loaded = 0;
    for (const [to, bytes] of this.#loadedBytes) {
      if (active.has(to)) loaded += bytes;
      else this.#loadedBytes.delete(to);
    }
    return Math.min(available, memoryBytes - loaded);
  }

  /** Opens links to the other members of a deployment. */
  #meet(deployment: Deployment): void {
    const { mailbox, system } = this.#options;
    for (const m of deployment.members) {
      if (m.node === system.node) continue;
      mailbox.addPeer(m.node, m.host, m.port);
      this.#met.add(m.node);
    }
  }

  /**
   * Ends the links to nodes that no deployment names any more. A retired deployment counts until
   * its requests are over.
   */
  #part(): void {
    const { mailbox, directory, gateway } = this.#options;
    this.#partTimer = undefined;
    for (const id of [...this.#parting.keys()]) {
      const busy = this.stages.some((to) => parseAddress(to).deployment === id) || gateway.runs(id);
      if (!busy) this.#parting.delete(id);
    }
    const deployments = [
      ...this.#parting.values(),
      ...this.#preparing,
      ...[...this.#models.values()].map((m) => m.deployment),
    ];
    const named = new Set(deployments.flatMap((d) => d.members.map((m) => m.node)));
    for (const { node } of mailbox.peers()) {
      if (node !== directory.seed && this.#met.has(node) && !named.has(node)) {
        this.#met.delete(node);
        mailbox.removePeer(node);
      }
    }
    if (this.#parting.size > 0) this.#partTimer = setTimeout(() => this.#part(), PART_MS);
  }

  /** Ends the timer that checks retired deployments. */
  close(): void {
    clearTimeout(this.#partTimer);
  }

  /** This node's stages of a deployment, each with its index. */
  #mine(deployment: Deployment) {
    return deployment.stages
      .map((stage, index) => ({ stage, index }))
      .filter(({ stage }) => stage.node === this.#options.system.node);
  }
}

/**
 * Bytes that a stage's arenas may take beside its weights. Throws group `cluster`, code
 * `not_enough_memory` (metadata: `node`, `needed_bytes`, `available_bytes`) where the weights do
 * not fit.
 */
export function stageBudget(options: {
  /** Bytes of the stage's weights. */
  weightBytes: number;
  /** Bytes that the node may still use. */
  memory: number;
  /** The stage, for the error: its node, its first and its last layer. */
  stage: { node: string; first: number; last: number };
  /** Name of the model, for the error. */
  model: string;
}): number {
  const { weightBytes, memory, stage, model } = options;
  const needed = weightBytes * LOAD_FACTOR;
  if (needed > memory) {
    throw new OrreryError({
      group: "cluster",
      code: "not_enough_memory",
      message: `layers ${stage.first}-${stage.last} of ${model} need ${mib(needed)} MiB to load, ` +
        `node ${stage.node} may use ${mib(memory)} MiB; use a smaller precision or more nodes`,
      metadata: { node: stage.node, needed_bytes: needed, available_bytes: memory },
    });
  }
  return Math.floor((memory - weightBytes) * ARENA_SHARE);
}

const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20);
