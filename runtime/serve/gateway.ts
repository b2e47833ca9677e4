/**
 * Gateway: from an API request to a Generation actor and back.
 *
 * @module
 */
import {
  type ActorSystem,
  arbiterActor,
  arbiterAddress,
  type Deployment,
  type Done,
  drafterAddress,
  type FrameTrace,
  freshAddress,
  generationActor,
  hasCode,
  type Inbox,
  type MakeCodec,
  type MakeOutlineText,
  MOST_CONTEXTS,
  nodeKey,
  OrreryError,
  parseAddress,
  type PipelineRoute,
  samplingSchema,
  stageAddresses,
  type Start,
  type WireError,
} from "../../actors/mod.ts";
import { type Admission } from "./admission.ts";
import {
  findModel,
  type GenerateRequest,
  type GenerationEvent,
  type Generator,
  type ModelCard,
  unavailable,
} from "../api/mod.ts";
import type { ServedModel } from "./served_model.ts";

/** Tokens of an answer where neither the request nor the model says. */
const DEFAULT_MAX_TOKENS = 512;

/** Milliseconds that the arbiter has to tell of its frames. */
const TRACES_MS = 5_000;

/**
 * An answer by outline may have so many times the tokens of a plain one. A point takes a third of a
 * plain answer's tokens.
 */
const OUTLINE_SHARE = 4;

/** Options of a {@linkcode Gateway}. */
export interface GatewayOptions {
  system: ActorSystem;
  admission: Admission;
}

/** Weight of the newest answer in the mean length. */
const NEWEST = 0.1;

/** What answers new requests. */
export interface Served {
  /** Its tokenizer, templates and defaults. */
  model: ServedModel;
  /** Its stages. */
  deployment: Deployment;
}

/** What the requests of a deployment have shown. */
interface Experience {
  /** See `Start.measured`. */
  measured: Record<string, number[]>;
  /** Tokens of an answer that was not an outline, in the mean. */
  answerTokens?: number;
}

/** How the cluster tells a node which deployment its requests use. */
export interface ServingControl {
  /** New requests use this deployment; undefined: none can be answered, and `reason` says why. */
  serve(served: Served | undefined, reason: string): void;
  /** Whether a request of this deployment (its id) is running. */
  runs(deployment: string): boolean;
  /** Fails the requests that have a stage at this node, which is gone. */
  nodeLost(node: string): void;
}

/**
 * See the module's text; the contracts are {@linkcode Generator} and {@linkcode ServingControl}.
 */
export class Gateway implements Generator, ServingControl {
  readonly #options: GatewayOptions;
  readonly #running = new Map<string, Served & { request: GenerateRequest }>();
  /** By deployment: another placement has other costs. */
  readonly #experience = new Map<string, Experience>();
  #served?: Served;
  #onIdle?: () => void;
  #reason = "the node has just started";
  #draining = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  serve(served: Served | undefined, reason: string): void {
    this.#served = served;
    this.#reason = reason;
    for (const id of this.#experience.keys()) {
      if (id !== served?.deployment.id) this.#experience.delete(id);
    }
  }

  /** No new requests from now on. */
  drain(): void {
    this.#draining = true;
  }

  /** Resolves when no generation is under way, or after the deadline. */
  async idle(deadlineMs: number): Promise<void> {
    if (this.#running.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    this.#onIdle = resolve;
    await promise;
    clearTimeout(timer);
  }

  runs(deployment: string): boolean {
    return [...this.#running.values()].some((served) => served.deployment.id === deployment);
  }

  /** Makes the system know generations and their arbiters, whose resources are here. */
  register(): void {
    const { system } = this.#options;
    system.register(generationActor, {
      config: generationActor.config.parse({}),
      resources: (to) => ({ codec: this.codecOf(to), outline: this.outlineOf(to) }),
    });
    system.register(arbiterActor, {
      config: arbiterActor.config.parse({}),
      resources: (to) => ({ pipeline: this.pipelineOf(to) }),
    });
  }

  /** The `codec` resource of the generation at this address. */
  codecOf(to: string): MakeCodec | undefined {
    return this.#running.get(to)?.model.makeCodec;
  }

  /** The `outline` resource of the generation at this address. */
  outlineOf(to: string): MakeOutlineText {
    const run = this.#running.get(to);
    return () => run?.model.outlineText(run.request.prompt, run.deployment.shape.policy);
  }

  /**
   * The `pipeline` resource of the arbiter at this address; undefined: its deployment has no
   * requests here.
   */
  pipelineOf(to: string): PipelineRoute | undefined {
    const { deployment: id } = parseAddress(to);
    const served = [this.#served, ...this.#running.values()].find((s) => s?.deployment.id === id);
    if (!served) return undefined;
    const { model, deployment } = served;
    // What is planned is held free; more may be asked for, and the stages' memory says no where it
    // ends.
    const most = model.card.context * Math.max(MOST_CONTEXTS, this.#options.admission.most);
    return {
      stages: stageAddresses(deployment),
      shape: deployment.shape,
      capacity_rows: Math.max(deployment.shape.kv_rows ?? 0, most),
    };
  }

  nodeLost(node: string): void {
    for (const [to, { deployment }] of this.#running) {
      if (!deployment.stages.some((s) => s.node === node)) continue;
      const error: WireError = {
        group: "cluster",
        code: "node_lost",
        message: `node ${node}, which ran a stage of this generation, is gone`,
        metadata: { node },
      };
      void this.#options.system.tell(to, { type: "failed", error }).catch(() => {}); // it has just ended by itself
    }
  }

  models(): ModelCard[] {
    return this.#served ? [this.#served.model.card] : [];
  }

  readiness(): { ready: boolean; reason: string } {
    if (this.#draining) return { ready: false, reason: "the node is shutting down" };
    return this.#served ? { ready: true, reason: "ok" } : { ready: false, reason: this.#reason };
  }

  async traces(): Promise<{ node: string; traces: FrameTrace[] }> {
    const { system } = this.#options;
    const served = this.#served;
    if (!served) return { node: system.node, traces: [] };
    const arbiter = system.get(arbiterActor, system.node, { deployment: served.deployment.id });
    const traces = await arbiter.traces({}, { deadlineMs: TRACES_MS }).catch((error) => {
      if (hasCode(error, "not_active")) return []; // no request has come yet
      throw error;
    });
    return { node: system.node, traces };
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    if (this.#draining) throw unavailable("draining", "the node is shutting down");
    using _place = await this.#options.admission.enter(signal);
    if (this.#draining) throw unavailable("draining", "the node is shutting down"); // it began while this one waited
    const served = this.#served;
    if (!served) throw unavailable("not_ready", this.#reason);
    const { model, deployment } = served;
    findModel([model.card], request.model);

    const prompt = model.encode(request.prompt);
    const start = { ...this.#start(request, model, prompt), ...modeOf(request, deployment) };
    const { system } = this.#options;
    const generation = system.at(generationActor, freshAddress(system.node, "generation"));
    const to = generation.address;
    const client = freshAddress(system.node, "client");
    const inbox = system.inbox(client);
    this.#running.set(to, { ...served, request });
    let over = false;
    try {
      await generation.tell.start({ ...start, ...this.#path(deployment), client }, { signal });
      yield { type: "started", id: nodeKey(to)!.id, promptTokens: prompt.length };
      for await (const event of events(inbox, signal, (done) => this.#learn(deployment.id, done))) {
        over = event.type === "done";
        yield event;
        if (over) return;
      }
    } catch (error) {
      over ||= error instanceof Failed;
      throw error instanceof Failed ? error.error : error;
    } finally {
      this.#running.delete(to);
      inbox.close();
      try {
        if (!over) await generation.tell.cancel({}, { deadlineMs: 10_000 }).catch(ignoreEnded);
      } finally {
        if (this.#running.size === 0) this.#onIdle?.();
      }
    }
  }

  /** Where the rows of a deployment go, and what is known of it. */
  #path(deployment: Deployment) {
    const { id, stages, draft, shape } = deployment;
    const { measured, answerTokens } = this.#experience.get(id) ?? {};
    return {
      arbiter: arbiterAddress(id, this.#options.system.node),
      stages: stages.length,
      nodes: new Set([...stages.map((s) => s.node), ...(draft ? [draft.node] : [])]).size,
      // The arbiter cuts prompts, not the generation; with a context of 2^20 rows the pieces are
      // thousands of numbers, which each request would carry.
      shape: { ...shape, pieces: [] },
      ...(draft && { drafter: drafterAddress(id) }),
      measured,
      answer_tokens: answerTokens,
    };
  }

  #learn(deployment: string, { orrery, completion_tokens, measured }: Done): void {
    if (deployment !== this.#served?.deployment.id) return;
    const before = this.#experience.get(deployment);
    const mean = before?.answerTokens ?? completion_tokens;
    this.#experience.set(deployment, {
      measured: { ...before?.measured, ...measured },
      answerTokens: orrery.mode.startsWith("outline")
        ? before?.answerTokens
        : mean + NEWEST * (completion_tokens - mean),
    });
  }

  #start(request: GenerateRequest, model: ServedModel, prompt: Int32Array<ArrayBuffer>) {
    const { context } = model.card;
    const room = context - prompt.length;
    if (prompt.length === 0) {
      throw new OrreryError({
        group: "api",
        code: "invalid_prompt",
        message: "the prompt has no tokens; say something",
      });
    }
    const wanted = request.maxTokens ??
      Math.min(model.defaults.maxTokens ?? DEFAULT_MAX_TOKENS, Math.max(1, room));
    if (wanted > room) {
      throw new OrreryError({
        group: "api",
        code: "context_exceeded",
        message:
          `the prompt has ${prompt.length} tokens and ${wanted} more are asked for; the model's context holds ${context}. ` +
          "Shorten the prompt or lower max_tokens",
        metadata: { prompt_tokens: prompt.length, max_tokens: wanted, context },
      });
    }
    for (const token of prompt) {
      if (token < 0 || token >= model.card.vocab) {
        throw new OrreryError({
          group: "api",
          code: "invalid_prompt",
          message: `token ${token} is outside the vocabulary of ${model.card.vocab}`,
          metadata: { token, vocab: model.card.vocab },
        });
      }
    }
    const given = Object.fromEntries(
      Object.entries(request.sampling).filter(([, v]) => v !== undefined),
    );
    const sampling = samplingSchema.parse({
      ...model.defaults.sampling,
      seed: crypto.getRandomValues(new Uint32Array(1))[0],
      ...given,
    });
    return {
      prompt,
      max_tokens: wanted,
      // Branches share evenly and say more in all than a plain answer: where nobody sets a limit,
      // it must not cut them.
      outline_tokens: request.maxTokens ?? Math.min(OUTLINE_SHARE * wanted, Math.max(1, room)),
      sampling,
      stop: request.stop,
      eos: request.ignoreEos ? [] : model.eos,
      context,
      draft_length: request.draftLength,
      draft_tree: request.draftTree,
      prediction: request.prediction === undefined
        ? undefined
        : predictionTokens(request.prediction, model).slice(0, context),
      points: request.points,
      max_branches: request.maxBranches,
      pieces: piecesOf(request, prompt.length),
      live_branches: request.liveBranches ?? false,
    };
  }
}

/** The generation said that it failed: it has cleaned up by itself. */
class Failed extends Error {
  constructor(readonly error: OrreryError) {
    super(error.message);
  }
}

/** What the Generation actor tells its client, as the API's events. */
async function* events(
  inbox: Inbox,
  signal: AbortSignal,
  onDone: (done: Done) => void,
): AsyncIterable<GenerationEvent> {
  for (;;) {
    const message = await inbox.next(signal);
    if (!message) return;
    // The sender is our own Generation actor in this process: the bodies are what it wrote.
    // deno-lint-ignore no-explicit-any
    const body = message.body as any;
    switch (message.type) {
      case "delta":
        yield {
          type: "delta",
          text: body.text,
          tokens: body.tokens,
          ...(body.branch !== undefined && { branch: body.branch }),
        };
        break;
      case "done":
        onDone(body);
        yield {
          type: "done",
          finishReason: body.finish,
          usage: { promptTokens: body.prompt_tokens, completionTokens: body.completion_tokens },
          timings: { ttftMs: body.ttft_ms, tpotMs: body.tpot_ms },
          report: body.orrery,
        };
        break;
      case "failed":
        throw new Failed(OrreryError.fromWire(body.error));
    }
  }
}

/** The request's mode; else the graph's, unless given points are a wish of their own. */
function modeOf(
  { mode, points }: GenerateRequest,
  { shape }: Deployment,
): Pick<Start, "mode" | "mode_by"> {
  const stated = points === undefined ? shape.policy?.mode : undefined;
  if (mode === undefined && stated !== undefined) return { mode: stated, mode_by: "graph" };
  return { mode: mode ?? "auto", mode_by: "request" };
}

/** Rows of the prompt's pieces as the request wishes; undefined: the plan decides. */
function piecesOf({ pieces, pieceRows }: GenerateRequest, rows: number): number[] | undefined {
  if (pieces !== undefined) {
    const n = Math.min(pieces, rows);
    return Array.from(
      { length: n },
      (_, i) => Math.floor(rows * (i + 1) / n) - Math.floor(rows * i / n),
    );
  }
  return pieceRows === undefined ? undefined : [pieceRows];
}

function ignoreEnded(error: unknown): void {
  // It ended between its last word and our cancel, or the system is closing: nothing is left to
  // cancel.
  if (!["not_active", "no_owner", "closed"].some((code) => hasCode(error, code))) throw error;
}

function predictionTokens(
  prediction: string | number[],
  model: ServedModel,
): Int32Array<ArrayBuffer> {
  if (typeof prediction === "string") return model.encodeText(prediction);
  const { vocab } = model.card;
  const token = prediction.find((t) => t >= vocab);
  if (token === undefined) return Int32Array.from(prediction);
  throw new OrreryError({
    group: "api",
    code: "invalid_prompt",
    message: `token ${token} of the prediction is outside the vocabulary of ${vocab}`,
    metadata: { token, vocab },
  });
}
