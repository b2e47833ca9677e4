/**
 * Runs requests as generation actors, with the arbiters of this node.
 *
 * @module
 */
import {
  type ActorSystem,
  arbiterAddress,
  type Clock,
  type Deployment,
  type Done,
  freshAddress,
  generationActor,
  hasCode,
  nodeKey,
  OrreryError,
  type PipelinePath,
  servingNodes,
} from "../../actors/mod.ts";
import type { Embeddings, EmbedOptions, GenerateRequest, GenerationEvent } from "../api/mod.ts";
import type { Arbiters } from "./arbiters.ts";
import { clientEvents, GenerationFailed } from "./client_events.ts";
import { embedPrompts } from "./embed.ts";
import type { GoneNodes } from "./gone_nodes.ts";
import type { Experience } from "./experience.ts";
import { embeddedPrompt, requestedStart } from "./generation_start.ts";
import type { KvRooms } from "./kv_rooms.ts";
import type { ModelGrammars } from "./model_grammars.ts";
import { askModelRouter } from "./model_router.ts";
import { requestPath } from "./routes.ts";
import type { RunningRequest, RunningRequests, Served } from "./running_requests.ts";

/** Milliseconds between two looks for stages, while a request waits for some. */
const LOOK_MS = 250;

/** Milliseconds in which a generation must take `cancel`. */
const CANCEL_MS = 10_000;

/** Inputs of one request that run at the same time. */
const EMBEDDED_AT_ONCE = 8;

/** Options of a {@linkcode RequestsRunner}. */
export interface RequestsRunnerOptions {
  system: ActorSystem;
  arbiters: Arbiters;
  grammars: ModelGrammars;
  /** Where the requests are noted while they run. */
  running: RunningRequests;
  /**
   * Called when a request of this deployment is over or has left it, before those who wait for that.
   */
  onOver: (deployment: Deployment) => void;
  /** What the nodes of deployments have memory for. */
  rooms: Pick<KvRooms, "get">;
  /** Nodes at which no stages are looked for. */
  gone: GoneNodes;
  /** Calls after a time. */
  clock: Clock;
  /** What serves the requests now that began on `served`; undefined: nothing does. */
  serving: (served: Served) => Served | undefined;
}

/** See the module's text. */
export class RequestsRunner {
  readonly #options: RequestsRunnerOptions;
  constructor(options: RequestsRunnerOptions) {
    this.#options = options;
  }

  /** Runs one request on `served`; `onDone` gets what the generation tells last. */
  async *answer(
    served: Served & { experience: Experience },
    asked: GenerateRequest,
    signal: AbortSignal,
    onDone: (done: Done) => void = () => {},
  ): AsyncIterable<GenerationEvent> {
    const { system, running } = this.#options;
    const { request, answer, start, refusals, place, said } = await this.#prepare(
      served,
      asked,
      signal,
    );
    const generation = system.at(generationActor, freshAddress(system.node, "generation"));
    const to = generation.address;
    const client = freshAddress(system.node, "client");
    const inbox = system.inbox(client);
    const { policy } = served.deployment.shape;
    const run: RunningRequest & { request: GenerateRequest } = {
      ...served,
      request,
      place,
      policy,
      said,
    };
    running.add(to, run);
    let over = true; // nothing runs yet
    try {
      await this.#openGrammar(run, refusals, signal);
      over = false;
      const { trace } = request;
      await system.tell(to, { type: "start", ...start, client }, { signal, trace });
      yield { type: "started", id: nodeKey(to)!.id, promptTokens: start.prompt.length };
      const told = clientEvents(inbox, signal, onDone);
      for await (const event of answer?.events(told) ?? told) {
        over = event.type === "done";
        if (event.type !== "done") {
          yield event;
          continue;
        }
        const stopped = event.finishReason === "stop" && run.stopText !== undefined;
        yield {
          ...event,
          report: { ...event.report, generation: to },
          ...(stopped && { stopText: run.stopText }),
        };
        return;
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
        this.#over(to, run.deployment);
      }
    }
  }

  /** What a generation is started with, and its place at an arbiter, which the caller gives back. */
  async #prepare(
    served: Served & { experience: Experience },
    asked: GenerateRequest,
    signal: AbortSignal,
  ) {
    const { system, arbiters, running, rooms } = this.#options;
    const { model, deployment, experience } = served;
    const { prompt } = asked;
    await model.prepare(prompt, signal);
    const answer = prompt.kind === "chat" ? model.answer(asked, prompt) : undefined;
    const request = answer ? { ...asked, constraint: answer.constraint } : asked;
    // The stage with the whole model may have more room; the arbiter of either counts its own rows.
    const room = deployment.solo ? undefined : rooms.get(deployment);
    const refusals = model.refusals(request);
    const refuses = refusals !== undefined;
    const requested = await requestedStart(request, { ...served, room, refuses }, signal);
    const said = await askModelRouter(request, {
      served,
      answer: (routing) => this.answer(served, routing, signal),
    });
    const place = await arbiters.take(deployment, requested.prompt);
    const start = {
      ...requested,
      ...experience.known,
      ...requestPath(deployment, { node: system.node, key: place.key }),
      others: running.of(deployment.id),
    };
    return { request, answer, start, refusals, place, said };
  }

  /** Gives a request the grammar that its answer is held to, if there is one: its own, or refusals. */
  async #openGrammar(
    run: RunningRequest & { request: GenerateRequest },
    refusals: ReturnType<Served["model"]["refusals"]>,
    signal: AbortSignal,
  ): Promise<void> {
    const { grammars } = this.#options;
    const { model, request } = run;
    if (refusals) run.grammar = grammars.texts(model, refusals);
    else if (request.constraint) {
      try {
        run.grammar = await grammars.open(model, request.constraint, signal);
      } catch (error) {
        throw inField(error, request);
      }
    }
  }

  /** Requests look for other stages than those of a node that is gone. */
  nodeLost(node: string): void {
    this.#options.gone.add(node);
  }

  /**
   * Moves the request of a generation to what serves its model now, and says how it goes through it.
   * Waits until something does. Rejects with the signal's reason.
   */
  async find(to: string, signal: AbortSignal): Promise<PipelinePath> {
    const { system, arbiters, running, onOver, clock } = this.#options;
    const run = running.get(to);
    if (!run) throw new DOMException("the request is over", "AbortError");
    let found: Deployment | undefined;
    const wait = running.until(() => (found = this.#servingFor(run)) !== undefined, signal);
    // Nobody tells when a node is heard again.
    let cancel = () => {};
    const look = () => {
      running.changed();
      cancel = clock.after(LOOK_MS, look);
    };
    cancel = clock.after(LOOK_MS, look);
    await wait.finally(() => cancel());
    const deployment = found!;
    const place = await arbiters.take(deployment, new Int32Array(0));
    if (signal.aborted || running.get(to) !== run) {
      place[Symbol.dispose]();
      throw signal.reason ?? new DOMException("the request is over", "AbortError");
    }
    run.place?.[Symbol.dispose]();
    const before = run.deployment;
    Object.assign(run, { place, deployment });
    if (before.id !== deployment.id) onOver(before);
    running.changed();
    return requestPath(deployment, { node: system.node, key: place.key });
  }

  /** What serves a request now, with no stage at a node that is gone. */
  #servingFor(run: RunningRequest): Deployment | undefined {
    const { serving, gone } = this.#options;
    const deployment = serving(run)?.deployment;
    const whole = deployment && servingNodes(deployment).every((node) => !gone.has(node));
    return whole ? deployment : undefined;
  }

  /** Runs inputs for their vectors. */
  async embed(
    served: Served,
    inputs: readonly (string | readonly number[])[],
    { pooling = "mean" }: EmbedOptions,
    signal: AbortSignal,
  ): Promise<Embeddings> {
    const { system, arbiters, running } = this.#options;
    const { model, deployment } = served;
    const prompts: Int32Array<ArrayBuffer>[] = [];
    for (const input of inputs) {
      if (prompts.length > 0) await new Promise((resolve) => setTimeout(resolve)); // others too
      prompts.push(await embeddedPrompt(input, model, signal));
    }
    using place = await arbiters.take(deployment, prompts[0] ?? new Int32Array(0));
    const selves = prompts.slice(0, EMBEDDED_AT_ONCE)
      .map(() => freshAddress(system.node, "generation"));
    for (const self of selves) running.add(self, served);
    try {
      const arbiter = arbiterAddress(deployment.id, place.key);
      const vectors = await embedPrompts(system, prompts, { arbiter, selves, pooling, signal });
      return { vectors, tokens: prompts.map(({ length }) => length) };
    } finally {
      for (const self of selves) this.#over(self, deployment);
    }
  }

  #over(to: string, deployment: Deployment): void {
    const { running, onOver } = this.#options;
    running.delete(to);
    onOver(deployment);
    running.changed();
  }
}

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
