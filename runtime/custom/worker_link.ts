/**
 * The node's end of a custom actor's worker: starts it with the permissions of its graph entry,
 * watches that it lives, carries calls.
 *
 * A worker that ends, computes without a pause for longer than its limit, or takes more memory than
 * it may is stopped, and every call under way fails with a plain Error: to the actor system a crash
 * like any other.
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

/** Milliseconds that a module may take to load. */
const LOAD_MS = 60_000;
/** Milliseconds that the hooks of `ctx.onStop` may take. */
const STOP_MS = 2_000;
/** Share of the time for computing after which the worker is asked again whether it lives. */
const PING_SHARE = 0.5;
/** Longest text of a crash that is kept. */
const CRASH_TEXT = 2_000;

/** Permissions of a worker, as Deno takes them. */
export interface WorkerPermissions {
  net: string[];
  /** Absolute paths. */
  read: string[];
  env: string[];
}

/** What a worker is started with. */
export interface LinkOptions {
  /** How messages call it: the graph file and the entry's name. */
  label: string;
  /** `file:` URL of the module. */
  module: string;
  permissions: WorkerPermissions;
  /** Milliseconds that it may compute without a pause. */
  computeMs: number;
  /** Milliseconds that a call may take. */
  answerMs: number;
  /** Bytes that its objects may take. */
  memoryBytes: number;
}

/** What the worker wants of the world. */
export interface Effects {
  /** A `send`, `cancel`, `after`, `unafter` or `stop`. */
  effect(message: Exclude<FromWorker, { op: "ready" | "broken" | "settled" | "pong" }>): void;
  /** The worker is no more, and no call was under way that could have said so. */
  died(error: Error): void;
}

interface Pending extends PromiseWithResolvers<unknown> {
  timer: ReturnType<typeof setTimeout>;
}

/** See the module's text. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #options: LinkOptions;
  readonly #calls = new Map<number, Pending>();
  readonly #loaded = Promise.withResolvers<Description>();
  #effects?: Effects;
  #nextCall = 1;
  #dead?: Error;
  #mayIdle = true;
  #watch?: ReturnType<typeof setTimeout>;
  #asked = 0;

  private constructor(options: LinkOptions) {
    this.#options = options;
    const { net, read, env } = options.permissions;
    // What is named literally here is part of the worker's own program, for which no permission to
    // read is asked. The lock comes first.
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
      this.#fail(new Error(event.message));
    };
    this.#worker.onmessageerror = () =>
      this.#fail(new Error("it said something that cannot be read"));
    this.#loaded.promise.catch(() => {}); // `open` says it
  }

  /**
   * Starts a worker and loads the module. Throws group `graph`, code `bad_module`, which says what
   * is wrong with it.
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
        message: `${options.label}: module ${options.module} cannot be used: ${
          (error as Error).message.replace(/^Uncaught (\(in promise\) )?/, "").split("\n")[0]
        }`,
        metadata: { module: options.module },
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the module defines. */
  description!: Description;

  /** Does the worker live? */
  get alive(): boolean {
    return this.#dead === undefined;
  }

  /** What `ctx.onIdle` said after the last turn. */
  get mayIdle(): boolean {
    return this.#mayIdle;
  }

  /** Whom the worker's wishes are told; once, before `create`. */
  attach(effects: Effects): void {
    this.#effects = effects;
  }

  /**
   * Has the worker do something. Throws what the module threw as an OrreryError, or a plain Error
   * for a crash, of whatever kind. When the signal fires the worker is told; the call still ends by
   * itself.
   */
  async call(
    call: Call,
    { signal, limitMs = this.#options.answerMs }: { signal?: AbortSignal; limitMs?: number } = {},
  ) {
    if (this.#dead) throw this.#dead;
    const id = this.#nextCall++;
    const what = call.op === "handle" ? `handler ${call.type}` : call.op;
    const pending: Pending = {
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

  /** Answers a `send` of the worker. */
  reply(id: number, answer: { value: unknown } | { error: OrreryError }): void {
    this.#post({
      op: "reply",
      id,
      ...("error" in answer ? { error: answer.error.toWire() } : answer),
    });
  }

  /** Ends the waiting for every call under way. */
  giveUp(reason: unknown): void {
    for (const pending of this.#calls.values()) pending.reject(reason);
    this.#calls.clear();
  }

  /** Runs the hooks of `ctx.onStop`, then ends the worker. */
  async close(now: number): Promise<void> {
    if (this.#dead) return;
    // Calls of a turn that was given up would hold the hooks' answer up for nothing.
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

  #post(message: ToWorker): void {
    if (!this.#dead) this.#worker.postMessage(message);
  }

  #hear(data: unknown): void {
    if (this.#dead) return;
    const parsed = fromWorker.safeParse(data);
    if (!parsed.success) return this.#fail(new Error("the worker said something out of turn"));
    const message = parsed.data;
    switch (message.op) {
      case "ready":
        return this.#loaded.resolve(message.description);
      case "broken":
        return this.#fail(new Error(message.message));
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
          crash ? new Error(init.message.slice(0, CRASH_TEXT)) : new OrreryError(init),
        );
      }
      default:
        this.#effects?.effect(message);
    }
  }

  #ping(): void {
    const { computeMs } = this.#options;
    this.#asked = performance.now();
    this.#post({ op: "ping" });
    this.#watch = setTimeout(() => {
      // Where this node itself stood still, the answer may be there, unread.
      if (performance.now() - this.#asked > 1.5 * computeMs) return this.#ping();
      this.#fail(
        new Error(`it computed for more than ${computeMs} ms without a pause, or ended by itself`),
      );
    }, computeMs);
  }

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
