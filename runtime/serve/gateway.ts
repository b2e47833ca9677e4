/**
 * The gateway: runs an API request as a generation actor, and turns what that tells into events.
 *
 * @module
 */
import {
  type ActorSystem,
  arbiterActor,
  arbiterAddress,
  type Clock,
  type Deployment,
  type Done,
  drafterAddress,
  type FrameTrace,
  freshAddress,
  generationActor,
  type GrammarWalk,
  hasCode,
  headAddresses,
  keyAt,
  type MakeCodec,
  type MakeOutlineText,
  MOST_CONTEXTS,
  nodeKey,
  OrreryError,
  parseAddress,
  type PipelineRoute,
  servingNodes,
  shapeSchema,
  shardStages,
  SOLO,
  stageAddress,
  stageAddresses,
  type WireError,
} from "../../actors/mod.ts";
import type { Admission } from "./admission.ts";
import { type ArbiterPlace, Arbiters } from "./arbiters.ts";
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
import { clientEvents, GenerationFailed } from "./client_events.ts";
import { Readiness, type ReadinessVerdict } from "./readiness.ts";
import { embedPrompt } from "./embed.ts";
import { Experience } from "./experience.ts";
import { embeddedPrompt, requestedStart } from "./generation_start.ts";
import { ModelGrammars } from "./model_grammars.ts";
import type { ServedModel } from "./served_model.ts";

/** Milliseconds in which the arbiter must answer with its frames. */
const TRACES_MS = 5_000;

/** Milliseconds in which a generation must take `cancel`. */
const CANCEL_MS = 10_000;

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

/** How requests run where nothing is planned. */
const USUAL = shapeSchema.parse({});

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

/** What answers new requests. */
export interface Served {
  /** Its tokenizer, templates and defaults. */
  model: ServedModel;
  /** Its stages. */
  deployment: Deployment;
}

/** A request that runs. */
interface RunningRequest extends Served {
  /** Undefined for embeddings. */
  request?: GenerateRequest;
  /** The stop string that ended its answer; undefined: none has. */
  stopText?: string;
  /** The walk of its grammar; undefined: its answer may be any text. */
  grammar?: GrammarWalk;
}

/** How the cluster tells a node which deployment its requests use. */
export interface ServingControl {
  /** New requests use this deployment; undefined: none can be answered, and `reason` says why. */
  serve(served: Served | undefined, reason: string): void;
  /** Whether a request of this deployment (its id) is running. */
  runs(deployment: string): boolean;
  /** Resolves when no request of this deployment (its id) runs. Rejects with the signal's reason. */
  unused(deployment: string, signal: AbortSignal): Promise<void>;
  /** Fails the requests that have a stage at `node`, which is gone. */
  nodeLost(node: string): void;
}

/**
 * See the module's text; the contracts are {@linkcode Generator} and {@linkcode ServingControl}.
 */
export class Gateway implements Generator, ServingControl {
  readonly #options: GatewayOptions;
  /** Requests that run, by the address of their generation. */
  readonly #running = new Map<string, RunningRequest>();
  readonly #grammars = new ModelGrammars();
  /** What new requests use, and what its requests have shown; undefined: none can be answered. */
  #served?: Served & { experience: Experience };
  /** Called when a request has ended. */
  readonly #onEnd = new Set<() => void>();
  /** Which weights this node fetches, and how far it is; undefined: none. */
  fetching?: string;
  /** Why nothing is served. */
  #reason = "the node has just started";
  #draining = false;
  readonly #readiness: Readiness;
  readonly #arbiters: Arbiters;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#arbiters = new Arbiters(options.system);
    const { onBroken, clock } = options;
    this.#readiness = new Readiness({
      clock,
      refusal: () => this.#refusal(),
      probe: (signal) => this.#probe(signal),
      onBroken: onBroken && ((why) => {
        if (this.#served) onBroken(this.#served.deployment.id, why);
      }),
    });
  }

  serve(served: Served | undefined, reason: string): void {
    const before = this.#served;
    const same = before?.deployment.id === served?.deployment.id;
    if (!same) this.#readiness.renew();
    const experience = (same ? before?.experience : undefined) ?? new Experience();
    this.#served = served && { ...served, experience };
    if (served) this.#options.admission.use(served.deployment.shape.admission);
    this.#reason = reason;
    this.#tidyGrammars();
  }

  /** Refuses new requests from now on. */
  drain(): void {
    this.#draining = true;
    this.#readiness.close();
    this.#tidyGrammars();
  }

  /** Resolves when no generation is running, or after `deadlineMs` milliseconds. */
  async idle(deadlineMs: number): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), deadlineMs);
    await this.#until(() => this.#running.size === 0, late.signal).catch(() => {});
    clearTimeout(timer);
  }

  /** Number of requests that run now. */
  get running(): number {
    return this.#running.size;
  }

  runs(deployment: string): boolean {
    return this.#requestsOf(deployment) > 0;
  }

  unused(deployment: string, signal: AbortSignal): Promise<void> {
    return this.#until(() => !this.runs(deployment), signal);
  }

  /**
   * Resolves when `over` holds, which is looked at after each request. Rejects with the signal's
   * reason.
   */
  async #until(over: () => boolean, signal: AbortSignal): Promise<void> {
    while (!over()) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = () => resolve();
      this.#onEnd.add(look);
      signal.addEventListener("abort", look);
      await promise;
      this.#onEnd.delete(look);
      signal.removeEventListener("abort", look);
    }
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

  /** Resource `outline` of the generation at this address. */
  #outlineOf(to: string): MakeOutlineText {
    const run = this.#running.get(to);
    return () =>
      run?.request && run.model.outlineText(run.request.prompt, run.deployment.shape.policy);
  }

  /**
   * Resource `pipeline` of the arbiter at this address; undefined: its deployment has no requests
   * here.
   */
  pipelineOf(to: string): PipelineRoute | undefined {
    const { deployment: id, key } = parseAddress(to);
    const served = [this.#served, ...this.#running.values()].find((s) => s?.deployment.id === id);
    if (!served) return undefined;
    const { model, deployment } = served;
    // The plan's KV rows are what is reserved. Requests may ask for more; the stages then refuse
    // what their memory does not hold.
    const most = model.card.context * Math.max(MOST_CONTEXTS, this.#options.admission.most);
    // Pieces and shared frames of the plan are the pipeline's. Where nothing overlaps, fine pieces
    // gain nothing, and lanes go together.
    const solo = deployment.solo && key === soloKey(this.#options.system.node);
    return {
      stages: solo ? [stageAddress(id, SOLO)] : stageAddresses(deployment),
      // A stage with the whole model has the head.
      heads: solo ? [] : headAddresses(deployment),
      shardStages: solo ? [] : shardStages(deployment),
      shape: solo
        ? { ...deployment.shape, pieces: [], rows_per_frame: USUAL.rows_per_frame }
        : deployment.shape,
      capacity_rows: Math.max(deployment.shape.kv_rows ?? 0, most),
      idle_ms: solo ? undefined : this.#arbiters.idleMs(key),
    };
  }

  nodeLost(node: string): void {
    this.#soloLost(node);
    for (const [to, { deployment }] of this.#running) {
      if (!servingNodes(deployment).includes(node)) continue;
      const error: WireError = {
        group: "cluster",
        code: "node_lost",
        message: `node ${node}, which ran a stage of this generation, is gone`,
        metadata: { node },
      };
      // It fails where the generation has just ended by itself.
      void this.#options.system.tell(to, { type: "failed", error }).catch(() => {});
    }
  }

  /** Tells the arbiters of whole models at `node` that these are gone: requests go on elsewhere. */
  #soloLost(node: string): void {
    const { system } = this.#options;
    const lost = new Set([...this.#running.values()].map((r) => r.deployment));
    for (const { id, solo } of lost) {
      if (solo?.node !== node) continue;
      const error: WireError = {
        group: "cluster",
        code: "node_lost",
        message: `node ${node}, which has the whole model, is gone`,
        metadata: { node },
      };
      const arbiter = system.at(arbiterActor, arbiterAddress(id, soloKey(system.node)));
      void arbiter.tell.lost({ error }).catch(() => {}); // it runs nothing
    }
  }

  models(): ModelCard[] {
    return this.#served ? [this.#served.model.card] : [];
  }

  readiness(): ReadinessVerdict {
    const reason = this.#refusal();
    return reason === undefined ? { ready: true, reason: "ok" } : { ready: false, reason };
  }

  countTokens({ model, prompt }: Pick<GenerateRequest, "model" | "prompt">): number {
    this.#refuseWhileDraining();
    const served = this.#servedAs(model);
    return served.model.encode(prompt).length;
  }

  limits(): { most: number; left: number; resetS: number } {
    const { admission } = this.#options;
    const { places, active, queued } = admission;
    const left = Math.max(0, places - active - queued);
    return { most: places, left, resetS: queued > 0 ? admission.retryAfterS : 0 };
  }

  check(): Promise<ReadinessVerdict> {
    return this.#readiness.check();
  }

  /** Why nothing is served, and what this node is at. */
  get #why(): string {
    return this.fetching === undefined ? this.#reason : `${this.#reason}; ${this.fetching}`;
  }

  /** Why a prompt would be refused at once; undefined: it would be run, or wait its turn. */
  #refusal(): string | undefined {
    if (this.#draining) return "the node is shutting down";
    if (!this.#served) return this.#why;
    const { admission } = this.#options;
    return admission.full
      ? `busy: ${admission.active} generations run and ${admission.queued} wait, which is the limit`
      : undefined;
  }

  /** Runs a prompt of one token through every stage, beside the requests that have places. */
  async #probe(signal: AbortSignal): Promise<void> {
    if (!this.#served) return;
    for await (const _event of this.#answer(this.#served, PROBE, signal)) {
      // What it says does not matter.
    }
  }

  async traces(): Promise<{ node: string; traces: FrameTrace[] }> {
    const { system } = this.#options;
    const served = this.#served;
    if (!served) return { node: system.node, traces: [] };
    const { id } = served.deployment;
    const traces = await Promise.all(
      this.#arbiters.keys(id).map((key) =>
        system.at(arbiterActor, arbiterAddress(id, key)).traces({}, { deadlineMs: TRACES_MS })
          .catch((error) => {
            if (hasCode(error, "not_active")) return []; // it has no request, and its arena is freed
            throw error;
          })
      ),
    );
    return { node: system.node, traces: traces.flat().sort((a, b) => a.answered - b.answered) };
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    this.#refuseWhileDraining();
    using _place = await this.#options.admission.enter(signal, request.priority);
    this.#refuseWhileDraining(); // draining may have begun while this request waited
    const served = this.#servedAs(request.model);
    const learn = (done: Done) => served.experience.learn(done);
    try {
      for await (const event of this.#answer(served, request, signal, learn)) {
        if (event.type !== "started" && served === this.#served) this.#readiness.progressed();
        yield event;
      }
    } catch (error) {
      const own = hasGroup(error, "api") || hasGroup(error, "model"); // the request's own fault
      const faulty = own || signal.aborted;
      if (!faulty && served === this.#served) this.#readiness.failed();
      throw error;
    }
  }

  /** See {@linkcode Generator.embed}. */
  async embed(
    inputs: readonly (string | readonly number[])[],
    { model: name, pooling = "mean" }: EmbedOptions,
    signal: AbortSignal,
  ): Promise<Embeddings> {
    this.#refuseWhileDraining();
    using _place = await this.#options.admission.enter(signal);
    this.#refuseWhileDraining();
    const served = this.#servedAs(name);
    const { model, deployment } = served;
    const prompts = inputs.map((input) => embeddedPrompt(input, model));
    using place = await this.#arbiters.take(deployment, prompts[0] ?? new Int32Array(0));
    const { system } = this.#options;
    const self = freshAddress(system.node, "generation");
    this.#running.set(self, served);
    try {
      const vectors: Float32Array<ArrayBuffer>[] = [];
      const arbiter = arbiterAddress(deployment.id, place.key);
      for (const prompt of prompts) {
        vectors.push(await embedPrompt(system, prompt, { arbiter, self, pooling, signal }));
      }
      return { vectors, tokens: prompts.map(({ length }) => length) };
    } finally {
      this.#over(self, deployment);
    }
  }

  /** A request has ended. */
  #over(to: string, { id }: Deployment): void {
    this.#running.get(to)?.grammar?.close();
    this.#running.delete(to);
    this.#tidyGrammars();
    if (id !== this.#served?.deployment.id && !this.runs(id)) this.#arbiters.forget(id);
    for (const look of [...this.#onEnd]) look();
  }

  /** Runs one request on `served`; `onDone` gets what the generation tells last. */
  async *#answer(
    served: Served & { experience: Experience },
    asked: GenerateRequest,
    signal: AbortSignal,
    onDone: (done: Done) => void = () => {},
  ): AsyncIterable<GenerationEvent> {
    const { model, deployment, experience } = served;
    const { prompt } = asked;
    const answer = prompt.kind === "chat" ? model.answer(asked, prompt) : undefined;
    const request = answer ? { ...asked, constraint: answer.constraint } : asked;
    const requested = requestedStart(request, model, deployment);
    using place = await this.#arbiters.take(deployment, requested.prompt);
    const start = {
      ...requested,
      ...experience.known,
      ...this.#path(deployment, place),
      others: this.#requestsOf(deployment.id),
    };
    const { system } = this.#options;
    const generation = system.at(generationActor, freshAddress(system.node, "generation"));
    const to = generation.address;
    const client = freshAddress(system.node, "client");
    const inbox = system.inbox(client);
    const run: RunningRequest = { ...served, request };
    this.#running.set(to, run);
    let over = true; // nothing runs yet
    try {
      const { constraint } = request;
      run.grammar = constraint && await this.#grammars.open(model, constraint, signal)
        .catch((error) => {
          throw inField(error, request);
        });
      over = false;
      await generation.tell.start({ ...start, client }, { signal });
      yield { type: "started", id: nodeKey(to)!.id, promptTokens: start.prompt.length };
      const told = clientEvents(inbox, signal, onDone);
      for await (const event of answer?.events(told) ?? told) {
        over = event.type === "done";
        yield event.type === "done" && event.finishReason === "stop" && run.stopText !== undefined
          ? { ...event, stopText: run.stopText }
          : event;
        if (over) return;
      }
    } catch (error) {
      if (!(error instanceof GenerationFailed)) throw error;
      over = true;
      throw error.error;
    } finally {
      inbox.close();
      try {
        if (!over) await generation.tell.cancel({}, { deadlineMs: CANCEL_MS }).catch(ignoreEnded);
      } finally {
        this.#over(to, deployment);
      }
    }
  }

  /** Closes the grammars of models that no request uses, now or later. */
  #tidyGrammars(): void {
    const used = new Set([...this.#running.values()].map(({ model }) => model));
    if (this.#served && !this.#draining) used.add(this.#served.model);
    this.#grammars.keep(used);
  }

  /** Requests of a deployment that run now. */
  #requestsOf(id: string): number {
    return [...this.#running.values()].filter(({ deployment }) => deployment.id === id).length;
  }

  /** What answers a request for this model. Throws `not_ready` and `model_not_found`. */
  #servedAs(name: string): Served & { experience: Experience } {
    const served = this.#served;
    if (!served) throw unavailable("not_ready", this.#why);
    findModel([served.model.card], name);
    return served;
  }

  #refuseWhileDraining(): void {
    if (this.#draining) throw unavailable("draining", "the node is shutting down");
  }

  /** The fields of a start message that the deployment decides. */
  #path(deployment: Deployment, { key }: ArbiterPlace) {
    const { id, stages, solo, draft, shape } = deployment;
    const { node } = this.#options.system;
    const nodes = [...servingNodes(deployment), ...(draft ? [draft.node] : [])];
    return {
      arbiter: arbiterAddress(id, key),
      ...(solo && {
        solo: {
          arbiter: arbiterAddress(id, soloKey(node)),
          stage: stageAddress(id, SOLO),
          nodes: draft && draft.node !== solo.node ? 2 : 1,
          shared: stages.some((s) => s.node === solo.node),
        },
      }),
      stages: stages.length,
      nodes: new Set(nodes).size,
      // The arbiter cuts prompts, not the generation; with a context of 2^20 rows the pieces are
      // thousands of numbers, which each request would carry.
      shape: { ...shape, pieces: [] },
      ...(draft && { drafter: drafterAddress(id) }),
    };
  }
}

/** Key of the arbiter at `node` whose only stage has the whole model. */
const soloKey = (node: string) => keyAt(node, SOLO);

const hasGroup = (error: unknown, group: string) =>
  error instanceof OrreryError && error.group === group;

/** Throws the error unless it says that there is nothing left to cancel. */
function ignoreEnded(error: unknown): void {
  // The generation ended just before our cancel, or the system is closing.
  if (!["not_active", "no_owner", "closed"].some((code) => hasCode(error, code))) throw error;
}

/** The error of a grammar, with the field of the request that it is about. */
function inField(error: unknown, { constraintField, tools }: GenerateRequest): unknown {
  const param = constraintField ?? (tools && "tools");
  if (!(error instanceof OrreryError) || error.group !== "model" || !param) return error;
  const { group, code, message, metadata } = error;
  return new OrreryError({ group, code, message, metadata: { ...metadata, param }, cause: error });
}
