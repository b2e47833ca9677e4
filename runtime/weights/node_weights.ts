/**
 * The weights of a node: fetched at once where its layers need them, and all others in the
 * background once the deployment serves, so that another placement finds them anywhere.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  type Clock,
  type Deployment,
  systemClock,
  toOrreryError,
} from "../../actors/mod.ts";
import type { ModelStore, StoredModel } from "../../models/mod.ts";
import { ensureModel } from "./ensure_model.ts";
import type { FetchProgress } from "./fetch_progress.ts";
import { memberWeights } from "./member_weights.ts";
import type { EnsureModelOptions } from "./model_request.ts";
import { lackingBytes, wholeModels } from "./whole_models.ts";

const log = getLogger(["orrery", "cluster"]);

/**
 * Milliseconds for which a deployment has served before nodes copy what they need not have: nodes
 * that start together make several deployments, one after the other.
 */
const SETTLED_MS = 5_000;
/** Milliseconds after which copying is tried again. */
const AGAIN_MS = 60_000;
/**
 * Nothing is copied unless this many times as many bytes are free as would be written: disks of
 * small devices serve others too.
 */
const FREE_FACTOR = 3;

/** Options of {@linkcode NodeWeights}. */
export interface NodeWeightsOptions {
  /** Reaches the other nodes. */
  system: ActorSystem;
  store: ModelStore;
  /** Whether a request runs at this node or through its stages. @default never */
  running?: () => boolean;
  /** Called while bytes arrive, and with undefined when a fetch is over. */
  onProgress?: (progress: FetchProgress | undefined) => void;
  /** @default the real clock */
  clock?: Clock;
}

/** See the module's text. */
export class NodeWeights {
  readonly #options: NodeWeightsOptions;
  readonly #clock: Clock;
  /** The deployment whose weights are copied; undefined: nothing is. */
  #followed?: Deployment;
  /** Ends copying, and resolves when it has ended. */
  #copying?: { abort: AbortController; ended: Promise<void> };
  /** Fetches that somebody waits for: nothing is copied meanwhile. */
  #needed = 0;

  constructor(options: NodeWeightsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Fetches what is needed of a model, see {@linkcode ensureModel}. Copying ends, and begins again
   * when this is over.
   */
  async ensure(options: EnsureModelOptions): Promise<StoredModel> {
    this.#needed++;
    try {
      await this.#halt();
      return await this.#ensure(options, false);
    } finally {
      this.#needed--;
      this.#options.onProgress?.(undefined);
      this.#resume();
    }
  }

  /** Copies all weights of this deployment from now on; undefined: of none. */
  follow(deployment: Deployment | undefined): void {
    if (deployment?.id !== this.#followed?.id) this.#copying?.abort.abort();
    this.#followed = deployment;
    this.#resume();
  }

  /** Ends copying. */
  async close(): Promise<void> {
    this.#followed = undefined;
    await this.#halt();
  }

  async #halt(): Promise<void> {
    this.#copying?.abort.abort();
    await this.#copying?.ended;
  }

  #resume(): void {
    if (!this.#followed || this.#needed > 0 || this.#copying) return;
    const abort = new AbortController();
    const ended = this.#copy(this.#followed, abort.signal).then((wait) => {
      this.#copying = undefined;
      if (wait) this.#resume();
    });
    this.#copying = { abort, ended };
  }

  /** Copies a deployment's models. Resolves with whether another deployment is to be copied. */
  async #copy(deployment: Deployment, signal: AbortSignal): Promise<boolean> {
    const { onProgress } = this.#options;
    for (let wait = SETTLED_MS;; wait = AGAIN_MS) {
      await this.#sleep(wait, signal);
      if (signal.aborted) return true;
      try {
        for (const model of wholeModels(deployment)) await this.#copyModel(model, signal);
        return false;
      } catch (error) {
        if (signal.aborted) return true;
        log.info("the weights of {model} are not all copied yet: {why}", {
          model: deployment.model,
          why: toOrreryError(error).message,
        });
      } finally {
        onProgress?.(undefined);
      }
    }
  }

  /** Copies a whole model, if there is room. */
  async #copyModel(
    model: Omit<EnsureModelOptions, "signal" | "layers" | "parts">,
    signal: AbortSignal,
  ): Promise<void> {
    const { store } = this.#options;
    // The manifest and the text files first: with them its size is known.
    const { manifest } = await this.#ensure({ ...model, layers: [], parts: [], signal }, true);
    const bytes = await lackingBytes(manifest, store);
    if (bytes === 0) return;
    const free = await store.freeBytes();
    if (free < FREE_FACTOR * bytes) {
      return log.info(
        "{model} is not copied to this node: {bytes} bytes lack, {free} are free, and {factor} " +
          "times as many must be",
        { model: model.model, bytes, free, factor: FREE_FACTOR },
      );
    }
    await this.#ensure({ ...model, layers: "all", parts: [], signal }, true);
  }

  #ensure(options: EnsureModelOptions, background: boolean): Promise<StoredModel> {
    const { system, store, running = () => false, onProgress } = this.#options;
    return ensureModel(options, {
      node: system.node,
      store,
      member: (node) => memberWeights(system, node),
      clock: this.#clock,
      random: Math.random,
      running,
      background,
      onProgress,
    });
  }

  /** Resolves after `ms`, or when the signal fires. */
  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        resolve();
      };
      const cancel = this.#clock.after(ms, end);
      signal.addEventListener("abort", end, { once: true });
    });
  }
}
