/**
 * The models of the deployments that a node takes part in: fetched, kept while the deployment lives,
 * and copied whole in the background once it serves.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Adopted, type Deployment, OrreryError } from "../../actors/mod.ts";
import type { ModelStore, ModelUser, StoredModel } from "../../models/mod.ts";
import { ServedModel } from "../serve/mod.ts";
import {
  ALL_PARTS,
  draftOf,
  type EnsureModelOptions,
  type NodeWeights,
  targetOf,
} from "../weights/mod.ts";

const log = getLogger(["orrery", "cluster"]);

/** Where the models of deployments come from. */
export interface ModelsOfDeployments {
  /** The model with its manifest, text files and layers in this node's store. */
  ensure(options: EnsureModelOptions): Promise<StoredModel>;
  /** Reads what the gateway needs: tokenizer, templates, defaults. */
  open(stored: StoredModel): Promise<ServedModel>;
  /**
   * Copies all of this deployment's models in the background, and no others; undefined: none.
   * @default nothing is copied
   */
  follow?(deployment: Deployment | undefined): void;
  /**
   * Keeps a model from being removed until the result is disposed of. @default it may be removed
   */
  use?(name: string, user: ModelUser): Promise<Disposable>;
}

/** Models that other members' stores have. */
export const modelsFrom = (
  weights: NodeWeights,
  store?: Pick<ModelStore, "use">,
): ModelsOfDeployments => ({
  ensure: (options) => weights.ensure(options),
  open: (stored) => ServedModel.open(stored),
  follow: (deployment) => weights.follow(deployment),
  use: store && ((name, user) => store.use(name, user)),
});

/** A deployment and its model. */
export interface PreparedModel {
  deployment: Deployment;
  stored: StoredModel;
  served: ServedModel;
}

/** See the module's text. */
export class PreparedModels {
  readonly #node: string;
  readonly #from: ModelsOfDeployments;
  /** Deployments that were prepared and not forgotten, by id. */
  readonly #entries = new Map<string, PreparedModel>();
  /** Draft models of the deployments whose drafter is at this node, by deployment. */
  readonly #drafts = new Map<string, StoredModel>();
  /** What keeps the models of deployments from being removed, by deployment. */
  readonly #uses = new Map<string, DisposableStack>();
  /** What was opened, by the text of its manifest, as long as somebody has it. */
  readonly #opens = new Map<string, WeakRef<ServedModel>>();
  /** Deployments whose weights are being fetched. */
  readonly #preparing = new Set<Deployment>();

  /** `node`: id of this node. */
  constructor(node: string, from: ModelsOfDeployments) {
    this.#node = node;
    this.#from = from;
  }

  /** Number of the deployments that are prepared. */
  get size(): number {
    return this.#entries.size;
  }

  /** Ids of the deployments that are prepared. */
  keys(): string[] {
    return [...this.#entries.keys()];
  }

  /** The deployments that are prepared or being prepared. */
  get deployments(): Deployment[] {
    return [...this.#preparing, ...[...this.#entries.values()].map((e) => e.deployment)];
  }

  /** Whether a deployment is prepared. */
  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** A deployment that is prepared, and its model. */
  get(id: string): PreparedModel | undefined {
    return this.#entries.get(id);
  }

  /** The draft model of a deployment; undefined: its drafter is elsewhere, or it has none. */
  draft(id: string): StoredModel | undefined {
    return this.#drafts.get(id);
  }

  /**
   * Fetches what this node lacks of a deployment's models: its own layers and parts of the head, and
   * the draft model where the drafter is here. Throws what `ensure` throws, and `retired` where
   * `isRetired` says so of the deployment by then.
   */
  async prepare(
    deployment: Deployment,
    { isRetired, signal }: { isRetired: () => boolean; signal: AbortSignal },
  ): Promise<void> {
    this.#preparing.add(deployment);
    try {
      const stored = await this.#from.ensure({
        ...targetOf(deployment),
        ...needs(deployment, this.#node),
        signal,
      });
      const served = await this.#opened(stored);
      signal.throwIfAborted();
      if (isRetired()) throw retired(`deployment ${deployment.id}`);
      const known = this.#entries.get(deployment.id)?.deployment;
      const newest = known && isBefore(deployment, known) ? known : deployment;
      this.#entries.set(deployment.id, { deployment: newest, stored, served });
      await this.#use(deployment.id, stored);
      if (deployment.draft?.node === this.#node) await this.#fetchDraft(deployment, signal);
    } finally {
      this.#preparing.delete(deployment);
    }
  }

  /**
   * Fetches what this node lacks for another revision of a deployment that is prepared here. Throws
   * what `ensure` throws; without its draft model a deployment goes on.
   */
  async fetch(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const here = needs(deployment, this.#node);
    await this.#from.ensure({ ...targetOf(deployment), ...here, signal });
    if (deployment.draft?.node !== this.#node) return;
    const draft = { ...draftOf(deployment)!, layers: "all" as const, parts: [], signal };
    await this.#from.ensure(draft).catch((error) => this.undrafted(deployment, error, signal));
  }

  /** What the gateway needs of a model, without weights. Throws what `ensure` throws. */
  async text(
    { model, source, manifest_sha256, members }: NonNullable<Adopted["asleep"]>,
    signal: AbortSignal,
  ): Promise<ServedModel> {
    const stored = await this.#from.ensure({
      model,
      source,
      manifestSha256: manifest_sha256,
      members,
      layers: [],
      parts: [],
      signal,
    });
    return await this.#opened(stored);
  }

  /** Fetches a deployment's whole model. */
  async fetchWhole(deployment: Deployment, signal: AbortSignal): Promise<void> {
    await this.#from.ensure({ ...targetOf(deployment), layers: "all", parts: [], signal });
  }

  /** Goes on without a drafter: the deployment is then slower, its answers are the same. */
  undrafted({ id, draft }: Deployment, error: unknown, signal: AbortSignal): void {
    signal.throwIfAborted();
    this.#drafts.delete(id);
    log.error("deployment {id} runs without draft model {draft}: {error}", {
      id,
      draft: draft?.model,
      error,
    });
  }

  /** Copies all of this deployment's models in the background, and no others; undefined: none. */
  follow(deployment: Deployment | undefined): void {
    this.#from.follow?.(deployment);
  }

  /**
   * A model's tokenizer and templates. Another deployment of the same model, or one before, has them
   * already: parsing a large tokenizer takes seconds.
   */
  async #opened(stored: StoredModel): Promise<ServedModel> {
    const text = JSON.stringify(stored.manifest);
    const same = [...this.#entries.values()].find((e) =>
      JSON.stringify(e.stored.manifest) === text
    );
    const served = same?.served ?? this.#opens.get(text)?.deref() ?? await this.#from.open(stored);
    this.#opens.set(text, new WeakRef(served));
    return served;
  }

  /** Forgets a deployment; its files stay in the store. */
  delete(id: string): void {
    this.#entries.delete(id);
    this.#drafts.delete(id);
    this.#uses.get(id)?.dispose();
    this.#uses.delete(id);
  }

  /** Lets go of all models, when the node ends. */
  close(): void {
    for (const uses of this.#uses.values()) uses.dispose();
    this.#uses.clear();
  }

  /** Keeps a model of a deployment from being removed. */
  async #use(id: string, { manifest: { name } }: StoredModel): Promise<void> {
    let use: Disposable | undefined;
    try {
      use = await this.#from.use?.(name, { node: this.#node, deployment: id });
    } catch (error) {
      log.warn("cannot say that {name} is used here: {error}", { name, error });
    }
    if (!use) return;
    if (!this.#entries.has(id)) return use[Symbol.dispose](); // retired meanwhile
    let uses = this.#uses.get(id);
    if (!uses) this.#uses.set(id, uses = new DisposableStack());
    uses.use(use);
  }

  /** Fetches the whole draft model; without it the deployment goes on undrafted. */
  async #fetchDraft(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const { id } = deployment;
    try {
      const stored = await this.#from.ensure({
        ...draftOf(deployment)!,
        layers: "all",
        parts: [],
        signal,
      });
      if (!this.#entries.has(id)) throw retired(`deployment ${id}`);
      this.#drafts.set(id, stored);
      await this.#use(id, stored);
    } catch (error) {
      this.undrafted(deployment, error, signal);
    }
  }
}

/** Whether `one` is an earlier revision of a deployment than `other`. */
export const isBefore = (one: Deployment, other: Deployment): boolean =>
  (one.revision ?? 0) < (other.revision ?? 0);

/** The layers and parts of the LM head that a node computes in a deployment. */
function needs(
  { stages, head }: Deployment,
  node: string,
): Pick<EnsureModelOptions, "layers" | "parts"> {
  const layers = stages.filter((stage) => stage.node === node);
  const parts = head
    ? head.filter((shard) => shard.node === node)
      .map((shard) => ({ first: shard.first_part, last: shard.last_part }))
    : stages.at(-1)!.node === node
    ? ALL_PARTS
    : [];
  return { layers, parts };
}

/** The error for what belongs to a deployment that this node has let go. */
export function retired(what: string, metadata: Record<string, unknown> = {}): OrreryError {
  return new OrreryError({
    group: "cluster",
    code: "retired",
    message: `${what} was retired at this node; another deployment serves`,
    metadata,
  });
}
