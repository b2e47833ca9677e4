/**
 * Adds models to the store, one at a time, in a thread of its own: a conversion computes for minutes,
 * and the node's own thread must go on answering.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, OrreryError } from "../../actors/mod.ts";
import type { ModelStore } from "../../models/mod.ts";
import { apiError, type PullService, type PullStep } from "../api/mod.ts";
import { type PullTarget, pullTarget } from "./pull_name.ts";
import type { FromPullWorker, ToPullWorker } from "./worker.ts";

/** Milliseconds in which the thread must end once it was told to stop. */
const STOP_MS = 10_000;

/** Steps that wait to be taken; of more, the oldest are left out. */
const MOST_STEPS = 64;

/** Options of a {@linkcode ModelPuller}. */
export interface ModelPullerOptions {
  /** Where models are added. */
  store: Pick<ModelStore, "dir" | "get">;
  /** Base URL of the hub. @default "https://huggingface.co" */
  endpoint?: string;
  /** The hub's token for private and gated repositories. @default none */
  token?: string;
}

/** See the module's text; the contract is {@linkcode PullService}. */
export class ModelPuller implements PullService {
  readonly #options: ModelPullerOptions;
  /** The model that is being added. */
  #running?: string;

  constructor(options: ModelPullerOptions) {
    this.#options = options;
  }

  async *pull(name: string, signal: AbortSignal): AsyncGenerator<PullStep, void> {
    const { store } = this.#options;
    if (await isStored(store, name)) {
      yield { status: "pulling manifest" };
      yield { status: "success" };
      return;
    }
    const target = pullTarget(name);
    await this.#refuseWithoutRights();
    signal.throwIfAborted();
    if (this.#running !== undefined) {
      const message =
        `this node is adding ${this.#running} to its store, and adds one model at a time: ask again when that is done`;
      throw apiError("pull_running", message, "model");
    }
    this.#running = name;
    try {
      yield { status: "pulling manifest" };
      const added = yield* this.#add(target, signal);
      yield { status: "writing manifest" };
      yield { status: `stored as ${added}; serve it: deno task start --model ${added}` };
      yield { status: "success" };
    } finally {
      this.#running = undefined;
    }
  }

  /** Adds a model in a thread; returns its name in the store. */
  async *#add(target: PullTarget, signal: AbortSignal): AsyncGenerator<PullStep, string> {
    const { store, endpoint, token } = this.#options;
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      ...{ type: "module", name: "pull", deno: { permissions: permissionsFor(store.dir) } },
    } as WorkerOptions); // the types do not know `deno`, which is unstable
    const steps: PullStep[] = [];
    const ended = Promise.withResolvers<string>();
    ended.promise.catch(() => {}); // it is looked at below, or not any more
    let [over, wake] = [false, () => {}];
    const end = (how: () => void) => {
      over = true;
      how();
      wake();
    };
    worker.onmessage = ({ data }: MessageEvent<FromPullWorker>) => {
      if ("added" in data) end(() => ended.resolve(data.added));
      else if ("error" in data) end(() => ended.reject(OrreryError.fromWire(data.error)));
      else {
        // A client that reads slowly is told the newest state, not all that it has missed.
        if (steps.at(-1)?.status === data.step.status) steps.pop();
        if (steps.push(data.step) > MOST_STEPS) steps.shift();
        wake();
      }
    };
    worker.onerror = (event) => {
      event.preventDefault();
      end(() => ended.reject(new Error(`the thread that adds models failed: ${event.message}`)));
    };
    const tell = (message: ToPullWorker) => worker.postMessage(message);
    const onAbort = () => wake();
    signal.addEventListener("abort", onAbort);
    try {
      tell({ op: "add", dir: store.dir, target, endpoint, token });
      for (;;) {
        signal.throwIfAborted();
        const step = steps.shift();
        if (step) yield step;
        else if (over) return await ended.promise;
        else await new Promise<void>((resolve) => wake = resolve);
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (!over) {
        // What is under way gives its locks back and keeps what has arrived.
        tell({ op: "stop" });
        const late = new AbortController();
        const wait = sleep(STOP_MS, undefined, { signal: late.signal }).catch(() => {});
        await Promise.race([ended.promise.catch(() => {}), wait]);
        late.abort();
      }
      worker.terminate();
    }
  }

  /** Throws where the node's process may not write to the store. */
  async #refuseWithoutRights(): Promise<void> {
    const { dir } = this.#options.store;
    const { state } = await Deno.permissions.query({ name: "write", path: dir });
    const reason = state === "granted" ? await unwritable(dir) : "its process has no permission";
    if (reason === undefined) return;
    const message =
      `this node may not write to its model store ${dir} (${reason}): run \`deno task models add\` where it may`;
    throw apiError("pull_forbidden", message, "model");
  }
}

/** What the thread needs: the hub, packages, and to write to the store. */
const permissionsFor = (dir: string) => ({
  ...{ net: "inherit", read: "inherit", import: "inherit", sys: "inherit" },
  write: [dir],
});

/** Why a folder cannot be written to; undefined: it can. */
async function unwritable(dir: string): Promise<string | undefined> {
  try {
    await Deno.remove(await Deno.makeTempFile({ dir, prefix: ".pull-" }));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Whether the store has a model of this name. */
async function isStored(store: Pick<ModelStore, "get">, name: string): Promise<boolean> {
  try {
    await store.get(name);
    return true;
  } catch (error) {
    if (hasCode(error, "model_not_found") || hasCode(error, "model_name")) return false;
    throw error;
  }
}
