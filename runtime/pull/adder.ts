/**
 * Adds models to the store, one at a time, in a thread of its own: a conversion computes for minutes,
 * and the node's own thread must go on answering.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OrreryError } from "../../actors/mod.ts";
import { type AddingModel, apiError, type PullStep, readForm } from "../api/mod.ts";
import type { AddJob, FromAddWorker, ToAddWorker } from "./worker.ts";

/** Milliseconds in which the thread must end once it was told to stop. */
const STOP_MS = 10_000;

/** Steps that wait to be taken; of more, the oldest are left out. */
const MOST_STEPS = 64;

/** The right to add a model, until it is disposed of. */
export interface AdderClaim extends Disposable {
  /** Says how far it is, for those who ask the node. */
  tell(step: PullStep): void;
}

/** See the module's text. */
export class Adder {
  /** Folder of the store. */
  readonly dir: string;
  #running?: AddingModel;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** What is being added; undefined: nothing. */
  get running(): AddingModel | undefined {
    return this.#running;
  }

  /**
   * Claims the right to add a model. Throws group `api`: `pull_forbidden` where the node's process
   * may not write to the store, `pull_running` while another model is being added.
   */
  async claim(model: string): Promise<AdderClaim> {
    await this.#refuseWithoutRights();
    if (this.#running !== undefined) {
      const message =
        `this node is adding ${this.#running.model} to its store, and adds one model at a time: ask again when that is done`;
      throw apiError("pull_running", message, "model");
    }
    const mine: AddingModel = this.#running = { model, status: "beginning" };
    return {
      tell: ({ status, total, completed }) => Object.assign(mine, { status, total, completed }),
      [Symbol.dispose]: () => {
        if (this.#running === mine) this.#running = undefined;
      },
    };
  }

  /**
   * Adds a model in a thread; returns its name in the store. Aborting the signal, or ending the
   * iteration, stops the thread.
   */
  async *run(job: AddJob, signal: AbortSignal): AsyncGenerator<PullStep, string> {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      ...{
        type: "module",
        name: "add model",
        deno: { permissions: permissionsFor(this.dir, job) },
      },
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
    worker.onmessage = ({ data }: MessageEvent<FromAddWorker>) => {
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
    const tell = (message: ToAddWorker) => worker.postMessage(message);
    const onAbort = () => wake();
    signal.addEventListener("abort", onAbort);
    try {
      tell({ op: "add", dir: this.dir, job });
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
        // What is under way gives its locks back first.
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
    const { state } = await Deno.permissions.query({ name: "write", path: this.dir });
    const reason = state === "granted"
      ? await unwritable(this.dir)
      : "its process has no permission";
    if (reason === undefined) return;
    const message =
      `this node may not write to its model store ${this.dir} (${reason}): run \`deno task models add\` where it may`;
    throw apiError("pull_forbidden", message, "model");
  }
}

/** What the thread needs: the hub, packages, to write to the store, and the engine to calibrate. */
const permissionsFor = (dir: string, job: AddJob) => ({
  ...{ net: "inherit", read: "inherit", import: "inherit", sys: "inherit" },
  ...(readForm((job.from === "hub" ? job.target : job).precision).calibrated &&
    { ffi: "inherit", env: "inherit" }),
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
