/**
 * What an arbiter does when nothing happens for long: stages that are silent while frames are under
 * way fail its requests, without a request it ends, and meanwhile it renews its arena's lease at the
 * stages.
 *
 * @module
 */
import type { ActorContext } from "../system/mod.ts";
import type { ArbiterCore } from "./core.ts";

/** Options of {@linkcode TimeLimits}. */
export interface TimeLimitsOptions {
  core: ArbiterCore;
  /** Milliseconds without a message from the stages, while frames are under way. */
  silenceMs: number;
  /** Milliseconds without a request. */
  idleMs: number;
  /** Milliseconds between signs of life to the stages. */
  touchMs: number;
  /** Are requests held because a stage is lost? Then its silence is expected. */
  holds(): boolean;
  /** The stages have been silent for too long. */
  onSilence(): void;
  /** No request has been open for too long. */
  onIdle(): void;
  /** Renews the lease of the open arena. */
  touch(arena: string): void;
}

/** See the module's text. */
export class TimeLimits {
  readonly #ctx: ActorContext;
  readonly #options: TimeLimitsOptions;
  /** When a stage last answered, or frames began to be under way; milliseconds. */
  #heardAt: number;
  /** When a request was last open, milliseconds. */
  #busyAt: number;

  /** Begins to watch. */
  constructor(ctx: ActorContext, options: TimeLimitsOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.#heardAt = this.#busyAt = ctx.now();
    ctx.after(options.silenceMs, () => this.#watchSilence());
    ctx.after(options.idleMs, () => this.#watchIdle());
    ctx.after(options.touchMs, () => this.#touch());
  }

  /** A stage or a shard has said something. */
  heard(): void {
    this.#heardAt = this.#ctx.now();
  }

  /** A turn of the arbiter is over. `underWay`: were there frames under way before it? */
  turned({ underWay }: { underWay: boolean }): void {
    const { core, holds } = this.#options;
    // silence counts only while frames are under way
    if (!underWay || holds()) this.heard();
    if (!core.idle) this.#busyAt = this.#ctx.now();
  }

  #watchSilence(): void {
    const { core, silenceMs, holds, onSilence } = this.#options;
    const waits = core.inFlight.length > 0 && !holds();
    const silent = waits ? this.#ctx.now() - this.#heardAt : 0;
    if (silent >= silenceMs) onSilence();
    this.#ctx.after(Math.max(1, silenceMs - silent), () => this.#watchSilence());
  }

  #watchIdle(): void {
    const { core, idleMs, onIdle } = this.#options;
    const idle = core.idle ? this.#ctx.now() - this.#busyAt : 0;
    if (idle >= idleMs) return onIdle();
    this.#ctx.after(Math.max(1, idleMs - idle), () => this.#watchIdle());
  }

  #touch(): void {
    const { core, touchMs, touch } = this.#options;
    this.#ctx.after(touchMs, () => this.#touch());
    if (core.arena !== undefined) touch(core.arena);
  }
}
