/**
 * What a node serves under one name: the copies of a deployment, or the model of one that sleeps. A
 * request for one that sleeps has it woken, and waits.
 *
 * @module
 */
import {
  type Clock,
  DEFAULT_DEPLOYMENT,
  type Flow,
  flowSchema,
  OrreryError,
} from "../../actors/mod.ts";
import { type ModelCard, unavailable } from "../api/mod.ts";
import { quickest } from "./copy_choice.ts";
import type { Served } from "./running_requests.ts";
import { ServedDeployment, type ServedDeploymentOptions } from "./served_deployment.ts";
import type { ServedModel } from "./served_model.ts";

/** The flow of a graph without custom actors: requests go to the model directly. */
const NO_FLOW = flowSchema.parse({});

/** Milliseconds that a request waits for a deployment that sleeps or is being loaded. */
const COLD_MS = 120_000;
/**
 * Milliseconds that a request waits while the default deployment, which has served, does not: layers
 * are placed anew.
 */
const HELD_MS = 30_000;
/** Milliseconds after which the coordinator is told again that a request waits. */
const WAKE_AGAIN_MS = 1_000;
/** Requests that wait for a deployment to wake; more are refused as `busy`. */
const MOST_WAITING = 128;

/** Options of a {@linkcode ServedName}. */
export interface ServedNameOptions extends ServedDeploymentOptions {
  clock: Clock;
  /** Requests of a deployment (its id) that run at this node. */
  requestsOf: (id: string) => number;
  /** Tells the coordinator that a request waits. */
  onWake: (name: string) => void;
}

/** See the module's text. */
export class ServedName {
  readonly name: string;
  /** Requests that wait for their turn. */
  queued = 0;
  readonly #options: ServedNameOptions;
  readonly #copies = new Map<number, ServedDeployment>();
  /** The model of what served last or sleeps. */
  #model?: ServedModel;
  /** The custom actors on the way of its requests; undefined: not known yet. */
  #flow?: Flow;
  /** Whether it sleeps, or was woken and does not serve yet. */
  #cold = false;
  /** Why it cannot be loaded; undefined: it may be. */
  #failed?: string;
  /** Whether the node ends: nothing is waited for. */
  #closed = false;
  /** Called when what it serves has changed. */
  readonly #changes = new Set<() => void>();
  /** Requests that wait for it to wake. */
  #waiting = 0;
  /** When its last request ended, milliseconds; undefined: there was none. */
  #endedAt?: number;

  constructor(name: string, options: ServedNameOptions) {
    this.name = name;
    this.#options = options;
    this.copy(0);
  }

  /** A copy, by its number. */
  copy(number: number): ServedDeployment {
    let copy = this.#copies.get(number);
    if (!copy) this.#copies.set(number, copy = new ServedDeployment(this.#options));
    return copy;
  }

  /** Its copies, in the order in which they came. */
  get copies(): ServedDeployment[] {
    return [...this.#copies.values()];
  }

  /** The models that it uses. */
  get models(): ServedModel[] {
    const serving = this.copies.flatMap(({ serving }) => serving?.model ?? []);
    return this.#model ? [this.#model, ...serving] : serving;
  }

  /** Requests use this deployment; undefined: no such copy serves, and `reason` says why. */
  serve(
    copy: number,
    served: Served | undefined,
    { reason, failed = false }: { reason: string; failed?: boolean },
  ): void {
    this.copy(copy).serve(served, reason);
    if (served) {
      this.#model = served.model;
      this.#flow = served.deployment.flow ?? NO_FLOW;
    }
    if (served || failed) this.#cold = false;
    this.#failed = failed && !served ? reason : undefined;
    this.#changed();
  }

  /** All its layers are unloaded until a request comes. */
  sleep(model: ServedModel): void {
    if (this.serving) return;
    this.#model = model;
    this.#cold = true;
    this.#changed();
  }

  /** There is no such copy any more. Resolves to whether there is none at all. */
  drop(copy: number): boolean {
    this.#copies.get(copy)?.close();
    this.#copies.delete(copy);
    this.#changed();
    return this.#copies.size === 0;
  }

  /** The copy that would answer first, as far as is known here; undefined: none serves. */
  get quickest(): ServedDeployment | undefined {
    const copies = this.copies.flatMap((copy) =>
      copy.serving ? [{ copy, deployment: copy.serving.deployment }] : []
    );
    return quickest(copies, this.#options.requestsOf)?.copy;
  }

  /** Whether a copy serves. */
  get serving(): boolean {
    return this.copies.some(({ serving }) => serving);
  }

  /** Whether it loads with the next request, or is being loaded because of one. */
  get cold(): boolean {
    return this.#cold && !this.serving;
  }

  /** Whether it has served, and its requests wait since it does not now. */
  get holds(): boolean {
    return !this.serving && this.#model !== undefined && this.#waits;
  }

  /** Why none serves. */
  get reason(): string {
    return this.copies[0]?.reason ?? `deployment ${this.name} was deleted`;
  }

  /** The custom actors on the way of its requests, as it served last; undefined: it has not here. */
  get flow(): Flow | undefined {
    return this.#flow;
  }

  /** What clients are told of its model; undefined: it is not known here. */
  get card(): ModelCard | undefined {
    const card = this.#model?.card;
    return card && (this.name === DEFAULT_DEPLOYMENT ? card : { ...card, name: this.name });
  }

  /** Requests of it that run at this node. */
  get running(): number {
    const { requestsOf } = this.#options;
    return this.copies.reduce(
      (sum, { serving }) => sum + (serving ? requestsOf(serving.deployment.id) : 0),
      0,
    );
  }

  /** Requests that wait: for their turn, or for it to wake. */
  get waiting(): number {
    return this.queued + this.#waiting;
  }

  /** Milliseconds since its last request ended; undefined: there was none. */
  get idleMs(): number | undefined {
    return this.#endedAt === undefined ? undefined : this.#options.clock.now() - this.#endedAt;
  }

  /** A request of it is over. */
  ended(): void {
    this.#endedAt = this.#options.clock.now();
  }

  /**
   * Resolves to the milliseconds that a request has waited for it to be loaded; 0: it need not, or the
   * name is one whose requests do not wait. Throws `busy`, `not_ready` and the signal's reason.
   */
  async awake(signal: AbortSignal): Promise<number> {
    if (this.serving || !this.#waits) return 0;
    const { clock } = this.#options;
    const longest = this.name === DEFAULT_DEPLOYMENT && !this.#cold ? HELD_MS : COLD_MS;
    if (this.#waiting >= MOST_WAITING) throw this.#busy();
    const began = clock.now();
    this.#waiting++;
    try {
      while (!this.serving) {
        signal.throwIfAborted();
        if (this.#closed) break; // whoever waits says so
        if (!this.#waits) throw unavailable("not_ready", this.reason);
        if (clock.now() - began >= longest) throw this.#late(longest);
        if (this.cold) this.#options.onWake(this.name);
        await this.#change(WAKE_AGAIN_MS, signal);
      }
    } finally {
      this.#waiting--;
    }
    return clock.now() - began;
  }

  /** Ends what its copies probe, and lets go what waits. */
  close(): void {
    this.#closed = true;
    for (const copy of this.copies) copy.close();
    this.#changed();
  }

  /**
   * Requests wait for what was applied, however it is, unless it cannot be loaded; those of the default
   * deployment only where it sleeps, or has served and is about to again.
   */
  get #waits(): boolean {
    if (this.#closed || this.#failed !== undefined || this.#copies.size === 0) return false;
    return this.name !== DEFAULT_DEPLOYMENT || this.#cold || this.#model !== undefined;
  }

  #changed(): void {
    for (const look of [...this.#changes]) look();
  }

  /** Resolves when something has changed, after `ms`, or when the signal fires. */
  async #change(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => resolve();
    const cancel = this.#options.clock.after(ms, look);
    this.#changes.add(look);
    signal.addEventListener("abort", look, { once: true });
    await promise;
    cancel();
    this.#changes.delete(look);
    signal.removeEventListener("abort", look);
  }

  #late(ms: number): OrreryError {
    return unavailable(
      "not_ready",
      `deployment ${this.name} was not loaded within ${ms / 1000} s: ${this.reason}`,
    );
  }

  #busy(): OrreryError {
    return new OrreryError({
      group: "api",
      code: "busy",
      message:
        `${this.#waiting} requests wait for deployment ${this.name} to be loaded, which is ` +
        "the limit; try again in 5 s",
      metadata: { queued: this.#waiting, limit: MOST_WAITING, retry_after_s: 5 },
    });
  }
}
