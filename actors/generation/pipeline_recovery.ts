/**
 * What a request does when its pipeline is lost: it stands still until stages of its model serve
 * again, and goes on there.
 *
 * @module
 */
import { type ActorContext, OrreryError, toOrreryError, type WireError } from "../system/mod.ts";
import type { Start } from "./messages.ts";

/** Milliseconds before the second try in a row, doubled with each further one, and the most of them. */
const FIRST_WAIT_MS = 50;
const MOST_WAIT_MS = 1_000;
/** Tries in a row, without a token between, after which what breaks each time fails the request. */
const MOST_TRIES = 4;

/** Codes by which errors of other groups than `mailbox` and `cluster` say that a pipeline is lost. */
const LOST: Record<string, readonly string[]> = {
  actor: [
    "actor_failed",
    "arbiter_stopped",
    "closed",
    "deadline_exceeded",
    "fenced",
    "no_owner",
    "no_resource",
    "not_active",
    "not_here",
    "stage_stopped",
    "stages_silent",
    "stale_epoch",
    "stopped",
    "unknown_epoch",
    "unknown_kind",
  ],
  engine: ["bad_partial", "engine_failed", "no_arena", "no_sampler"],
};

/** Does this error say that the pipeline of a request is lost, rather than that the request is wrong? */
export function pipelineLost({ group, code }: Pick<WireError, "group" | "code">): boolean {
  return group === "mailbox" || group === "cluster" || (LOST[group]?.includes(code) ?? false);
}

/** The fields of a start message that the deployment decides. */
export type PipelinePath = Pick<
  Start,
  "arbiter" | "solo" | "stages" | "nodes" | "shape" | "drafter"
>;

/**
 * Resource `find` of a generation: the stages of its model that serve now. It waits until there are
 * any. Rejects with the signal's reason.
 */
export type FindPipeline = (signal: AbortSignal) => Promise<PipelinePath>;

/** Options of a {@linkcode PipelineRecovery}. */
export interface PipelineRecoveryOptions {
  /** Milliseconds without a token, from when the pipeline was lost, after which the request fails. */
  limitMs: number;
  /** Called in a turn of its own when stages serve again. */
  onFound(): unknown;
}

/** See the module's text. */
export class PipelineRecovery {
  /** How often the request has stood still. */
  pauses = 0;
  /** Milliseconds that it has stood still, until it was opened again. */
  pausedMs = 0;
  /** Why it stood still last; undefined: it never did. */
  cause?: WireError;
  readonly #ctx: ActorContext;
  readonly #options: PipelineRecoveryOptions;
  /** When the pipeline was lost, milliseconds, and tries since; undefined: a token has come since. */
  #lost?: { at: number; tries: number };
  #found?: PipelinePath | OrreryError;
  /** Ends the wait; undefined: nothing is waited for. */
  #stop?: () => void;

  constructor(ctx: ActorContext, options: PipelineRecoveryOptions) {
    this.#ctx = ctx;
    this.#options = options;
  }

  /** The request stands still. */
  get waits(): boolean {
    return this.#stop !== undefined;
  }

  /** A token has come: the pipeline works. */
  progressed(): void {
    this.#lost = undefined;
  }

  /** Whether a request that failed with this error may go on elsewhere. */
  takes(error: WireError): boolean {
    if (!pipelineLost(error) || !this.#find) return false;
    const tries = this.#lost?.tries ?? 0;
    const broken = error.group === "engine" || error.code === "actor_failed";
    return this.#leftMs > 0 && (!broken || tries < MOST_TRIES);
  }

  /** Waits until stages serve, or for too long; then the request fails with `error`. */
  begin(error: WireError): void {
    const ctx = this.#ctx;
    this.cause = error;
    this.#lost ??= { at: ctx.now(), tries: 0 };
    const { tries } = this.#lost;
    if (tries === 0) this.pauses++;
    this.#lost.tries++;
    const began = ctx.now();
    const abort = new AbortController();
    const told = (found: PipelinePath | OrreryError) => {
      if (abort.signal.aborted) return;
      this.#stop?.();
      this.#found = found;
      this.pausedMs += ctx.now() - began;
      ctx.after(0, () => this.#options.onFound());
    };
    const search = () =>
      void this.#find!(abort.signal).then(told, (caught) => told(toOrreryError(caught, ctx.self)));
    const wait = tries === 0 ? 0 : Math.min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tries - 1));
    const timers = [
      ctx.after(this.#leftMs, () => told(OrreryError.fromWire(error))),
      ctx.after(wait, search),
    ];
    this.#stop = () => {
      this.#stop = undefined;
      abort.abort(new DOMException("the wait for a pipeline is over", "AbortError"));
      for (const cancel of timers) cancel();
    };
  }

  /** What was found, once: a path, or why the request fails; undefined: nothing yet. */
  takeFound(): PipelinePath | OrreryError | undefined {
    const found = this.#found;
    this.#found = undefined;
    return found;
  }

  /** Waits no more. */
  close(): void {
    this.#stop?.();
    this.#found = undefined;
  }

  get #leftMs(): number {
    const since = this.#lost ? this.#ctx.now() - this.#lost.at : 0;
    return this.#options.limitMs - since;
  }

  /** undefined: its node offers no other pipeline. */
  get #find(): FindPipeline | undefined {
    try {
      return this.#ctx.resource<FindPipeline>("find");
    } catch {
      return undefined;
    }
  }
}
