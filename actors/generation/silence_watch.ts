/**
 * Notices when nothing comes of what a request waits for: rows that the stages compute, or tokens that
 * a grammar is asked about.
 *
 * @module
 */
import { stagesSilent } from "../arbiter/mod.ts";
import type { ActorContext, WireError } from "../system/mod.ts";
import { grammarSilent } from "./grammar_errors.ts";

/** Options of a {@linkcode SilenceWatch}. */
export interface SilenceWatchOptions {
  /** Milliseconds without a result, while something is waited for, that are silence. */
  silenceMs: number;
  /** Called once, with the error to fail with; then nothing is watched any more. */
  onSilence(error: WireError): unknown;
  /** Address of the arbiter, for the error. */
  arbiter: string;
  /** Numbers of the rows that are waited for. */
  awaited(): readonly number[];
  /** Since when the grammar is waited for, milliseconds (`ctx.now()`); undefined: it is not. */
  grammarSince(): number | undefined;
}

/** See the module's text. */
export class SilenceWatch {
  readonly #ctx: Pick<ActorContext, "self" | "now" | "after">;
  readonly #o: SilenceWatchOptions;
  /** Milliseconds (`ctx.now()`) since which no result has come. */
  #aliveAt: number;

  /** Does not watch yet. */
  constructor(ctx: Pick<ActorContext, "self" | "now" | "after">, options: SilenceWatchOptions) {
    this.#ctx = ctx;
    this.#o = options;
    this.#aliveAt = ctx.now();
  }

  /** Counts the silence from now on. */
  alive(): void {
    this.#aliveAt = this.#ctx.now();
  }

  /** Watches from now on, until the actor of `ctx` ends. */
  watch(): void {
    const { silenceMs, onSilence, arbiter } = this.#o;
    const asked = this.#o.grammarSince();
    const silent = this.#ctx.now() - (asked ?? this.#aliveAt);
    if (asked !== undefined && silent >= silenceMs) {
      return void onSilence(grammarSilent(silenceMs).toWire());
    }
    const awaited = this.#o.awaited();
    if (awaited.length > 0 && silent >= silenceMs) {
      const error = stagesSilent({
        self: this.#ctx.self,
        silenceMs,
        waiting: `${awaited.length} rows are waited for, the first is ${awaited[0]}`,
        facts: { arbiter },
      });
      return void onSilence(error.toWire());
    }
    this.#ctx.after(Math.max(1, silenceMs - silent), () => this.watch());
  }
}
