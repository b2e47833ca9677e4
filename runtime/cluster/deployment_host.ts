/**
 * What a node does when the cluster tells it to: prepare the stages of a deployment, adopt the
 * deployment for new requests, and retire an old one.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  type Adopted,
  copyKey,
  type CopyName,
  type Deployment,
  drafterActor,
  drafterAddress,
  headActor,
  type HeadEngine,
  type KvRoom,
  type LoadedDraft,
  type MemberDuties,
  type NameActivity,
  nameOf,
  OrreryError,
  parseAddress,
  SOLO,
  stageActor,
  stageAddress,
  type StageEngine,
  type StandBy,
} from "../../actors/mod.ts";
import type { ModelStore } from "../../models/mod.ts";
import type { ServingControl } from "../serve/mod.ts";
import type { MailboxTransport } from "../mailbox/mod.ts";
import type { ClusterDirectory } from "./directory.ts";
import { NodeWeights } from "../weights/mod.ts";
import { draftToLoad } from "./draft_to_load.ts";
import { atBackup, headToLoad, stageToLoad, standByEngines } from "./engines_to_load.ts";
import { MovingParts } from "./moving_parts.ts";
import {
  isBefore,
  modelsFrom,
  type ModelsOfDeployments,
  PreparedModels,
  retired,
} from "./prepared_models.ts";
import type { StageLoader } from "./stage_loader.ts";
import { WarmEngines } from "./warm_engines.ts";

const log = getLogger(["orrery", "cluster"]);

/** Milliseconds that a stage or a drafter may take to load. */
const WARM_MS = 600_000;
/**
 * Milliseconds after which links to nodes that no deployment names are ended. They are not ended at
 * once, because between two placements no deployment may name a node (two nodes that join together;
 * a node that leaves and waits for its last message).
 */
const PART_MS = 60_000;

/** Milliseconds in which the text files of a model that sleeps must have come. */
const TEXT_MS = 60_000;

/** Retired deployments that are remembered: more are not prepared at one time. */
const MOST_RETIRED = 64;

/** Options of a {@linkcode DeploymentHost}. */
export interface DeploymentHostOptions {
  /** Its actors; the stages and drafters among them are loaded here. */
  system: ActorSystem;
  /** Learns where the actors of a deployment are. */
  directory: Pick<ClusterDirectory, "learn" | "forget" | "seed">;
  /** Where models are found, and stored when they are fetched. */
  store: ModelStore;
  /** Its links are opened and ended as deployments name nodes. */
  mailbox: Pick<MailboxTransport, "addPeer" | "removePeer" | "giveUp" | "peers">;
  /** Is told which deployment serves new requests. */
  gateway: ServingControl;
  /** Loads the layers of this node's stages and drafters. */
  loader: StageLoader;
  /** Where models come from. @default the stores of this node and of the other members */
  models?: ModelsOfDeployments;
  /**
   * Called when the served deployment changes; undefined: nothing is served, and `reason` says why.
   */
  onServe?: (deployment: Deployment | undefined, reason: string) => void;
  /** Called when the cluster says that a node is gone. */
  onNodeLost?: (node: string) => void;
}

/** See the module's text. */
export class DeploymentHost implements MemberDuties {
  readonly #options: DeploymentHostOptions;
  readonly #moving: MovingParts;
  /** Loads engines, some of them before they are needed. */
  readonly #engines: WarmEngines;
  /** Deployments that were prepared and not retired, with their models. */
  readonly #models: PreparedModels;
  /** The last deployments that were retired: what is still being prepared of them is not kept. */
  readonly #retired: string[] = [];
  /** Ids of the deployments that serve new requests, by the key of their copy. */
  readonly #adopted = new Map<string, string>();
  /** Keys of the copies that sleep: requests wait for the next deployment of each. */
  readonly #asleep = new Set<string>();
  /** Retired deployments of which a stage is still loaded or a request still runs. */
  readonly #parting = new Map<string, Deployment>();
  /** Fires when links are checked next; undefined: no deployment is parting. */
  #partTimer?: ReturnType<typeof setTimeout>;
  /** Nodes to which links were opened because a deployment names them. */
  readonly #met = new Set<string>();

  constructor(options: DeploymentHostOptions) {
    this.#options = options;
    this.#moving = new MovingParts(options.system);
    this.#engines = new WarmEngines(options.loader);
    const from = options.models ?? modelsFrom(new NodeWeights(options));
    this.#models = new PreparedModels(options.system.node, from);
  }

  /** Addresses of the stages and head shards that are loaded at this node, of any deployment. */
  get stages(): string[] {
    return this.#options.system.status().map((a) => a.address).filter((to) =>
      ["stage", "head"].includes(parseAddress(to).kind)
    );
  }

  /** Addresses of the stages and shards whose engines are loaded here and that are elsewhere. */
  get spares(): string[] {
    return this.#engines.addresses;
  }

  /** Ids of the nodes that the deployments name which are prepared here or being prepared. */
  get members(): string[] {
    return [...new Set(this.#models.deployments.flatMap((d) => d.members.map((m) => m.node)))];
  }

  /** Names of the models of the deployments that are prepared here or being prepared. */
  get models(): Set<string> {
    return new Set(
      this.#models.deployments.flatMap((d) => [d.model, ...(d.draft ? [d.draft.model] : [])]),
    );
  }

  /** Fetches what is missing, and loads this node's stages, head shards and drafter. */
  async prepare(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const { system, directory } = this.#options;
    const entry = this.#models.get(deployment.id);
    if (entry && isBefore(deployment, entry.deployment)) return; // that message is late
    const wakes = this.#asleep.delete(copyKey(deployment));
    this.#moving.learn(entry?.deployment, deployment);
    if (entry) this.#options.gateway.learned(entry.deployment, deployment);
    if (entry) entry.deployment = deployment;
    this.#meet(deployment);
    directory.learn(deployment);
    await this.#models.prepare(deployment, {
      isRetired: () => this.#retired.includes(deployment.id),
      signal,
    });
    for (const index of this.#indices(deployment.stages)) {
      await system.get(stageActor, String(index), { deployment: deployment.id })
        .warm({}, { deadlineMs: WARM_MS, signal });
    }
    for (const index of this.#indices(deployment.head)) {
      await system.get(headActor, String(index), { deployment: deployment.id })
        .warm({}, { deadlineMs: WARM_MS, signal });
    }
    if (this.#models.draft(deployment.id)) {
      const drafter = system.at(drafterActor, drafterAddress(deployment.id))
        .warm({}, { deadlineMs: WARM_MS, signal })
        .catch((error) => this.#models.undrafted(deployment, error, signal));
      // Where requests stand still until layers have moved, or are awake, they need not wait for drafts
      // too: they go on without, until the drafter is there.
      if (entry || wakes) drafter.catch(() => {});
      else await drafter;
    }
    if (deployment.solo?.node === system.node) void this.#warmSolo(deployment, signal);
  }

  /**
   * Loads the stages and shards that come to this node in another revision of a deployment which
   * serves; they begin when this node is told to prepare it. Throws as `prepare`.
   */
  async loadAhead(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const { id } = deployment;
    const before = this.#models.get(id)?.deployment;
    if (!before) throw retired(`deployment ${id}`, { id });
    await this.#models.fetch(deployment, signal);
    await this.#moving.load(before, deployment, { deadlineMs: WARM_MS, signal });
  }

  /**
   * Loads the engines of these stages and shards of a deployment that serves, and no others of it: this
   * node is their backup, and has them at once where they come to it. What has no room is left out.
   */
  async standBy(parts: StandBy, signal: AbortSignal): Promise<void> {
    const { id } = parts;
    const entry = this.#models.get(id);
    if (!entry) throw retired(`deployment ${id}`, { id });
    const before = entry.deployment;
    const deployment = atBackup(before, this.#options.system.node, parts);
    await this.#models.fetch(deployment, signal);
    await this.#engines.keep(id, {
      all: standByEngines({ ...entry, deployment }, parts),
      valid: () => this.#models.get(id)?.deployment === before,
    });
  }

  /**
   * Fetches the whole model, and loads it where requests are likely to gain by it, after the stages
   * without which nothing is served. Nobody waits for it: until it is loaded, and where it does not load, requests take the
   * pipeline.
   */
  async #warmSolo(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const { id, solo } = deployment;
    try {
      await this.#models.fetchWhole(deployment, signal);
      if (solo!.warm === false) return; // the first request that takes it lets it load
      await this.#options.system.get(stageActor, SOLO, { deployment: id })
        .warm({}, { deadlineMs: WARM_MS, signal });
    } catch (error) {
      if (this.#retired.includes(id)) return;
      log.warn("requests of {id} take the pipeline, this node does not load the model: {error}", {
        id,
        error,
      });
    }
  }

  /**
   * Serves new requests with this deployment; undefined: with none, and `reason` says why. `told`: of
   * which copy that is said. @default told the default deployment
   */
  adopt(
    deployment: Deployment | undefined,
    reason: string,
    told: Pick<Adopted, "name" | "copy" | "asleep" | "failed" | "gone"> = {},
  ): void {
    const { gateway, onServe } = this.#options;
    const key = copyKey(told);
    const entry = deployment && this.#models.get(deployment.id);
    if (entry && isBefore(deployment!, entry.deployment)) return; // it is told the next revision
    if (deployment && entry) {
      this.#moving.learn(entry.deployment, deployment); // where it was not told to prepare it
      entry.deployment = deployment; // the same layers; members and the nodes of stages may differ
      this.#options.directory.learn(deployment);
      this.#meet(deployment);
    }
    if (entry) this.#adopted.set(key, deployment!.id);
    else this.#adopted.delete(key);
    const why = entry || !deployment ? reason : `deployment ${deployment.id} was not prepared here`;
    if (told.gone) gateway.drop(told);
    else gateway.serve(entry && { model: entry.served, deployment: entry.deployment }, why, told);
    if (told.asleep) {
      this.#asleep.add(key);
      void this.#sleeps(told, told.asleep);
    } else if (deployment || told.gone) this.#asleep.delete(key);
    if (key !== copyKey({})) return;
    // While nothing serves, the next deployment decides what is copied.
    if (entry) this.#models.follow(entry.deployment);
    onServe?.(entry?.deployment, why);
  }

  /** A copy sleeps: its model's card and tokenizer stay, and are fetched where they are not here. */
  async #sleeps(told: CopyName, model: NonNullable<Adopted["asleep"]>): Promise<void> {
    const { gateway } = this.#options;
    try {
      const served = await this.#models.text(model, AbortSignal.timeout(TEXT_MS));
      if (!this.#adopted.has(copyKey(told))) gateway.sleep(served, told);
    } catch (error) {
      log.warn("deployment {name} sleeps, and this node cannot read its model: {error}", {
        name: nameOf(told),
        error,
      });
    }
  }

  /** Resolves once a prompt of one token was answered by a deployment that is prepared here. */
  async prove(id: string, signal: AbortSignal): Promise<void> {
    const entry = this.#models.get(id);
    if (!entry) throw retired(`deployment ${id}`, { id });
    const { served: model, deployment } = entry;
    await this.#options.gateway.prove({ model, deployment }, signal);
  }

  /** What this node's requests are at, by name of the deployment. */
  activity(): NameActivity[] {
    return this.#options.gateway.activity();
  }

  /**
   * Resolves once no request of this node runs through deployment `id`, and none will: a node that
   * has not heard of the next deployment yet serves with none until then.
   */
  async release(id: string, signal: AbortSignal): Promise<void> {
    const taken = this.#models.get(id)?.deployment;
    if (taken && this.#adopted.get(copyKey(taken)) === id) {
      this.adopt(undefined, "another deployment takes over", taken);
    }
    await this.#options.gateway.unused(id, signal);
  }

  /**
   * Ends this node's stages, head shards and drafter of deployment `id`, which every node has released: requests
   * that still come to it fail. Resolves once they have ended.
   */
  async retire(id: string, signal?: AbortSignal): Promise<void> {
    const { system, directory } = this.#options;
    const entry = this.#models.get(id);
    const loaded = system.status().map((a) => a.address).filter((to) => {
      const { deployment, kind } = parseAddress(to);
      return deployment === id && ["stage", "head", "drafter"].includes(kind);
    });
    if (entry) {
      this.#models.delete(id);
      this.#parting.set(id, entry.deployment);
      this.#partTimer ??= setTimeout(() => this.#part(), PART_MS);
    }
    this.#moving.retire(id);
    if (!this.#retired.includes(id)) {
      directory.forget(id);
      this.#retired.push(id);
      if (this.#retired.length > MOST_RETIRED) this.#retired.shift();
      // No deadline: a busy stage takes the message late. It fails where the actor has ended by
      // itself.
      for (const to of loaded) void system.tell(to, { type: "retire" }).catch(() => {});
    }
    const spares = this.#engines.drop(id);
    await Promise.all([...loaded.map((to) => system.ended(to, { signal })), spares]);
  }

  /** What its loaded stages of deployment `id` have memory for: that of the stage with the fewest rows. */
  kvRoom(id: string): KvRoom | undefined {
    const deployment = this.#models.get(id)?.deployment;
    const rooms = this.#indices(deployment?.stages)
      .flatMap((index) => this.#engines.kvRoom(stageAddress(id, index)) ?? []);
    return rooms.sort((a, b) => a.rows - b.rows)[0];
  }

  /** Whether this node can load its stages of deployment `id`: it is prepared, and not retired. */
  holds(id: string): boolean {
    return this.#models.has(id);
  }

  /** The default deployment that serves new requests; undefined: none does. */
  get adopted(): Deployment | undefined {
    const id = this.#adopted.get(copyKey({}));
    return id === undefined ? undefined : this.#models.get(id)?.deployment;
  }

  /** All deployments that serve new requests. */
  get allAdopted(): Deployment[] {
    return [...this.#adopted.values()].flatMap((id) => this.#models.get(id)?.deployment ?? []);
  }

  /** Says something about what serves, or about why nothing does; "": nothing special. */
  note(reason: string): void {
    const { adopted } = this;
    if (adopted || reason) this.#options.onServe?.(adopted, reason);
  }

  /** Retires every deployment but these: nobody else would. */
  retireExcept(ids: readonly string[]): void {
    const gone = this.#models.keys().filter((id) => !ids.includes(id));
    for (const id of gone) void this.retire(id);
    if (ids.length === 0) this.#models.follow(undefined);
  }

  /** Fails the requests that run through a node that is gone. */
  nodeLost(node: string): void {
    this.#options.mailbox.giveUp(node, "the cluster says that it is dead");
    this.#options.gateway.nodeLost(node);
    this.#options.onNodeLost?.(node);
  }

  /**
   * Loads a stage's engine, for resource `engine` of stage actors. Throws group `cluster`:
   * `retired`, `not_enough_memory`.
   */
  async loadStage(to: string): Promise<StageEngine> {
    const { deployment: id, key } = parseAddress(to);
    const entry = this.#models.get(id);
    const what = entry && stageToLoad(entry, key);
    if (!what) throw retired(`the deployment of stage ${to}`, { to });
    this.#moving.check(to, what.layers);
    return await this.#engines.load(to, what.stored, what.layers);
  }

  /**
   * Loads a shard of the LM head, for resource `engine` of head actors. Throws as `loadStage`, and
   * `bad_head_parts` (group `model`) where the model's head is stored whole.
   */
  async loadHead(to: string): Promise<HeadEngine> {
    const { deployment: id, key } = parseAddress(to);
    const entry = this.#models.get(id);
    const what = entry && headToLoad(entry, key);
    if (!what) throw retired(`the deployment of shard ${to}`, { to });
    this.#moving.check(to, what.parts);
    return await this.#engines.loadHead(to, what.stored, what.parts);
  }

  /**
   * Loads a whole draft model as one stage, for resource `engine` of drafters. Throws as
   * `loadStage`, and `no_draft` where the draft model could not be fetched.
   */
  async loadDraft(to: string): Promise<LoadedDraft> {
    const { system } = this.#options;
    const { deployment: id } = parseAddress(to);
    const entry = this.#models.get(id);
    const stored = this.#models.draft(id);
    if (!entry) throw retired(`the deployment of drafter ${to}`, { to });
    if (!stored) {
      throw new OrreryError({
        group: "cluster",
        code: "no_draft",
        message: `node ${system.node} has no draft model for deployment ${id} (the log says why)`,
        metadata: { to },
      });
    }
    const { layers, drafter } = await draftToLoad(entry, stored, system.node);
    return { ...drafter, engine: await this.#engines.load(to, stored, layers) };
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
    const deployments = [...this.#parting.values(), ...this.#models.deployments];
    const named = new Set(deployments.flatMap((d) => d.members.map((m) => m.node)));
    for (const { node } of mailbox.peers()) {
      if (node !== directory.seed && this.#met.has(node) && !named.has(node)) {
        this.#met.delete(node);
        mailbox.removePeer(node);
      }
    }
    if (this.#parting.size > 0) this.#partTimer = setTimeout(() => this.#part(), PART_MS);
  }

  /** Ends the timer that checks retired deployments, and unloads what was loaded ahead. */
  async close(): Promise<void> {
    clearTimeout(this.#partTimer);
    this.#models.close();
    await this.#engines.close();
  }

  /** The indices of those that are at this node. */
  #indices(places: readonly { node: string }[] = []): number[] {
    const { node } = this.#options.system;
    return [...places.keys()].filter((i) => places[i].node === node);
  }
}
