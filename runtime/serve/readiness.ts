/**
 * Readiness: whether a prompt that came now would be answered.
 *
 * While requests of clients get on, they prove it. Otherwise a prompt of one token goes the whole
 * way, through every stage and back, when somebody asks; its answer holds for a while. A request
 * that failed is a reason to look at once. While nothing is answered, it looks again and again, and
 * says so to whoever can place the layers anew.
 *
 * @module
 */
import { type Clock, systemClock, toOrreryError } from "../../actors/mod.ts";

/** Whether a prompt can be answered; `reason` says why not. */
export interface ReadinessVerdict {
  ready: boolean;
  reason: string;
}

/** Options of a {@linkcode Readiness}; times in milliseconds. */
export interface ReadinessOptions {
  /** Why a prompt would be refused at once; undefined: it would be run. */
  refusal(): string | undefined;
  /** Runs a prompt of one token. Rejects with the reason why it was not answered. */
  probe(signal: AbortSignal): Promise<void>;
  /**
   * Called each time a probe was not answered. Without it nothing is probed unless somebody asks.
   */
  onBroken?: (why: string) => void;
  /** Times what is below. @default the real clock */
  clock?: Clock;
  /** Milliseconds for which an answer proves that the next prompt is answered too. @default 2_000 */
  freshMs?: number;
  /** Milliseconds in which a probe must be answered. @default 10_000 */
  probeMs?: number;
  /** Milliseconds that `check` waits for a probe; then the verdict before it holds. @default 2_000 */
  waitMs?: number;
  /** Milliseconds between two probes while nothing is answered. @default 2_000 */
  againMs?: number;
}

const OK: ReadinessVerdict = { ready: true, reason: "ok" };

/** See the module's text. */
export class Readiness {
  readonly #options: Required<Omit<ReadinessOptions, "onBroken">> & ReadinessOptions;
  /** What the last probe showed; undefined: there was none since {@linkcode Readiness.renew}. */
  #verdict?: ReadinessVerdict;
  /** When an answer last proved that prompts are answered, or a probe that they are not. */
  #provenAt = -Infinity;
  /** The probe under way, and what ends it. */
  #probe?: { done: Promise<void>; abort: AbortController };
  /** Cancels the next probe while nothing is answered. */
  #again?: () => void;

  /** Nothing is known yet. */
  constructor(options: ReadinessOptions) {
    this.#options = {
      freshMs: 2_000,
      probeMs: 10_000,
      waitMs: 2_000,
      againMs: 2_000,
      ...options,
      clock: options.clock ?? systemClock,
    };
  }

  /** A request of a client has got something from the stages. */
  progressed(): void {
    this.#verdict = OK;
    this.#provenAt = this.#options.clock.now();
  }

  /** A request of a client has failed. It may be its own fault: a probe tells. */
  failed(): void {
    this.#provenAt = -Infinity;
    if (this.#options.onBroken && !this.#again) void this.#look();
  }

  /** Other stages serve from now on: what is known of the former ones does not count. */
  renew(): void {
    this.close();
    this.#verdict = undefined;
    this.#provenAt = -Infinity;
  }

  /** Ends the probe under way and its timer. */
  close(): void {
    this.#again?.();
    this.#again = undefined;
    this.#probe?.abort.abort();
    this.#probe = undefined;
  }

  /** The verdict, after a probe where it takes one; after `waitMs` at the latest. */
  async check(): Promise<ReadinessVerdict> {
    const { clock, freshMs, waitMs } = this.#options;
    const refused = this.#refused();
    if (refused) return refused;
    if (this.#verdict && clock.now() - this.#provenAt < freshMs) return this.#verdict;
    const late = Promise.withResolvers<void>();
    const cancel = clock.after(waitMs, late.resolve);
    await Promise.race([this.#look(), late.promise]);
    cancel();
    return this.#refused() ?? this.#verdict ??
      { ready: false, reason: "the stages have not answered yet" };
  }

  #refused(): ReadinessVerdict | undefined {
    const reason = this.#options.refusal();
    return reason === undefined ? undefined : { ready: false, reason };
  }

  /** Probes, unless a probe is under way. Resolves when it is over. */
  #look(): Promise<void> {
    if (this.#probe) return this.#probe.done;
    this.#again?.();
    this.#again = undefined;
    if (this.#options.refusal() !== undefined) return Promise.resolve();
    const abort = new AbortController();
    const done = this.#run(abort);
    this.#probe = { done, abort };
    return done;
  }

  async #run(abort: AbortController): Promise<void> {
    const { signal } = abort;
    const { clock, probe, probeMs, onBroken, againMs } = this.#options;
    const began = clock.now();
    const cancel = clock.after(probeMs, () => {
      abort.abort(new Error(`no answer within ${probeMs / 1000} s`));
    });
    let why: string | undefined;
    try {
      await probe(signal);
    } catch (error) {
      why = toOrreryError(signal.aborted ? signal.reason : error).message;
    }
    cancel();
    if (this.#probe?.abort !== abort) return; // other stages serve by now
    this.#probe = undefined;
    // A request of a client got on meanwhile: the probe had to wait behind it.
    const overtaken = this.#verdict === OK && this.#provenAt >= began;
    if (why === undefined || overtaken) return this.progressed();
    this.#verdict = { ready: false, reason: `a prompt is not answered now: ${why}` };
    this.#provenAt = clock.now();
    if (!onBroken || this.#options.refusal() !== undefined) return;
    onBroken(why);
    this.#again = clock.after(againMs, () => {
      this.#again = undefined;
      void this.#look();
    });
  }
}
