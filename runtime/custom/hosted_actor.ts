/**
 * One custom actor at its host: owned under a claim in the registry, and known to the node's actor
 * system for as long.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ActorSystem,
  type AddressClaim,
  type Claims,
  customAddress,
  DurableStates,
  type DurableStore,
  type Fence,
  GRAPH,
  hasCode,
  type Owner,
  type Registry,
  systemClock,
  toOrreryError,
} from "../../actors/mod.ts";
import type { SparedActor } from "./load_actor.ts";
import { registration } from "./registration.ts";
import type { WorkerSlots } from "./worker_slots.ts";

const log = getLogger(["orrery", "custom"]);

/** Milliseconds between two tries to own an actor that another node owns. */
const RETRY_MS = 200;

/** What a node knows of where custom actors live. */
export interface KnownHomes {
  /** A node owns the actors of this name. */
  owned(name: string, owner: Owner): void;
  /** The owner with this epoch, or an earlier one, hosts them no more. */
  vacant(name: string, epoch: number): void;
}

/** What all hosted actors of a node share. */
export interface HostParts {
  system: ActorSystem;
  fence: Pick<Fence, "hold" | "letGo">;
  homes: KnownHomes;
  /** The registry, as this node reaches it now. */
  registry: () => Registry;
  /** The claims of this node's lease of now. */
  claims: () => Pick<Claims, "claim">;
  slots: WorkerSlots;
}

/** See the module's text. */
export class HostedActor {
  readonly #parts: HostParts;
  readonly #stop = new AbortController();
  /** Resolves when it is owned for the first time. */
  readonly #first = Promise.withResolvers<void>();
  readonly #over: Promise<void>;
  #actor: SparedActor;
  #claim?: AddressClaim;

  /** Begins at once to claim the actor. `least`: smallest epoch that its ownership may have. */
  constructor(parts: HostParts, actor: SparedActor, least: number) {
    this.#parts = parts;
    this.#actor = actor;
    this.#first.promise.catch(() => {});
    this.#over = this.#run(least);
  }

  /** The actor that was loaded last. */
  get actor(): SparedActor {
    return this.#actor;
  }

  /** Resolves with the epoch under which it is owned. Rejects with the signal's reason. */
  async owned(signal: AbortSignal): Promise<number> {
    const late = Promise.withResolvers<never>();
    late.promise.catch(() => {});
    const abort = () => late.reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      signal.throwIfAborted();
      await Promise.race([this.#first.promise, late.promise]);
      return this.#claim!.epoch;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Another version of the module takes over: what is being handled ends on the old one. */
  swap(actor: SparedActor): void {
    const before = this.#actor;
    this.#actor = actor;
    void before.spare.close();
    const { definition, durable } = this.#registration();
    // An answer whose text passes the old version passes it to its end.
    const keeps = () => before.filters;
    this.#parts.system.replace(definition, { config: undefined, durable, keeps });
  }

  /**
   * Gives the actor up: what is being handled ends first, at the latest when the signal aborts.
   * Resolves when another node may have it.
   */
  async leave(signal: AbortSignal): Promise<void> {
    const { system, fence, homes } = this.#parts;
    const { name } = this.#actor;
    const claim = this.#claim;
    if (claim) homes.vacant(name, claim.epoch); // whoever sends from here waits for the next host
    fence.letGo(customAddress(name));
    await system.finish(name, { signal }).catch(() => {});
    this.#stop.abort();
    system.unregister(name);
    await claim?.release();
    await this.#over;
    await this.#actor.spare.close();
  }

  /** Owns the actor, and owns it again where the node's lease has lapsed meanwhile. */
  async #run(least: number): Promise<void> {
    const { signal } = this.#stop;
    const { fence, homes, system } = this.#parts;
    const { name } = this.#actor;
    const address = customAddress(name);
    // Before anybody knows that this node owns it. Until it does, its fence lets nothing begin.
    this.#register();
    while (!signal.aborted) {
      try {
        const claim = await this.#parts.claims().claim(address, { signal, least });
        this.#claim = claim;
        fence.hold(address, claim);
        homes.owned(name, { node: system.node, epoch: claim.epoch });
        this.#first.resolve();
        await over(claim.signal);
      } catch (error) {
        if (signal.aborted) return;
        // Its owner may be gone, and its lease about to lapse.
        const usual = ["already_owned", "lease_lost", "unavailable", "outcome_unknown"];
        if (!usual.some((code) => hasCode(error, code))) {
          const { message } = toOrreryError(error);
          log.warn("this node cannot own actor {name} yet: {message}", { name, message });
        }
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  #register(): void {
    const { definition, durable } = this.#registration();
    this.#parts.system.register(definition, { config: undefined, durable });
  }

  #registration(): ReturnType<typeof registration> {
    return registration(this.#actor, { slots: this.#parts.slots, store: this.#store() });
  }

  /** Keeps states and alarms, as the owner of now. */
  #store(): DurableStore {
    const { registry } = this.#parts;
    const statesOf = () =>
      new DurableStates({
        ...{ registry: registry(), clock: systemClock, random: Math.random },
        alarmsBelow: `${GRAPH}/${this.#actor.name}/`,
        ownerOf: () => this.#claim!, // an actor is activated under a claim alone
      });
    return {
      open: (to, options) => statesOf().open(to, options),
      alarms: (options) => statesOf().alarms(options),
    };
  }
}

/** Resolves when the signal aborts. */
function over(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
