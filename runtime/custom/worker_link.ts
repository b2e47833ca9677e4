/**
 * The node's side of a custom actor's worker: starts the worker with the permissions of its graph
 * entry, checks that it stays alive, and carries calls to it.
 *
 * A worker that ends by itself, computes without a pause for longer than its limit, or takes more
 * memory than its limit is stopped. Every call under way then fails with a plain Error, which the
 * actor system treats as a crash.
 *
 * @module
 */
import { OrreryError, toOrreryError } from "../../actors/mod.ts";
import {
  type Call,
  type Description,
  type FromWorker,
  fromWorker,
  type ToWorker,
} from "./protocol.ts";

/** Milliseconds in which a module must load. */
const LOAD_MS = 60_000;
/** Milliseconds in which the functions of `ctx.onStop` must end. */
const STOP_MS = 2_000;
/** The next ping follows a pong after this share of the computing limit, 0 to 1. */
const PING_SHARE = 0.5;
/**
 * A ping that is unanswered for this many computing limits says nothing: this node itself was
 * suspended, and the answer may be in the queue.
 */
const SUSPENDED_SHARE = 1.5;
/** Longest text of a crash that is kept, in characters. */
const CRASH_TEXT = 2_000;

/** Permissions of a worker, as Deno takes them. */
export interface WorkerPermissions {
  /** Hosts, with or without a port. */
  net: string[];
  /** Absolute paths of files and folders. */
  read: string[];
  /** Names of environment variables. */
  env: string[];
}

/** What a worker is started with. */
export interface LinkOptions {
  /** What error messages call the actor: the graph file, the entry's place and its name. */
  label: string;
  /** `file:` URL of the module, as it lies at this host. */
  module: string;
  /** What people call the module: the path that the graph file led to. */
  shown: string;
  /**
   * What errors of the worker say, and what people are told instead: where the module's files lie
   * at this host, and where they came from. @default nothing is replaced
   */
  places?: { from: string; to: string };
  /** What the worker may reach. */
  permissions: WorkerPermissions;
  /** Longest time that the worker may compute without a pause, in milliseconds. */
  computeMs: number;
  /** Longest time of a call, in milliseconds. */
  answerMs: number;
  /** Largest memory of the worker's objects, in bytes. */
  memoryBytes: number;
}

/** Performs what a worker asks for. */
export interface Effects {
  /** Performs a `send`, `cancel`, `after`, `unafter`, `stop`, or a change of what is kept. */
  effect(message: Exclude<FromWorker, { op: "ready" | "broken" | "settled" | "pong" }>): void;
  /** The worker has ended while no call was under way whose error would have told so. */
  died(error: Error): void;
}

interface PendingCall extends PromiseWithResolvers<unknown> {
  /** Fires when the call has taken too long. */
  timer: ReturnType<typeof setTimeout>;
}

/** See the module's text. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #options: LinkOptions;
  readonly #calls = new Map<number, PendingCall>();
  readonly #loaded = Promise.withResolvers<Description>();
  #effects?: Effects;
  #nextCall = 1;
  /** Why the worker has ended; undefined: it is alive. */
  #dead?: Error;
  #mayIdle = true;
  /** Timer of the next ping, or of the answer to the last one. */
  #watch?: ReturnType<typeof setTimeout>;
  /** When the last ping was sent, in milliseconds of `performance.now`. */
  #asked = 0;

  private constructor(options: LinkOptions) {
    this.#options = options;
    const { net, read, env } = options.permissions;
    // Deno lets a worker load the modules that its own program imports without a permission to read
    // them. The lock must run first.
    const source = `import ${JSON.stringify(new URL("./lock.ts", import.meta.url).href)};
import { refuse, serve } from ${JSON.stringify(new URL("./worker.ts", import.meta.url).href)};
try { serve((await import(${
      JSON.stringify(options.module)
    })).default); } catch (error) { refuse(error); }`;
    const url = `data:text/javascript,${encodeURIComponent(source)}`;
    const denied = { write: false, run: false, ffi: false, sys: false, import: [] };
    const init = {
      type: "module",
      name: options.label,
      deno: { permissions: { net, read, env, ...denied } },
    };
    this.#worker = new Worker(url, init as WorkerOptions); // the types do not know `deno`, which is unstable
    this.#worker.onmessage = ({ data }) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(this.#told(event.message)));
    };
    this.#worker.onmessageerror = () =>
      this.#fail(new Error("it said something that cannot be read"));
    this.#loaded.promise.catch(() => {}); // `open` throws it
  }

  /**
   * Starts a worker and loads the module. Throws group `graph`, code `bad_module`; the message says
   * what is wrong with the module.
   */
  static async open(options: LinkOptions): Promise<WorkerLink> {
    const link = new WorkerLink(options);
    const timer = setTimeout(
      () => link.#fail(new Error(`it did not load within ${LOAD_MS} ms`)),
      LOAD_MS,
    );
    try {
      link.description = await link.#loaded.promise;
      link.#ping();
      return link;
    } catch (error) {
      link.#fail(error as Error);
      throw new OrreryError({
        group: "graph",
        code: "bad_module",
        message: `${options.label}: module ${options.shown} cannot be used: ${
          (error as Error).message.replace(/^Uncaught (\(in promise\) )?/, "").split("\n")[0]
        }`,
        metadata: { module: options.shown },
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the module's definition says. */
  description!: Description;

  /** Is the worker still running? */
  get alive(): boolean {
    return this.#dead === undefined;
  }

  /**
   * May the activation end for idleness, as the functions of `ctx.onIdle` said after the last call?
   */
  get mayIdle(): boolean {
    return this.#mayIdle;
  }

  /** Sets what performs the worker's effects; call it once, before `create`. */
  attach(effects: Effects): void {
    this.#effects = effects;
  }

  /**
   * Runs a call in the worker and resolves to its value. Throws the OrreryError that the module
   * threw, or a plain Error for a crash of any kind. An abort of the signal is passed to the
   * worker; the call still ends only when the worker settles it.
   */
  async call(
    call: Call,
    { signal, limitMs = this.#options.answerMs }: { signal?: AbortSignal; limitMs?: number } = {},
  ) {
    if (this.#dead) throw this.#dead;
    const id = this.#nextCall++;
    const what = call.op === "handle" ? `handler ${call.type}` : call.op;
    const pending: PendingCall = {
      ...Promise.withResolvers<unknown>(),
      timer: setTimeout(
        () => this.#fail(new Error(`${what} has not ended within ${limitMs} ms`)),
        limitMs,
      ),
    };
    this.#calls.set(id, pending);
    const abort = () =>
      this.#post({ op: "abort", call: id, reason: toOrreryError(signal!.reason).toWire() });
    signal?.addEventListener("abort", abort);
    try {
      this.#post({ ...call, call: id });
      return await pending.promise;
    } finally {
      clearTimeout(pending.timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Settles a `send` of the worker. */
  reply(id: number, answer: { value: unknown } | { error: OrreryError }): void {
    this.#post({
      op: "reply",
      id,
      ...("error" in answer ? { error: answer.error.toWire() } : answer),
    });
  }

  /** Rejects every call under way with `reason`. */
  giveUp(reason: unknown): void {
    for (const pending of this.#calls.values()) pending.reject(reason);
    this.#calls.clear();
  }

  /** Runs the functions of `ctx.onStop`, then ends the worker. */
  async close(now: number): Promise<void> {
    if (this.#dead) return;
    // Nobody waits for the other calls any more: only the call of the hooks is to be open.
    this.giveUp(new Error("the actor stops"));
    try {
      await this.call({ op: "stopping", now }, { limitMs: STOP_MS });
    } finally {
      this.kill();
    }
  }

  /** Ends the worker at once. */
  kill(): void {
    this.#effects = undefined;
    this.#fail(new Error("the actor was stopped"));
  }

  /** An error's text, with the places of files that people know. */
  #told(text: string): string {
    const { places } = this.#options;
    return places ? text.replaceAll(places.from, places.to) : text;
  }

  #post(message: ToWorker): void {
    if (!this.#dead) this.#worker.postMessage(message);
  }

  /** Takes a message of the worker, which is not trusted. */
  #hear(data: unknown): void {
    if (this.#dead) return;
    const parsed = fromWorker.safeParse(data);
    if (!parsed.success) return this.#fail(new Error("the worker said something out of turn"));
    const message = parsed.data;
    switch (message.op) {
      case "ready":
        return this.#loaded.resolve(message.description);
      case "broken":
        return this.#fail(new Error(this.#told(message.message)));
      case "pong":
        return this.#lives(message.bytes);
      case "settled": {
        const pending = this.#calls.get(message.call);
        this.#calls.delete(message.call);
        this.#mayIdle = message.mayIdle;
        const { failure } = message;
        if (!failure) return pending?.resolve(message.value);
        const { crash, ...init } = failure;
        return pending?.reject(
          crash ? new Error(this.#told(init.message).slice(0, CRASH_TEXT)) : new OrreryError(init),
        );
      }
      default:
        this.#effects?.effect(message);
    }
  }

  /** Sends a ping, and ends the worker where no pong comes within the computing limit. */
  #ping(): void {
    const { computeMs } = this.#options;
    this.#asked = performance.now();
    this.#post({ op: "ping" });
    this.#watch = setTimeout(() => {
      if (performance.now() - this.#asked > SUSPENDED_SHARE * computeMs) return this.#ping();
      this.#fail(
        new Error(`it computed for more than ${computeMs} ms without a pause, or ended by itself`),
      );
    }, computeMs);
  }

  /** A pong came: checks the memory and plans the next ping. */
  #lives(bytes: number): void {
    clearTimeout(this.#watch);
    const { computeMs, memoryBytes } = this.#options;
    if (bytes > memoryBytes) {
      return this.#fail(
        new Error(`it took ${mib(bytes)} MiB of memory, ${mib(memoryBytes)} MiB are granted`),
      );
    }
    this.#watch = setTimeout(() => this.#ping(), PING_SHARE * computeMs);
  }

  /** Ends the worker, and rejects everything that waits for it. */
  #fail(error: Error): void {
    if (this.#dead) return;
    this.#dead = error;
    clearTimeout(this.#watch);
    this.#worker.terminate();
    this.#loaded.reject(error);
    const told = this.#calls.size > 0;
    this.giveUp(error);
    if (!told) this.#effects?.died(error);
  }
}

const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20);
