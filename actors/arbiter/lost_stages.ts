/**
 * What an arbiter does when it loses a stage or a shard: it holds its requests, and has the pipeline
 * rebuilt as soon as each stage can be reached, at its old address or at its new one.
 *
 * It tries when it is told that stages were replaced, and otherwise now and then by itself: an actor
 * that has crashed is started again at its node, and a link that broke may be whole again. Requests
 * are held for a limited time. Then they fail with the error by which the stage was lost. Where
 * another deployment serves meanwhile, nobody replaces stages of this one any more, and they fail
 * much sooner.
 *
 * @module
 */
import {
  type ActorContext,
  type Address,
  hasCode,
  reportingTell,
  toOrreryError,
  unsent,
  type WireError,
} from "../system/mod.ts";
import type { ArbiterCore } from "./core.ts";
import type { RebuildFrame, RebuildPlan } from "./rebuild.ts";
import type { RebuildReport } from "./reports.ts";

/** Frames to be run again that are on their way to one stage at once. */
const WINDOW = 16;
/** Milliseconds in which a stage must take a step of the rebuild. */
const STEP_MS = 10_000;
/** Milliseconds for which requests are held where another deployment could take them. */
const SUPERSEDED_MS = 1_000;
/** Attempts one after the other without a pause, as stages turn out to have lost more. */
const MOST_ATTEMPTS = 16;
/** Times that stages may have failed within {@linkcode FAILURES_MS} and be rebuilt. */
const MOST_FAILURES = 3;
const FAILURES_MS = 60_000;
/** Codes of errors by which a stage says that it has nothing of an arena, and runs others. */
const EMPTY = ["no_arena", "not_active"];
/** Codes of errors after which an actor of the pipeline begins anew. */
const FAILURES = ["stage_stopped", "engine_failed", "no_arena"];
/** Code of the error by which a node says that a stage or shard is at another node now. */
const MOVED = "stage_moved";

/** Options of a {@linkcode LostStages}. */
export interface LostStagesOptions {
  core: ArbiterCore;
  /** Addresses of the stages, in order. */
  stages: readonly Address[];
  /** Addresses of the shards of the LM head. */
  heads: readonly Address[];
  /** Milliseconds for which requests are held. */
  holdMs: number;
  /** Milliseconds between two attempts. */
  retryMs: number;
  /** Carries out what the core decided, and sends frames that may go. */
  turn: () => void;
}

/**
 * What came of an attempt to rebuild. `again`: more is lost than was known, so that another attempt
 * begins at once; `later`: a stage or shard is away; `closed`: one has closed the arena and lives.
 */
type Outcome = "done" | "again" | "later" | "closed";

/** Which stages and shards were replaced, by their indices. */
export interface Replaced {
  stages: readonly number[];
  heads: readonly number[];
}

/** See the module's text. */
export class LostStages {
  readonly #ctx: ActorContext;
  readonly #tell: ActorContext["tell"];
  readonly #o: LostStagesOptions;
  /** Why requests are held; undefined: they are not. */
  #error?: WireError;
  /** Since when they are held, milliseconds. */
  #since = 0;
  /** When they fail, milliseconds. */
  #until = 0;
  /** A stage or shard cannot be reached, and has not been replaced since. */
  #unreachable = false;
  /** Another deployment serves: nobody replaces stages of this one. */
  #superseded = false;
  /** Number of the first frame that was not sent yet when requests began to be held. */
  #firstHeldFrame = 0;
  /** How many frames had been answered when requests were last held; -1: they never were. */
  #answeredFrames = -1;
  /** Stages that have nothing of the arena. */
  #lost = new Set<number>();
  /** Stages that have not kept what they sent. */
  #statesGone = new Set<number>();
  /**
   * Stages that were rebuilt since they had nothing, most likely at their new places: the directory
   * may name these before {@linkcode LostStages.replaced} is told.
   */
  readonly #rebuiltStages = new Set<number>();
  /** Counts attempts: one that is not the last has been given up. */
  #attempt = 0;
  /** Attempts since the last pause. */
  #attemptsInARow = 0;
  #cancelRetry?: () => void;
  #cancelDeadline?: () => void;
  /** Numbers of the frames that have not been run again; undefined: none is waited for. */
  #awaited?: { seqs: Set<number>; done: (outcome: "done" | "later") => void };
  /** Ends the wait for frames of which none was run again for long. */
  #cancelQuiet?: () => void;
  /** When stages failed, milliseconds. */
  #failures: number[] = [];
  /** Times that the pipeline was rebuilt. */
  rebuilds = 0;

  /** Holds nothing. Messages are sent in the name of the actor of `ctx`. */
  constructor(ctx: ActorContext, options: LostStagesOptions) {
    this.#ctx = ctx;
    this.#tell = reportingTell(ctx);
    this.#o = options;
  }

  /** Requests are held. */
  get holds(): boolean {
    return this.#error !== undefined;
  }

  /**
   * A stage or shard cannot be reached: holds all requests. The pipeline is rebuilt when
   * {@linkcode replaced} says so, or when all can be reached again.
   */
  lose(error: WireError): void {
    if (!this.#hold(error)) return;
    this.#unreachable = true;
    if (this.#awaited || this.#cancelRetry) return;
    this.#later();
  }

  /**
   * Takes in what an actor of the pipeline says of its failure. False: the pipeline cannot or may
   * not be rebuilt after it.
   */
  failed(
    { error, undelivered, seq }: { error: WireError; undelivered?: boolean; seq?: number },
  ): boolean {
    if (undelivered || error.code === MOVED) {
      this.lose(error);
      return true;
    }
    // One loss: each of the frames that were under way may tell of it.
    if (this.holds && seq !== undefined && seq < this.#firstHeldFrame) return true;
    if (!FAILURES.includes(error.code)) return false;
    const now = this.#ctx.now();
    this.#failures = [...this.#failures.filter((at) => now - at < FAILURES_MS), now];
    if (this.#failures.length > MOST_FAILURES) return false;
    if (this.#hold(error)) this.#begin();
    return true;
  }

  /**
   * These stages and shards are at their new places now. The stages have nothing of the arena, unless
   * they were rebuilt there before this was told; one of which that is wrong says so.
   */
  replaced({ stages }: Replaced, error: WireError): void {
    if (!this.#hold(error)) return;
    this.#failures = []; // they were other nodes'
    this.#unreachable = false;
    for (const stage of stages) if (!this.#rebuiltStages.delete(stage)) this.#lost.add(stage);
    this.#begin();
  }

  /** Frame `seq` was run again. */
  rebuilt(seq: number): void {
    if (!this.#awaited?.seqs.delete(seq)) return;
    this.#until = this.#ctx.now() + this.#holdMs;
    if (this.#awaited.seqs.size === 0) this.#awaited.done("done");
    else this.#expect();
  }

  /**
   * Another deployment serves. Requests that wait for a stage which cannot be reached fail at once,
   * to go on there; others are held for {@linkcode SUPERSEDED_MS} at most from now on.
   */
  supersede(): void {
    this.#superseded = true;
    if (!this.holds) return;
    if (this.#unreachable) return this.giveUp(this.#error!);
    this.#until = Math.min(this.#until, this.#ctx.now() + this.#holdMs);
    this.#cancelDeadline?.();
    this.#watch();
  }

  /** Fails all requests: nothing will be rebuilt. */
  giveUp(error: WireError): void {
    this.#end();
    this.#o.core.end(error);
    this.#o.turn();
  }

  /**
   * Another frame must be run again in time: one that a node had sent where the stage is no more is
   * lost, and nobody says so.
   */
  #expect(): void {
    this.#cancelQuiet?.();
    const awaited = this.#awaited;
    this.#cancelQuiet = this.#ctx.after(STEP_MS, () => awaited?.done("later"));
  }

  /** Milliseconds for which requests are held from now on. */
  get #holdMs(): number {
    return this.#superseded ? SUPERSEDED_MS : this.#o.holdMs;
  }

  /** False: they have been held for too long before, and have failed now. */
  #hold(error: WireError): boolean {
    if (this.#error) return true;
    this.#error = error;
    this.#since = this.#ctx.now();
    // What was rebuilt and has not answered since has not been mended.
    const { frames } = this.#o.core;
    if (frames > this.#answeredFrames) this.#until = this.#ctx.now() + this.#holdMs;
    this.#answeredFrames = frames;
    this.#firstHeldFrame = this.#o.core.nextFrame;
    this.#attemptsInARow = 0;
    this.#o.core.hold();
    this.#watch();
    return this.holds;
  }

  /** Fails the requests when they have been held for too long. */
  #watch(): void {
    const ms = this.#until - this.#ctx.now();
    if (ms <= 0) return this.giveUp(this.#error!);
    this.#cancelDeadline = this.#ctx.after(ms, () => this.#watch());
  }

  /** Nothing is held any more. */
  #end(): void {
    this.#attempt++;
    this.#cancelRetry?.();
    this.#cancelDeadline?.();
    this.#cancelQuiet?.();
    this.#cancelRetry =
      this.#cancelDeadline =
      this.#cancelQuiet =
      this.#awaited =
      this.#error =
        undefined;
    this.#unreachable = false;
    this.#lost.clear();
    this.#statesGone.clear();
    this.#o.core.resume();
  }

  #later(): void {
    this.#cancelRetry?.();
    this.#attemptsInARow = 0;
    this.#cancelRetry = this.#ctx.after(this.#o.retryMs, () => this.#begin());
  }

  #begin(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const attempt = ++this.#attempt;
    this.#awaited = undefined;
    const stale = () => attempt !== this.#attempt || this.#ctx.signal.aborted;
    if (++this.#attemptsInARow > MOST_ATTEMPTS) return this.#later();
    const plan = this.#o.core.rebuild({ lost: this.#lost, gone: this.#statesGone });
    if (plan === undefined) return this.#done(); // there is nothing to rebuild
    void this.#try(plan, stale).then((outcome) => {
      if (stale()) return;
      if (outcome === "done") this.#done();
      else if (outcome === "closed") this.#closed();
      else if (outcome === "again") this.#begin();
      else this.#later();
    });
  }

  /** A stage lives and has closed the arena: requests with rows in it fail, the others begin anew. */
  #closed(): void {
    const error = this.#error!;
    this.#end();
    const { core } = this.#o;
    core.failed({ arena: core.arena!, error });
    this.#o.turn();
  }

  #done(): void {
    for (const stage of this.#lost) this.#rebuiltStages.add(stage);
    this.rebuilds++;
    const rebuild: RebuildReport = { type: "rebuild", heldMs: this.#ctx.now() - this.#since };
    this.#ctx.report(rebuild);
    this.#end();
    this.#o.turn();
  }

  /** One attempt. It stops early, with any outcome, once `stale` says that it was given up. */
  async #try({ realign, frames }: RebuildPlan, stale: () => boolean): Promise<Outcome> {
    const missed = await this.#realign(realign, stale);
    if (missed) return missed;
    this.#o.core.realigned(realign.floor);
    if (frames.length === 0) return "done";
    return await this.#runAgain(frames, stale);
  }

  /**
   * Brings the stages that are left to one state, and renews the leases of the shards. Returns why
   * the attempt ends here, if it does.
   */
  async #realign(
    message: RebuildPlan["realign"],
    stale: () => boolean,
  ): Promise<Outcome | undefined> {
    const { stages, heads } = this.#o;
    const within = { deadlineMs: STEP_MS };
    const left = [...stages.keys()].filter((i) => !this.#lost.has(i));
    const realigned = await Promise.allSettled(
      left.map((i) => this.#ctx.ask(stages[i], { type: "realign", ...message }, within)),
    );
    const touch = { type: "touch", arena: message.arena };
    const touched = await Promise.allSettled(heads.map((to) => this.#tell(to, touch, within)));
    if (stale()) return "later";
    const away = (result: PromiseSettledResult<unknown>) =>
      result.status === "rejected" && !hasCode(result.reason, "not_active");
    let outcome: "again" | "later" | undefined = touched.some(away) ? "later" : undefined;
    for (const [k, result] of realigned.entries()) {
      if (result.status === "fulfilled") continue;
      if (isClosed(result.reason)) return "closed";
      if (isEmpty(result.reason)) {
        this.#lost.add(left[k]);
        outcome ??= "again";
      } else {
        this.#unsent(stages[left[k]], "realign", result.reason);
        outcome = "later";
      }
    }
    return outcome;
  }

  /** Has the lost stages run these frames again, {@linkcode WINDOW} at once, and waits for the last. */
  async #runAgain(frames: readonly RebuildFrame[], stale: () => boolean): Promise<Outcome> {
    const run = Promise.withResolvers<"done" | "later">();
    this.#awaited = { seqs: new Set(frames.map(({ frame }) => frame.seq)), done: run.resolve };
    this.#expect();
    for (let at = 0; at < frames.length; at += WINDOW) {
      const some = frames.slice(at, at + WINDOW);
      const sent = await Promise.allSettled(some.map((frame) => this.#send(frame)));
      if (stale()) return "later";
      let again = false;
      for (const [k, result] of sent.entries()) {
        if (result.status === "fulfilled") continue;
        if (isClosed(result.reason)) return "closed";
        if (!this.#learns(some[k].from, result.reason)) return "later";
        again = true;
      }
      if (again) return "again";
    }
    return await run.promise;
  }

  /**
   * Takes in why the stage `from` did not send a frame on, -1: why the first stage did not get it.
   * Returns whether the next plan will heed it; else a stage is away, and the log says so.
   */
  #learns(from: number, error: unknown): boolean {
    if (hasCode(error, "states_gone")) this.#statesGone.add(from);
    else if (isEmpty(error)) this.#lost.add(from);
    else {
      const [stage, message] = from < 0 ? [0, "frame"] as const : [from, "rebuild"] as const;
      this.#unsent(this.#o.stages[stage], message, error);
      return false;
    }
    return true;
  }

  /** Requests go on to be held, and it is tried again later: the log says why. */
  #unsent(to: string, message: string, error: unknown): void {
    unsent(this.#ctx, { to, message })(error);
  }

  #send({ from, frame }: RebuildFrame): Promise<unknown> {
    const { stages } = this.#o;
    const within = { deadlineMs: STEP_MS };
    return from < 0
      ? this.#ctx.tell(stages[0], { type: "frame", ...frame }, within)
      : this.#ctx.ask(stages[from], { type: "rebuild", ...frame }, within);
  }
}

/** Whether a stage has nothing of the arena, and can begin it anew. */
const isEmpty = (error: unknown): boolean => EMPTY.includes(toOrreryError(error).code);

/** Whether a stage has closed the arena, and ignores what comes for it. */
const isClosed = (error: unknown): boolean =>
  hasCode(error, "no_arena") && error.metadata.closed === true;
