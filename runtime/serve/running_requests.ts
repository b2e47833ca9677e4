/**
 * The requests that run at a node, by the address of their generation.
 *
 * @module
 */
import type { Deployment, GrammarWalk, RequestPolicy, Route } from "../../actors/mod.ts";
import type { GenerateRequest } from "../api/mod.ts";
import type { ArbiterPlace } from "./arbiters.ts";
import type { ServedModel } from "./served_model.ts";

/** What answers new requests. */
export interface Served {
  /** Its tokenizer, templates and defaults. */
  model: ServedModel;
  /** Its stages. */
  deployment: Deployment;
}

/** A request that runs. */
export interface RunningRequest extends Served {
  /** Undefined for embeddings. */
  request?: GenerateRequest;
  /** The stop string that ended its answer; undefined: none has. */
  stopText?: string;
  /** The walk of its grammar; undefined: its answer may be any text. */
  grammar?: GrammarWalk;
  /** How its deployment answered requests when it began; undefined: as usual. */
  policy?: RequestPolicy;
  /** What the model said of its question; undefined: it was not asked. */
  said?: Route;
  /** Its place at an arbiter; undefined for embeddings. */
  place?: ArbiterPlace;
}

/** See the module's text. */
export class RunningRequests {
  readonly #running = new Map<string, RunningRequest>();
  /** Called at each change. */
  readonly #onChange = new Set<() => void>();

  /** Number of requests that run now. */
  get size(): number {
    return this.#running.size;
  }

  /** The requests, by the address of their generation. */
  entries(): [to: string, request: RunningRequest][] {
    return [...this.#running];
  }

  /** The requests. */
  values(): RunningRequest[] {
    return [...this.#running.values()];
  }

  /** The request of the generation at this address; undefined: none runs. */
  get(to: string): RunningRequest | undefined {
    return this.#running.get(to);
  }

  /** Number of requests of a deployment (its id). */
  of(id: string): number {
    return this.values().filter(({ deployment }) => deployment.id === id).length;
  }

  /** A request begins. */
  add(to: string, request: RunningRequest): void {
    this.#running.set(to, request);
  }

  /** A request is over; whoever waits for that is told by {@linkcode RunningRequests.changed}. */
  delete(to: string): void {
    this.#running.get(to)?.grammar?.close();
    this.#running.get(to)?.place?.[Symbol.dispose]();
    this.#running.delete(to);
  }

  /** Has those look that wait: a request has ended or moved, or something else serves. */
  changed(): void {
    for (const look of [...this.#onChange]) look();
  }

  /**
   * Resolves when `over` holds, which is looked at after each change. Rejects with the signal's
   * reason.
   */
  async until(over: () => boolean, signal: AbortSignal): Promise<void> {
    while (!over()) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = () => resolve();
      this.#onChange.add(look);
      signal.addEventListener("abort", look);
      await promise;
      this.#onChange.delete(look);
      signal.removeEventListener("abort", look);
    }
  }
}

/** The same weights: an answer that began on one goes on at the other. */
export const sameModel = (a: Served, b: Served): boolean =>
  a.model.card.name === b.model.card.name &&
  a.deployment.manifest_sha256 === b.deployment.manifest_sha256;
