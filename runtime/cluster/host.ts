/**
 * What a node does when the cluster tells it: prepare stages, adopt a deployment, let an old one
 * go.
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
  type MemberHost,
  OrreryError,
  parseAddress,
  stageActor,
  type StageEngine,
} from "../../actors/mod.ts";
import { buildStageGraph, type ModelStore, type StoredModel } from "../../models/mod.ts";
import { loadEngine, usualThreads } from "../engine/mod.ts";
import { type Gateway, ServedModel } from "../serve/mod.ts";
import type { Mailbox } from "../mailbox/mod.ts";
import type { ClusterDirectory } from "./directory.ts";
import { ensureModel } from "./fetch.ts";

const log = getLogger(["orrery", "cluster"]);

/** Milliseconds that a stage or a drafter may take to load. */
const WARM_MS = 600_000;
/** Share of the free memory that arenas may take. */
const ARENA_SHARE = 0.25;
/**
 * Loading a stage takes its weights once mapped and at most once more while the engine packs them.
 */
const LOAD_FACTOR = 2;

/**
 * Links to nodes that no deployment names end after so long, not at once: between two placements a
 * node may be named by none (two that join together; one that leaves and waits for its last word).
 */
const PART_MS = 60_000;

/** Options of a {@linkcode Host}. */
export interface HostOptions {
  system: ActorSystem;
  directory: ClusterDirectory;
  store: ModelStore;
  mailbox: Mailbox;
  gateway: Gateway;
  /** @default by the size of the stage */
  threads?: number;
  /** Do engine threads without work spin? */
  spinning?: boolean;
  /** Bytes that stages may use in all. @default what is free */
  memoryBytes?: number;
  /** Told of each change of what is served. */
  onServe?: (deployment: Deployment | undefined, reason: string) => void;
}

/** See the module's text. */
export class Host implements MemberHost {
  readonly #options: HostOptions;
  readonly #models = new Map<
    string,
    { deployment: Deployment; stored: StoredModel; served: ServedModel }
  >();
  /** Draft models of deployments whose drafter is here. */
  readonly #drafts = new Map<string, StoredModel>();
  /** Bytes set aside for each loaded stage. */
  readonly #loadedBytes = new Map<string, number>();
  /** Deployments that were let go, until the last of their requests is over. */
  readonly #parting = new Map<string, Deployment>();
  #partTimer?: ReturnType<typeof setTimeout>;
  /** Deployments whose weights are being fetched. */
  readonly #preparing = new Set<Deployment>();
  /** Nodes to which this one keeps links because a deployment names them. */
  readonly #met = new Set<string>();

  constructor(options: HostOptions) {
    this.#options = options;
  }

  /** Addresses of the stages that are loaded here, of any deployment. */
  get stages(): string[] {
    return this.#options.system.status().map((a) => a.address).filter((to) =>
      parseAddress(to).kind === "stage"
    );
  }

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
      // Another placement of the same model: its tokenizer, seconds of parsing for a large one, is
      // here already.
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

  /** A deployment without its drafter is slower, not wrong. */
  #undrafted({ id, draft }: Deployment, error: unknown, signal: AbortSignal): void {
    signal.throwIfAborted();
    this.#drafts.delete(id);
    log.error("deployment {id} runs without draft model {draft}: {error}", {
      id,
      draft: draft?.model,
      error,
    });
  }

  adopt(deployment: Deployment | undefined, reason: string): void {
    const { gateway, onServe } = this.#options;
    const entry = deployment && this.#models.get(deployment.id);
    if (deployment && entry) {
      entry.deployment = deployment; // the same stages, perhaps other members
      this.#meet(deployment);
    }
    const why = entry || !deployment ? reason : `deployment ${deployment.id} was not prepared here`;
    gateway.serve(entry && { model: entry.served, deployment: entry.deployment }, why);
    onServe?.(entry?.deployment, why);
  }

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
        // No deadline, as a busy stage comes to it late; not awaited, as a full one must not hold
        // this node's member up.
        void system.tell(to, { type: "retire" }).catch(() => {}); // it has ended by itself
      }
      this.#partTimer ??= setTimeout(() => this.#part(), PART_MS);
    }
  }

  /** Lets go of every deployment: the cluster that made them is no more. */
  retireAll(): void {
    for (const id of [...this.#models.keys()]) this.retire(id);
  }

  nodeLost(node: string): void {
    this.#options.gateway.nodeLost(node);
  }

  /** The `engine` resource of stage actors. */
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

  /** The `engine` resource of drafters: the whole draft model as one stage. */
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

  /** Links to the nodes that this one will talk to. */
  #meet(deployment: Deployment): void {
    const { mailbox, system } = this.#options;
    for (const m of deployment.members) {
      if (m.node === system.node) continue;
      mailbox.addPeer(m.node, m.host, m.port);
      this.#met.add(m.node);
    }
  }

  /**
   * Ends the links to nodes that no deployment names any more; one whose requests still run names
   * its nodes until they end.
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

  /** Stops watching old deployments. */
  close(): void {
    clearTimeout(this.#partTimer);
  }

  #mine(deployment: Deployment) {
    return deployment.stages
      .map((stage, index) => ({ stage, index }))
      .filter(({ stage }) => stage.node === this.#options.system.node);
  }
}

/**
 * Bytes for arenas beside a stage's weights. Throws group `cluster`, `not_enough_memory` (metadata:
 * `node`, `needed_bytes`, `available_bytes`) when the weights do not fit.
 */
export function stageBudget(options: {
  weightBytes: number;
  /** Bytes that the node may still use. */
  memory: number;
  stage: { node: string; first: number; last: number };
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
