/**
 * The life of one request: it begins on some stages, goes on elsewhere where these are lost, and ends
 * with one last message to its client.
 *
 *     start --> run --> done, failed or cancelled
 *              |   ^
 *              v   |     a run ends where its stages are lost; the next one takes over what it has
 *          stands still  generated, at once (in the pipeline) or when stages serve again
 *
 * What happens within a run is decided in `run.ts`; this file sends what a run has to say. After each
 * message to the actor comes {@linkcode RequestLife.proceed}.
 *
 * @module
 */
import { alreadyStarted, arbiterActor, type RequestUsage } from "../arbiter/mod.ts";
import {
  type ActorContext,
  type OpenSpan,
  OrreryError,
  parseAddress,
  type SpanAttributes,
  toOrreryError,
  type TraceContext,
  type WireError,
} from "../system/mod.ts";
import { tokensOf } from "./answer_state.ts";
import { afterFailure, afterPause, findRoute, type FoundRoute, onRoute } from "./find_route.ts";
import type { Start } from "./messages.ts";
import { PipelineRecovery } from "./pipeline_recovery.ts";
import { GenerationRun } from "./run.ts";
import type { EarlierRun } from "./run_options.ts";

/** Milliseconds that the arbiter is given to say what a request has cost. */
const USAGE_MS = 2_000;

/** Options of {@linkcode RequestLife}. */
export interface RequestLifeOptions {
  /** Milliseconds without a result, while rows are waited for, after which the request fails. */
  silenceMs: number;
  /**
   * Milliseconds without a token, from when the pipeline was lost, after which a request fails that
   * finds no other.
   */
  recoveryMs: number;
}

/** See the module's text. */
export class RequestLife {
  readonly #ctx: ActorContext;
  readonly #silenceMs: number;
  readonly #recovery: PipelineRecovery;
  /** The run that goes on; undefined: none does. */
  #run?: GenerationRun;
  /** The request as it was sent, with both of its routes; undefined: its start has not come. */
  #asked?: Start;
  /** When it began, milliseconds. */
  #began = 0;
  /** It was cancelled before its start was handled. */
  #cancelled = false;
  /** What the next run takes over; undefined: the request does not stand still. */
  #carried?: EarlierRun;
  /** Runs so far: results of an earlier one are of no use. */
  #runs = 0;
  /** The request's span; undefined: its trace is not recorded. */
  #span?: OpenSpan;

  /** A request whose start has not come. Its client is told when the actor of `ctx` stops. */
  constructor(ctx: ActorContext, { silenceMs, recoveryMs }: RequestLifeOptions) {
    this.#ctx = ctx;
    this.#silenceMs = silenceMs;
    const onFound = () => this.#goOn();
    this.#recovery = new PipelineRecovery(ctx, { limitMs: recoveryMs, onFound });
    ctx.onStop(() => this.#stopped());
  }

  /** Begins the request. Throws `already_started`, and what a run throws. */
  async start(start: Start, trace: TraceContext | undefined): Promise<void> {
    const ctx = this.#ctx;
    if (this.#run || this.#carried) throw alreadyStarted(ctx.self, "its request");
    if (this.#cancelled) return ctx.stop();
    const attributes = { "orrery.generation": ctx.self };
    this.#span = trace && ctx.span("generation", { parent: trace, attributes });
    ctx.follow(this.#span?.context);
    this.#asked = start;
    this.#began = ctx.now();
    await this.#begin(await findRoute(ctx, start));
  }

  /**
   * The run that results of run `number` from this arbiter are for; undefined: it has ended while
   * their frame was under way, or the request runs on other stages now.
   */
  runOf(arbiter: string, number: number | undefined): GenerationRun | undefined {
    const run = this.#run;
    if (arbiter !== run?.start.arbiter || (number ?? this.#runs) !== this.#runs) return undefined;
    this.#recovery.progressed();
    return run;
  }

  /** The run that an answer of this drafter is for; undefined: there is none, or it asked another. */
  runAsking(drafter: string): GenerationRun | undefined {
    return drafter === this.#asked?.drafter ? this.#run : undefined;
  }

  /** The run that goes on; undefined: none does. */
  get run(): GenerationRun | undefined {
    return this.#run;
  }

  /** Takes in that `from` says that the request has failed. */
  async failed(error: WireError, from: string): Promise<void> {
    // An arbiter that was given up may also say so; others (a gateway node) speak for the request.
    const arbiter = from !== "" && parseAddress(from).kind === arbiterActor.kind;
    if (!arbiter || from === this.#run?.start.arbiter) await this.#fail(error);
  }

  /** The client no longer wants the answer. */
  async cancel(): Promise<void> {
    if (this.#run) return await this.#end(async () => {});
    if (this.#carried) {
      this.#carried = undefined;
      this.#recovery.close();
      return this.#ctx.stop();
    }
    // Its start may be queued behind this message: if the actor stopped now, that message would
    // activate it again.
    this.#cancelled = true;
    this.#ctx.after(0, () => this.#ctx.stop());
  }

  /**
   * After every message: tells the arbiter what is to run next, and then the client what came. Ends
   * the request where the answer is complete or the client gone.
   */
  async proceed(): Promise<void> {
    const run = this.#run;
    if (!run) return;
    const { arbiter, client } = run.start;
    try {
      if (run.fault) throw run.fault;
      if (!run.finish) {
        for (const message of run.takeMessages()) {
          await this.#ctx.tell(arbiter, message, { deadlineMs: this.#silenceMs });
        }
      }
    } catch (error) {
      return await this.#fail(toOrreryError(error, this.#ctx.self).toWire());
    }
    if (run.scoring) return; // what follows the prompt is told after it
    try {
      await this.#tellClient(run);
    } catch {
      if (this.#run) await this.#end(async () => {}); // the client is gone
      return;
    }
    if (this.#run !== run || !run.finish) return;
    await this.#end((ended, usage) =>
      this.#ctx.tell(client, { type: "done", ...ended.done(usage) })
    ).catch(() => {});
  }

  /** Sends the client what the run has for it, for as long as the run goes on. */
  async #tellClient(run: GenerationRun): Promise<void> {
    const { client } = run.start;
    const scores = run.promptScores;
    if (scores) {
      await this.#ctx.tell(client, { type: "prompt", ...scores });
      if (this.#run === run) run.scoresTold();
    }
    while (this.#run === run && run.deltas.length > 0) {
      await this.#ctx.tell(client, { type: "delta", ...run.deltas.shift()! });
      run.waited();
    }
  }

  /** Runs the request on the stages of this route. */
  async #begin(route: FoundRoute, before?: EarlierRun): Promise<void> {
    const ctx = this.#ctx;
    const start = onRoute(this.#asked!, route);
    this.#runs++;
    try {
      this.#run = new GenerationRun(ctx, start, {
        silenceMs: this.#silenceMs,
        onSilence: (error) => this.#fail(error),
        onChange: () => this.proceed(),
        route,
        began: this.#began,
        before,
        run: this.#runs,
        recovery: this.#recovery,
      });
    } catch (error) {
      ctx.stop();
      const failed = { type: "failed", error: toOrreryError(error, ctx.self).toWire() };
      await ctx.tell(start.client, failed).catch(() => {}); // client gone
      throw error;
    }
    await this.proceed();
  }

  /** Gives the run up. Returns what the next one takes over. */
  #leave(run: GenerationRun): EarlierRun {
    const { carried } = run;
    run.close();
    this.#run = undefined;
    this.#tellClosed(run.start.arbiter);
    return carried;
  }

  /** Stages serve again, or none has for too long. */
  async #goOn(): Promise<void> {
    const ctx = this.#ctx;
    const found = this.#recovery.takeFound();
    const before = this.#carried;
    if (!found || !before) return;
    this.#carried = undefined;
    if (found instanceof OrreryError) {
      const failed = { type: "failed", error: found.toWire() };
      await ctx.tell(this.#asked!.client, failed).catch(() => {}); // client gone
      return ctx.stop();
    }
    const { solo: _solo, drafter: _drafter, ...rest } = this.#asked!;
    this.#asked = { ...rest, ...found };
    const route = await findRoute(ctx, this.#asked);
    await this.#begin(afterPause(route, this.#recovery.cause!, tokensOf(before.state)), before);
  }

  /**
   * The run cannot go on: another one does, at once or when stages of the model serve again; or the
   * request ends with an error, of which a client that is gone need not be told.
   */
  async #fail(error: WireError): Promise<void> {
    const run = this.#run;
    if (!run) return;
    if (run.route.route === "one" && this.#asked!.solo) {
      const carried = this.#leave(run);
      return await this.#begin(afterFailure(error), carried);
    }
    if (this.#recovery.takes(error)) {
      this.#carried = this.#leave(run);
      return this.#recovery.begin(error);
    }
    await this.#end(({ start }) => this.#ctx.tell(start.client, { type: "failed", error }))
      .catch(() => {});
  }

  /**
   * Ends the request, then tells the client by `closing`. Its rows are given up first: a client that
   * reads slowly must not hold them.
   */
  async #end(
    closing: (run: GenerationRun, usage?: RequestUsage) => Promise<void>,
  ): Promise<void> {
    const ended = this.#run!;
    const { arbiter } = ended.start;
    this.#run = undefined;
    ended.close();
    const usage = await this.#usageOf(arbiter);
    this.#span?.end({ at: this.#ctx.now(), attributes: spanFacts(ended, usage) });
    // The arbiter is busy, or this actor is being stopped: a message that waits for no answer tells
    // the arbiter all the same.
    if (!usage) this.#tellClosed(arbiter);
    try {
      await closing(ended, usage);
    } finally {
      this.#ctx.stop();
    }
  }

  /** What the request has cost; undefined: there is no such arbiter, or it does not answer. */
  async #usageOf(arbiter: string): Promise<RequestUsage | undefined> {
    try {
      return await this.#ctx.at(arbiterActor, arbiter)
        .close({ generation: this.#ctx.self }, { deadlineMs: USAGE_MS });
    } catch {
      return undefined;
    }
  }

  /**
   * However late the arbiter gets to it: a request that it does not know to be over keeps its rows
   * for good. Not awaited, for the same reason.
   */
  #tellClosed(arbiter: string): void {
    const close = { type: "close", generation: this.#ctx.self };
    void this.#ctx.tell(arbiter, close).catch(() => {}); // one that is gone has lost the request
  }

  /**
   * After a crash, or when the node closes, the client must not wait for an end that never comes.
   */
  async #stopped(): Promise<void> {
    const ctx = this.#ctx;
    this.#recovery.close();
    this.#span?.end({ at: ctx.now(), error: "stopped" }); // one that has ended stays as it is
    const run = this.#run;
    if (!run && !this.#carried) return;
    run?.close();
    this.#run = this.#carried = undefined;
    if (run) this.#tellClosed(run.start.arbiter);
    const error: WireError = {
      group: "actor",
      code: "generation_stopped",
      message: `${ctx.self} stopped before its request was over; send the request again`,
    };
    await ctx.tell(this.#asked!.client, { type: "failed", error }).catch(() => {}); // client gone
    ctx.stop(); // after a crash nothing of the request is left
  }
}

/** What a request has come to, as its span says. */
function spanFacts(run: GenerationRun, usage: RequestUsage | undefined): SpanAttributes {
  const { finish, prompt_tokens, completion_tokens, ttft_ms, orrery } = run.done(usage);
  return {
    "gen_ai.usage.input_tokens": prompt_tokens,
    "gen_ai.usage.output_tokens": completion_tokens,
    "orrery.finish": finish ?? "ended early",
    "orrery.ttft_ms": ttft_ms,
    "orrery.mode": orrery.mode,
    "orrery.drafted": orrery.drafted,
    "orrery.accepted": orrery.accepted,
  };
}
