/**
 * The gateway: runs an API request as a generation actor, and turns what that tells into events.
 *
 * @module
 */
import {
  type ActorSystem,
  arbiterActor,
  type Clock,
  type Done,
  type FindPipeline,
  type FrameTrace,
  generationActor,
  type MakeCodec,
  type MakeOutlineText,
  OrreryError,
  parseAddress,
  type PipelineRoute,
} from "../../actors/mod.ts";
import type { Admission } from "./admission.ts";
import { Arbiters } from "./arbiters.ts";
import {
  type Embeddings,
  type EmbedOptions,
  findModel,
  type GenerateRequest,
  type GenerationEvent,
  type Generator,
  type ModelCard,
  unavailable,
} from "../api/mod.ts";
import { HeldRequests } from "./held_requests.ts";
import { ModelGrammars } from "./model_grammars.ts";
import type { ReadinessVerdict } from "./readiness.ts";
import { RequestsRunner } from "./requests_runner.ts";
import { pipelineRoute } from "./routes.ts";
import { RunningRequests, type Served } from "./running_requests.ts";
import { eitherSignal } from "./either_signal.ts";
import { ServedDeployment, type ServingModel } from "./served_deployment.ts";
import type { ServedModel } from "./served_model.ts";

/** The request of a probe: a prompt of one token, and one token of an answer. */
const PROBE: GenerateRequest = {
  model: "default",
  prompt: { kind: "tokens", tokens: [0] },
  sampling: { temperature: 0 },
  maxTokens: 1,
  stop: [],
  ignoreEos: true,
  mode: "plain",
  route: "pipeline",
};

/** Options of a {@linkcode Gateway}. */
export interface GatewayOptions {
  /** The node's actors; generations and arbiters are registered there. */
  system: ActorSystem;
  /** Limits the generations that run and that wait. */
  admission: Admission;
  /**
   * Called while the deployment with this id answers no prompt, and why. Without it the stages are
   * probed only when somebody asks for `check`.
   */
  onBroken?: (deployment: string, why: string) => void;
  /** Times probes. @default the real clock */
  clock?: Clock;
}

/** How the cluster tells a node which deployment its requests use. */
export interface ServingControl {
  /** New requests use this deployment; undefined: none can be answered, and `reason` says why. */
  serve(served: Served | undefined, reason: string): void;
  /** Whether a request of this deployment (its id) is running. */
  runs(deployment: string): boolean;
  /** Resolves when no request of this deployment (its id) runs. Rejects with the signal's reason. */
  unused(deployment: string, signal: AbortSignal): Promise<void>;
  /** Holds the requests that have a stage at `node`, which is gone, or has them go on elsewhere. */
  nodeLost(node: string): void;
}

/**
 * See the module's text; the contracts are {@linkcode Generator} and {@linkcode ServingControl}.
 */
export class Gateway implements Generator, ServingControl {
  readonly #options: GatewayOptions;
  readonly #running = new RunningRequests();
  readonly #grammars = new ModelGrammars();
  readonly #arbiters: Arbiters;
  readonly #runner: RequestsRunner;
  readonly #held: HeldRequests;
  readonly #served: ServedDeployment;
  /** Models that were served and may have threads that encode prompts. */
  readonly #models = new Set<ServedModel>();
  /** Which weights this node fetches, and how far it is; undefined: none. */
  fetching?: string;
  #draining = false;
  /** Aborts when requests have had their time. */
  readonly #ended = new AbortController();

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { system, onBroken, clock } = options;
    this.#arbiters = new Arbiters(system);
    this.#held = new HeldRequests({
      ...{ system, arbiters: this.#arbiters, running: this.#running },
      serving: () => this.#served.serving ? [this.#served.serving.deployment] : [],
    });
    this.#runner = new RequestsRunner({
      ...{ system, arbiters: this.#arbiters, grammars: this.#grammars, running: this.#running },
      onOver: ({ id }) => {
        this.#tidyGrammars();
        const serves = id === this.#served.serving?.deployment.id;
        if (!serves && !this.runs(id)) this.#arbiters.forget(id);
      },
      serving: (served) => {
        const { serving } = this.#served;
        return serving && sameModel(serving, served) ? serving : undefined;
      },
    });
    this.#served = new ServedDeployment({
      ...{ onBroken, clock },
      refusal: (served) => this.#refusal(served),
      probe: (serving, signal) => this.#probe(serving, signal),
    });
  }

  serve(served: Served | undefined, reason: string): void {
    const before = this.#served.serving?.deployment;
    this.#served.serve(served, reason);
    this.#held.served(before, served?.deployment);
    if (served) this.#models.add(served.model);
    if (served) this.#options.admission.use(served.deployment.shape.admission);
    this.#tidyGrammars();
    this.#running.changed(); // requests may wait for what serves now
  }

  /** Refuses new requests from now on. */
  drain(): void {
    this.#draining = true;
    this.#served.readiness.close();
    this.#tidyGrammars();
  }

  /** Ends the requests that run and those that wait: they get `draining`. */
  end(): void {
    this.#ended.abort(unavailable("draining", "the node is shutting down: try another node"));
  }

  /** Resolves when no generation is running, or after `deadlineMs` milliseconds. */
  async idle(deadlineMs: number): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), deadlineMs);
    await this.#running.until(() => this.#running.size === 0, late.signal).catch(() => {});
    clearTimeout(timer);
  }

  /** Number of requests that run now. */
  get running(): number {
    return this.#running.size;
  }

  /** Large prompts that wait to be encoded, or are. */
  get encoding(): number {
    return this.#models.values().reduce((sum, model) => sum + model.encoding, 0);
  }

  runs(deployment: string): boolean {
    return this.#running.of(deployment) > 0;
  }

  unused(deployment: string, signal: AbortSignal): Promise<void> {
    return this.#running.until(() => !this.runs(deployment), signal);
  }

  /** Registers generations and arbiters, whose resources this gateway has. */
  register(): void {
    const { system } = this.#options;
    system.register(generationActor, {
      config: generationActor.config.parse({}),
      resources: (to) => ({
        codec: this.#codecOf(to),
        outline: this.#outlineOf(to),
        grammar: this.#running.get(to)?.grammar,
        find: this.#findFor(to),
      }),
    });
    system.register(arbiterActor, {
      config: arbiterActor.config.parse({}),
      resources: (to) => ({ pipeline: this.pipelineOf(to) }),
    });
  }

  /** Resource `codec` of the generation at this address. */
  #codecOf(to: string): MakeCodec | undefined {
    const run = this.#running.get(to);
    return run && ((stops) => run.model.makeCodec(stops, (text) => run.stopText = text));
  }

  /**
   * Resource `find` of the generation at this address; undefined: its request must fail with its
   * pipeline, since it is there to see whether prompts are answered.
   */
  #findFor(to: string): FindPipeline | undefined {
    const run = this.#running.get(to);
    if (!run || run.request === PROBE) return undefined;
    return (signal) => {
      const { serving } = this.#served;
      if (serving && serving.deployment.id === run.deployment.id) this.#served.failed(serving);
      return this.#runner.find(to, signal);
    };
  }

  /** Resource `outline` of the generation at this address. */
  #outlineOf(to: string): MakeOutlineText {
    const run = this.#running.get(to);
    return () => run?.request && run.model.outlineText(run.request.prompt, run.policy);
  }

  /**
   * Resource `pipeline` of the arbiter at this address; undefined: its deployment has no requests
   * here.
   */
  pipelineOf(to: string): PipelineRoute | undefined {
    const { deployment: id } = parseAddress(to);
    const served = [this.#served.serving, ...this.#running.values()]
      .find((s) => s?.deployment.id === id);
    return served && pipelineRoute(to, served, {
      node: this.#options.system.node,
      most: this.#options.admission.most,
      idleMs: (key) => this.#arbiters.idleMs(key),
    });
  }

  nodeLost(node: string): void {
    this.#runner.nodeLost(node);
    this.#held.nodeLost(node);
  }

  models(): ModelCard[] {
    const { serving } = this.#served;
    return serving ? [serving.model.card] : [];
  }

  /** See {@linkcode Generator.journals}. */
  journals(): boolean {
    return this.#served.serving?.deployment.shape.journal !== false;
  }

  readiness(): ReadinessVerdict {
    const reason = this.#refusal(this.#served);
    return reason === undefined ? { ready: true, reason: "ok" } : { ready: false, reason };
  }

  async countTokens(
    { model, prompt }: Pick<GenerateRequest, "model" | "prompt">,
    signal?: AbortSignal,
  ): Promise<number> {
    this.#refuseWhileDraining();
    const served = this.#servedAs(model);
    await served.model.prepare(prompt, signal);
    return served.model.encode(prompt).length;
  }

  limits(): { most: number; left: number; resetS: number } {
    const { admission } = this.#options;
    const { places, active, queued } = admission;
    const left = Math.max(0, places - active - queued);
    return { most: places, left, resetS: queued > 0 ? admission.retryAfterS : 0 };
  }

  check(): Promise<ReadinessVerdict> {
    return this.#served.readiness.check();
  }

  /** Why nothing is served, and what this node is at. */
  #why({ reason }: ServedDeployment): string {
    return this.fetching === undefined ? reason : `${reason}; ${this.fetching}`;
  }

  /** Why a prompt would be refused at once; undefined: it would be run, or wait its turn. */
  #refusal(served: ServedDeployment): string | undefined {
    if (this.#draining) return "the node is shutting down";
    if (!served.serving) return this.#why(served);
    const { admission } = this.#options;
    return admission.full
      ? `busy: ${admission.active} generations run and ${admission.queued} wait, which is the limit`
      : undefined;
  }

  /** Runs a prompt of one token through every stage, beside the requests that have places. */
  async #probe(serving: ServingModel, signal: AbortSignal): Promise<void> {
    for await (const _event of this.#runner.answer(serving, PROBE, signal)) {
      // What it says does not matter.
    }
  }

  async traces(): Promise<{ node: string; traces: FrameTrace[] }> {
    const { system } = this.#options;
    const { serving } = this.#served;
    if (!serving) return { node: system.node, traces: [] };
    return { node: system.node, traces: await this.#arbiters.traces(serving.deployment.id) };
  }

  async *generate(request: GenerateRequest, client: AbortSignal): AsyncIterable<GenerationEvent> {
    this.#refuseWhileDraining();
    using life = eitherSignal(client, this.#ended.signal);
    const { signal } = life;
    using _place = await this.#options.admission.enter(signal, request.priority);
    this.#refuseWhileDraining(); // draining may have begun while this request waited
    // A large prompt takes seconds, in which another deployment may take over.
    await this.#servedAs(request.model).model.prepare(request.prompt, signal);
    const serving = this.#servedAs(request.model);
    const learn = (done: Done) => serving.experience.learn(done);
    try {
      for await (const event of this.#runner.answer(serving, request, signal, learn)) {
        if (event.type !== "started") this.#served.progressed(serving);
        yield event;
      }
    } catch (error) {
      const own = hasGroup(error, "api") || hasGroup(error, "model"); // the request's own fault
      if (!own && !signal.aborted) this.#served.failed(serving);
      throw error;
    }
  }

  /** See {@linkcode Generator.embed}. */
  async embed(
    inputs: readonly (string | readonly number[])[],
    options: EmbedOptions,
    client: AbortSignal,
  ): Promise<Embeddings> {
    this.#refuseWhileDraining();
    using life = eitherSignal(client, this.#ended.signal);
    const { signal } = life;
    using _place = await this.#options.admission.enter(signal);
    this.#refuseWhileDraining();
    return await this.#runner.embed(this.#servedAs(options.model), inputs, options, signal);
  }

  /** Closes the grammars of models that no request uses, now or later. */
  #tidyGrammars(): void {
    const used = new Set(this.#running.values().map(({ model }) => model));
    const { serving } = this.#served;
    if (serving && !this.#draining) used.add(serving.model);
    this.#grammars.keep(used);
    for (const model of this.#models) {
      if (used.has(model)) continue;
      model.close();
      this.#models.delete(model);
    }
  }

  /** What answers a request for this model. Throws `not_ready` and `model_not_found`. */
  #servedAs(name: string): ServingModel {
    const { serving } = this.#served;
    if (!serving) throw unavailable("not_ready", this.#why(this.#served));
    findModel([serving.model.card], name);
    return serving;
  }

  #refuseWhileDraining(): void {
    if (this.#draining) throw unavailable("draining", "the node is shutting down");
  }
}

const hasGroup = (error: unknown, group: string) =>
  error instanceof OrreryError && error.group === group;

/** The same weights: an answer that began on one goes on at the other. */
const sameModel = (a: Served, b: Served) =>
  a.model.card.name === b.model.card.name &&
  a.deployment.manifest_sha256 === b.deployment.manifest_sha256;
