/**
 * The gateway: runs an API request as a generation actor, and turns what that tells into events.
 *
 * @module
 */
import {
  type ArbiterStats,
  type CopyName,
  DEFAULT_DEPLOYMENT,
  type Deployment,
  type Done,
  type Flow,
  type FrameTrace,
  type NameActivity,
  nameOf,
  OrreryError,
  type PipelineRoute,
  servingNodes,
  systemClock,
} from "../../actors/mod.ts";
import { Arbiters } from "./arbiters.ts";
import { askAgain } from "./ask_again.ts";
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
import type { GatewayOptions } from "./gateway_options.ts";
import { GoneNodes } from "./gone_nodes.ts";
import { HeldRequests } from "./held_requests.ts";
import { KvRooms } from "./kv_rooms.ts";
import { ModelGrammars } from "./model_grammars.ts";
import { PROBE } from "./probe.ts";
import type { ReadinessVerdict } from "./readiness.ts";
import type { ServingControl } from "./serving_control.ts";
import { RequestResources } from "./request_resources.ts";
import { RequestsRunner } from "./requests_runner.ts";
import { Experience } from "./experience.ts";
import { RequestMeter } from "./request_meter.ts";
import { RunningRequests, sameModel, type Served } from "./running_requests.ts";
import { eitherSignal } from "./either_signal.ts";
import type { ServedDeployment, ServingModel } from "./served_deployment.ts";
import type { ServedModel } from "./served_model.ts";
import { ServedName } from "./served_name.ts";

/**
 * See the module's text; the contracts are {@linkcode Generator} and {@linkcode ServingControl}.
 */
export class Gateway implements Generator, ServingControl {
  readonly #options: GatewayOptions;
  readonly #running = new RunningRequests();
  readonly #grammars = new ModelGrammars();
  readonly #arbiters: Arbiters;
  readonly #rooms: KvRooms;
  readonly #runner: RequestsRunner;
  readonly #resources: RequestResources;
  readonly #held: HeldRequests;
  /** What is served, by name; the default deployment comes first. */
  readonly #names = new Map<string, ServedName>();
  /** What is proved at present. */
  readonly #proving = new Set<Served>();
  /** Models that were served and may have threads that encode prompts. */
  readonly #models = new Set<ServedModel>();
  /** Which weights this node fetches, and how far it is; undefined: none. */
  fetching?: string;
  #draining = false;
  readonly #gone: GoneNodes;
  /** Aborts when requests have had their time. */
  readonly #ended = new AbortController();

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { system, clock = systemClock, silentMs = () => undefined } = options;
    this.#gone = new GoneNodes({ clock, silentMs });
    this.#arbiters = new Arbiters(system);
    this.#rooms = new KvRooms(system);
    this.#held = new HeldRequests({
      ...{ system, arbiters: this.#arbiters, running: this.#running },
      serving: () => this.#servings.map(({ deployment }) => deployment),
    });
    this.#runner = new RequestsRunner({
      ...{ system, arbiters: this.#arbiters, grammars: this.#grammars, running: this.#running },
      ...{ rooms: this.#rooms, gone: this.#gone, clock },
      onOver: ({ id, name }) => {
        this.#names.get(nameOf({ name }))?.ended();
        this.#tidyGrammars();
        const serves = this.#servings.some(({ deployment }) => deployment.id === id);
        if (!serves && !this.runs(id)) this.#arbiters.forget(id);
      },
      serving: (served) => {
        const serving = this.#names.get(nameOf(served.deployment))?.quickest?.serving;
        return serving && sameModel(serving, served) ? serving : undefined;
      },
    });
    this.#resources = new RequestResources({
      ...{ system, admission: options.admission, arbiters: this.#arbiters },
      ...{ running: this.#running, runner: this.#runner },
      copies: (name) => this.#names.get(name)?.copies ?? [],
      serving: () => this.#servings,
      proving: () => this.#proving,
    });
    this.#named(DEFAULT_DEPLOYMENT);
  }

  learned(before: Deployment, after: Deployment): void {
    this.#held.learned(before, after);
  }

  serve(
    served: Served | undefined,
    reason: string,
    told: CopyName & { failed?: boolean } = {},
  ): void {
    const name = nameOf(told);
    const copy = this.#named(name).copy(told.copy ?? 0);
    const before = copy.serving?.deployment;
    this.#named(name).serve(told.copy ?? 0, served, { reason, failed: told.failed });
    const limits = served?.deployment.shape.admission;
    if (served && (name === DEFAULT_DEPLOYMENT || limits)) this.#options.admission.use(limits);
    this.#held.served(name, before, served?.deployment);
    if (served) {
      this.#models.add(served.model);
      void this.#rooms.learn(served.deployment);
      this.#gone.placed(servingNodes(served.deployment));
    }
    this.#tidyGrammars();
    this.#running.changed(); // requests may wait for what serves now
  }

  sleep(model: ServedModel, of: CopyName): void {
    this.#models.add(model);
    this.#named(nameOf(of)).sleep(model);
  }

  drop(of: CopyName): void {
    const name = nameOf(of);
    const gone = this.#names.get(name)?.drop(of.copy ?? 0);
    if (gone && name !== DEFAULT_DEPLOYMENT) this.#names.delete(name);
    this.#tidyGrammars();
  }

  async prove(served: Served, signal: AbortSignal): Promise<void> {
    this.#proving.add(served);
    try {
      await this.#probe({ ...served, experience: new Experience() }, signal);
    } finally {
      this.#proving.delete(served);
    }
  }

  activity(): NameActivity[] {
    return [...this.#names.values()].map(({ name, running, waiting, idleMs }) => ({
      ...{ name, running, waiting },
      ...(idleMs !== undefined && { idle_ms: idleMs }),
    }));
  }

  /** What is served under a name; from now on it is known here. */
  #named(name: string): ServedName {
    let named = this.#names.get(name);
    if (named) return named;
    const { onBroken, onWake = () => {}, clock = systemClock } = this.#options;
    named = new ServedName(name, {
      ...{ onBroken, clock, onWake },
      refusal: (served) => this.#refusal(served),
      probe: (serving, signal) => this.#probe(serving, signal),
      requestsOf: (id) => this.#running.of(id),
    });
    this.#names.set(name, named);
    return named;
  }

  /** The default deployment. */
  get #main(): ServedName {
    return this.#names.get(DEFAULT_DEPLOYMENT)!;
  }

  /** All that new requests may use. */
  get #servings(): ServingModel[] {
    return [...this.#names.values()].flatMap(({ copies }) =>
      copies.flatMap(({ serving }) => serving ?? [])
    );
  }

  /** Refuses new requests from now on. */
  drain(): void {
    this.#draining = true;
    for (const named of this.#names.values()) named.close();
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
    this.#resources.register();
  }

  /** See {@linkcode RequestResources.pipelineOf}. */
  pipelineOf(to: string): PipelineRoute | undefined {
    return this.#resources.pipelineOf(to);
  }

  nodeLost(node: string): void {
    this.#runner.nodeLost(node);
    this.#held.nodeLost(node);
  }

  models(): ModelCard[] {
    // A name that serves nothing is listed where others are: clients must be told what it is.
    const all = this.#names.size > 1;
    return [...this.#names.values()].flatMap((named) =>
      (all || named.serving || named.cold || named.holds) && named.card || []
    );
  }

  /** See {@linkcode Generator.journals}. */
  journals(model: string): boolean {
    const named = [...this.#names.values()].find(({ card }) => card?.name === model) ?? this.#main;
    return named.quickest?.serving?.deployment.shape.journal !== false;
  }

  /**
   * The custom actors on the way of requests for this model; where none is known yet, the request
   * waits as it would for its place. Throws what {@linkcode Gateway.generate} throws for its model.
   */
  async flowOf(model: string, signal: AbortSignal): Promise<Flow> {
    this.#refuseWhileDraining();
    const named = this.#nameFor(model);
    if (!named.flow) await named.awake(signal);
    this.#refuseWhileDraining();
    if (!named.flow) throw unavailable("not_ready", this.#why(named));
    return named.flow;
  }

  /** The flows that are known here. */
  get flows(): Flow[] {
    return [...this.#names.values()].flatMap(({ flow }) => flow ?? []);
  }

  readiness(): ReadinessVerdict {
    const reason = this.#main.cold && !this.#draining
      ? undefined
      : this.#refusal(this.#main.quickest ?? this.#main.copy(0));
    return reason === undefined ? { ready: true, reason: "ok" } : { ready: false, reason };
  }

  async countTokens(
    { model, prompt }: Pick<GenerateRequest, "model" | "prompt">,
    signal?: AbortSignal,
  ): Promise<number> {
    this.#refuseWhileDraining();
    const [known] = this.#nameFor(model).models;
    if (!known) throw unavailable("not_ready", this.#why(this.#nameFor(model)));
    await known.prepare(prompt, signal);
    return known.encode(prompt).length;
  }

  limits(): { most: number; left: number; resetS: number } {
    const { admission } = this.#options;
    const { places, active, queued } = admission;
    const left = Math.max(0, places - active - queued);
    return { most: places, left, resetS: queued > 0 ? admission.retryAfterS : 0 };
  }

  async check(): Promise<ReadinessVerdict> {
    const { quickest, cold } = this.#main;
    if (cold) return this.readiness();
    return await (quickest ?? this.#main.copy(0)).readiness.check();
  }

  /** Why nothing is served, and what this node is at. */
  #why({ reason }: { reason: string }): string {
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
    const traces = await Promise.all(
      this.#servings.map(({ deployment }) => this.#arbiters.traces(deployment.id)),
    );
    return { node: system.node, traces: traces.flat().sort((a, b) => a.answered - b.answered) };
  }

  async *generate(request: GenerateRequest, client: AbortSignal): AsyncIterable<GenerationEvent> {
    this.#refuseWhileDraining();
    using life = eitherSignal(client, this.#ended.signal);
    const { signal } = life;
    const named = this.#nameFor(request.model);
    const meter = this.#meter(named);
    let over = false;
    try {
      for await (const event of this.#answer(named, request, { signal, meter })) {
        meter.event(event);
        over = event.type === "done";
        yield event;
      }
    } catch (error) {
      meter.failed(error, client.aborted);
      over = true;
      throw error;
    } finally {
      if (!over) meter.failed(undefined, true); // nobody reads on
    }
  }

  /** What follows a request for metrics. */
  #meter(named: ServedName): RequestMeter {
    const { counts, clock = systemClock } = this.#options;
    return new RequestMeter(counts, {
      model: named.card?.name ?? named.name,
      now: () => clock.now(),
    });
  }

  /** Waits for a place, and runs a request of what is served under this name. */
  async *#answer(
    named: ServedName,
    request: GenerateRequest,
    { signal, meter }: { signal: AbortSignal; meter: RequestMeter },
  ): AsyncIterable<GenerationEvent> {
    let coldMs = await named.awake(signal);
    const queued = request.trace && this.#options.tracer?.span("queue", { parent: request.trace });
    using _place = await this.#enter(named, signal, { priority: request.priority, meter })
      .finally(() => queued?.end());
    coldMs += await named.awake(signal); // it may have fallen asleep again
    this.#refuseWhileDraining(); // draining may have begun while this request waited
    // A large prompt takes seconds, in which another deployment may take over.
    await this.#take(named).serving.model.prepare(request.prompt, signal);
    const { copy, serving } = this.#take(named);
    const learn = (done: Done) => serving.experience.learn(done);
    try {
      for await (const event of this.#runner.answer(serving, request, signal, learn)) {
        if (event.type !== "started") {
          copy.progressed(serving);
          this.#options.onProgress?.();
        }
        yield event.type === "done" && coldMs > 0 ? withColdStart(event, coldMs) : event;
      }
    } catch (error) {
      const own = hasGroup(error, "api") || hasGroup(error, "model"); // the request's own fault
      if (!own && !signal.aborted) copy.failed(serving);
      throw error;
    }
  }

  /** Rows of the KV cache that this node's requests use, arena by arena. */
  async kvRows(): Promise<{ model: string; stats: ArbiterStats }[]> {
    const all = await Promise.all(
      this.#servings.map(async ({ model, deployment: { id } }) =>
        (await this.#arbiters.stats(id)).map((stats) => ({ model: model.card.name, stats }))
      ),
    );
    return all.flat();
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
    const named = this.#nameFor(options.model);
    await named.awake(signal);
    const meter = this.#meter(named);
    using _place = await this.#enter(named, signal, { meter });
    const found = await askAgain(async () => {
      await named.awake(signal);
      this.#refuseWhileDraining();
      return await this.#runner.embed(this.#take(named).serving, inputs, options, signal);
    }, { clock: this.#options.clock ?? systemClock, signal });
    meter.embedded(found.tokens.reduce((sum, count) => sum + count, 0));
    return found;
  }

  /** Waits for a place. Throws what admission throws. */
  async #enter(
    named: ServedName,
    signal: AbortSignal,
    { priority, meter }: { priority?: number; meter: RequestMeter },
  ): Promise<Disposable> {
    const { admission, clock = systemClock } = this.#options;
    const since = clock.now();
    named.queued++;
    try {
      const place = await admission.enter(signal, priority);
      meter.admitted(clock.now() - since);
      return place;
    } finally {
      named.queued--;
    }
  }

  /** Closes the grammars of models that no request uses, now or later. */
  #tidyGrammars(): void {
    const used = new Set(this.#running.values().map(({ model }) => model));
    if (!this.#draining) {
      for (const { models } of this.#names.values()) models.forEach((model) => used.add(model));
    }
    this.#grammars.keep(used);
    for (const model of this.#models) {
      if (used.has(model)) continue;
      model.close();
      this.#models.delete(model);
    }
  }

  /** The name that a request's model means. Throws `not_ready` and `model_not_found`. */
  #nameFor(model: string): ServedName {
    const main = this.#main;
    // One name alone, of which nothing is known yet.
    if (this.#names.size === 1 && !main.serving && !main.cold && !main.holds) {
      throw unavailable("not_ready", this.#why(main));
    }
    const { name } = findModel(this.models(), model);
    return [...this.#names.values()].find(({ card }) => card?.name === name) ?? main;
  }

  /** The copy of a name that answers first. Throws `not_ready`. */
  #take(named: ServedName): { copy: ServedDeployment; serving: ServingModel } {
    const copy = named.quickest;
    if (!copy?.serving) throw unavailable("not_ready", this.#why(named));
    return { copy, serving: copy.serving };
  }

  #refuseWhileDraining(): void {
    if (this.#draining) throw unavailable("draining", "the node is shutting down");
  }
}

/** The last event of an answer that waited for its deployment to be loaded, and how long. */
const withColdStart = (
  event: GenerationEvent & { type: "done" },
  ms: number,
): GenerationEvent => ({
  ...event,
  report: { ...event.report, cold_start_ms: Math.round(ms) },
});

const hasGroup = (error: unknown, group: string) =>
  error instanceof OrreryError && error.group === group;
