/**
 * One run of a request: how it is to be answered, how far the answer has come, and what the client and
 * the arbiter are to be told. A request has one run unless its stages are lost: then the next run goes
 * on, on other stages, with what this one has generated ({@linkcode GenerationRun.carried}).
 *
 * @module
 */
import type { RequestUsage, ResultsMessage } from "../arbiter/mod.ts";
import type { MakeOutlineText } from "../outline/mod.ts";
import type { Drafted } from "../pipeline/mod.ts";
import {
  type ActorContext,
  type Message,
  OrreryError,
  toOrreryError,
  type WireError,
} from "../system/mod.ts";
import { AnswerClock, reportOf } from "./answer_report.ts";
import { type AnswerState, resumable } from "./answer_state.ts";
import { AnswerTracker } from "./answer_tracker.ts";
import { earlierAnswers, keepAnswer } from "./earlier_answers.ts";
import { lookupDrafter } from "./instant_drafter.ts";
import type { Lane, Settled } from "./lane.ts";
import type { LaneControl, LaneOwner, NewLane, TokenChain, ToldUpTo } from "./lane_control.ts";
import { LaneRows } from "./lane_rows.ts";
import type { Delta, Done, PromptScoresMessage } from "./client_messages.ts";
import { type MakeCodec, MOST_CONTEXTS, type Start } from "./messages.ts";
import { decideMode, type ModeChoice } from "./mode.ts";
import type { FoundRoute } from "./find_route.ts";
import type { GrammarWalk } from "./grammar.ts";
import { GrammarRows } from "./grammar_rows.ts";
import { rowFailed } from "./grammar_errors.ts";
import { ForeignLanes } from "./foreign_lanes.ts";
import { OutlineRun } from "./outline_run.ts";
import { Pace } from "./pace.ts";
import { PromptScores } from "./prompt_scores.ts";
import { oneFailed, routeLearned, sharedWith } from "./route.ts";
import type { EarlierRun, GenerationRunOptions } from "./run_options.ts";
import { SilenceWatch } from "./silence_watch.ts";
import { Speculation } from "./speculation.ts";

/** Weight of the newest frame in the running mean of lanes per frame, 0 to 1. */
const NEWEST_FRAME = 0.2;
/**
 * Rows that a request asks memory for to hold its drafts, in drafts of full length: one draft is
 * under way, another waits behind it, and alternatives stand beside both.
 */
const DRAFTS_IN_MEMORY = 3;

/** See the module's text. */
export class GenerationRun implements LaneOwner, LaneControl {
  /** The request. */
  readonly start: Start;
  /** What the client has not been sent yet, in order. The caller takes it from the front. */
  readonly deltas: Delta[] = [];
  /** Why the request cannot go on; undefined: it can. */
  fault?: OrreryError;
  /** How the answer ended; undefined: it goes on. */
  finish?: "stop" | "length";
  readonly #ctx: ActorContext;
  readonly #options: GenerationRunOptions;
  readonly #rows: LaneRows;
  readonly #choice: ModeChoice;
  /** undefined: nothing is drafted. */
  readonly #speculation?: Speculation;
  /** undefined: no outline is tried. */
  readonly #outline?: OutlineRun;
  readonly #clock: AnswerClock;
  readonly #pace: Pace;
  readonly #tracker: AnswerTracker;
  /** What an earlier run of the request has generated; undefined: there was none. */
  readonly #resumed?: AnswerState;
  readonly #silence: SilenceWatch;
  /** Running mean of the lanes whose rows travel in one frame. */
  #lanesPerFrame = 1;
  readonly #foreign = new ForeignLanes();
  /** What holds the answer to a grammar; undefined: nothing does. */
  readonly #grammar?: GrammarRows;
  /** The prompt's log-probabilities; undefined: they are not wanted, or were told. */
  #scores?: PromptScores;
  /** The arbiter has been told of the request. */
  #isOpen = false;

  /**
   * Begins the first lane. Throws group `api`, code `invalid_value` where the client gives points
   * and no outline can be.
   */
  constructor(ctx: ActorContext, start: Start, options: GenerationRunOptions) {
    this.#ctx = ctx;
    this.start = start;
    this.#options = options;
    const { before } = options;
    this.#silence = new SilenceWatch(ctx, {
      ...options,
      arbiter: start.arbiter,
      awaited: () => this.#rows.awaited,
      grammarSince: () => this.#grammar?.waitsSince,
    });
    const resumed = before?.state ?? start.resumed;
    this.#resumed = resumed && resumable(resumed, start);
    const { prompt_logprobs: top, prompt } = start;
    if (top !== undefined && !resumed?.scored) this.#scores = new PromptScores(prompt, { top });
    this.#clock = new AnswerClock(options.began, before?.firstAt);
    this.deltas.push(...before?.unsent ?? []);
    this.#pace = new Pace({ measured: start.measured?.[this.#paceKey], stages: start.stages });
    const words = start.mode === "auto" || start.mode.startsWith("outline")
      ? ctx.resource<MakeOutlineText>("outline")()
      : undefined;
    this.#choice = decideMode(start, words, this.#resumed);
    if (this.#choice.outline) this.#outline = new OutlineRun(this, words!);
    this.#tracker = new AnswerTracker({
      outline: this.#choice.outline,
      resumed: this.#resumed,
    });
    this.#rows = new LaneRows({
      generation: ctx.self,
      eos: start.eos,
      codec: ctx.resource<MakeCodec>("codec"),
      constrained: start.constrained,
      onFirstWait: () => this.#silence.alive(),
    });
    if (this.#choice.draftLength > 0) this.#speculation = this.#makeSpeculation();
    if (start.constrained) this.#grammar = this.#makeGrammar();
    if (this.#outline) this.#outline.begin();
    else if (start.max_tokens > 0) {
      const { max_tokens: limit, stop } = start;
      this.addLane({ name: "plain", prompt, limit, stop, owner: this });
    }
    this.#silence.watch();
  }

  /** Token ids that the request is opened with: the prompt of the first lane, and its tokens so far. */
  get #opened(): Int32Array<ArrayBuffer> {
    return this.#rows.opened ?? this.start.prompt;
  }

  /** The message that begins the request at the arbiter. */
  get #open() {
    const { sampling, pieces, max_tokens, outline_tokens = max_tokens } = this.start;
    const drafts = DRAFTS_IN_MEMORY * this.#choice.draftLength;
    const tokens = this.#outline ? Math.max(max_tokens, outline_tokens) : max_tokens;
    const prompt = this.#outline?.prompt ?? this.start.prompt;
    const rows = prompt.length + tokens + drafts + (this.#outline?.extraRows ?? 0);
    const opened = this.#opened;
    const { prompt_logprobs: top } = this.start;
    return {
      type: "open",
      generation: this.#ctx.self,
      prompt: opened,
      run: this.#options.run,
      ...(this.#resumed && { prompt_rows: prompt.length }),
      sampling: top !== undefined
        ? { ...sampling, logprobs: true, top_logprobs: Math.max(sampling.top_logprobs, top) }
        : sampling,
      ...(this.#scores && { strict: true, scored: true }),
      pieces,
      max_rows: Math.max(opened.length + 1, Math.min(rows, MOST_CONTEXTS * this.start.context)),
      reuse: this.start.reuse,
      ...(this.#outline && { branches: true }),
      ...this.#grammar?.opening(),
    };
  }

  /**
   * Messages for the arbiter since the last call, in order; the first one opens the request. To be
   * called once a turn.
   */
  takeMessages(): Message[] {
    this.#grammar?.ask();
    const over = this.start.max_tokens === 0 && this.#scores?.complete; // a prompt of one token
    if (this.#isOpen || over) return this.#rows.takeMessages();
    if (this.#grammar?.mayOpen === false) return [];
    this.#isOpen = true;
    return [this.#open, ...this.#rows.takeMessages()];
  }

  /**
   * The prompt's log-probabilities, once all are there; the caller sends them before any delta, and
   * then calls {@linkcode GenerationRun.scoresTold}.
   */
  get promptScores(): PromptScoresMessage | undefined {
    if (!this.#scores?.complete) return undefined;
    return this.#scores.message(this.#ctx.resource<MakeCodec>("codec")([]));
  }

  /** The prompt's log-probabilities are wanted and not there yet: nothing else may be told before. */
  get scoring(): boolean {
    return this.#scores !== undefined && !this.#scores.complete;
  }

  /** The client has been told the prompt's log-probabilities. */
  scoresTold(): void {
    this.#scores = undefined;
    if (this.start.max_tokens === 0) this.end("length");
  }

  /** Takes in what the grammar has answered. */
  walked(): void {
    this.#silence.alive();
    try {
      for (const lane of this.#grammar?.take() ?? []) if (lane.tip.result) this.#settle(lane);
    } catch (error) {
      this.fault ??= toOrreryError(error, this.#ctx.self);
    }
  }

  /** Ends all drafting and waiting: the request is over, however it ended. */
  close(): void {
    this.#grammar?.close();
    for (const lane of this.#rows.lanes) this.#speculation?.leave(lane);
    this.#rows.clear();
  }

  /** Takes the arbiter's results in. */
  results({ results, frame_ms, wait_ms, slowest_ms, lanes: all }: ResultsMessage): void {
    this.#silence.alive();
    this.#foreign.frame(Math.max(0, all - this.#rows.size));
    const failed = this.#scores?.take(results);
    if (failed) this.fault = rowFailed(failed, { strict: true });
    const { lanes, decoded } = this.#rows.answered(results);
    // A frame with pieces of prompts says nothing about what a decode row costs.
    if (!decoded) this.#pace.interrupt();
    else if (lanes.size > 0) {
      this.#grammar?.frame(frame_ms);
      this.#speculation?.frame(results.length, {
        ms: frame_ms,
        waitMs: wait_ms,
        slowestMs: slowest_ms,
      });
      this.#lanesPerFrame += NEWEST_FRAME * (lanes.size - this.#lanesPerFrame);
    }
    for (const lane of lanes) {
      if (this.fault || this.finish) return;
      this.#settle(lane);
    }
  }

  /** Takes the drafter's answer in. */
  drafted(answer: Drafted): void {
    this.#speculation?.answered(answer);
  }

  /** Takes in that the drafter could not answer. */
  undrafted(which: { chain: string; id: number }, { code, message }: WireError): void {
    this.#speculation?.refused(which, code, message);
  }

  /** See {@linkcode LaneControl.addLane}. */
  addLane(added: NewLane): Lane {
    const { name, owner } = added;
    const known = this.#tracker.known(name);
    const { lane, replayed: { told, rest } } = this.#rows.add(added, known);
    this.#tracker.begin(name, lane);
    if (!lane.finish) {
      this.#grammar?.begin(lane);
      this.#speculation?.join(lane);
    }
    if (!known) return lane;
    this.#clock.resumed(lane.generated);
    owner.settled(lane, rest, told);
    return lane;
  }

  /** See {@linkcode LaneControl.addPrompt}. */
  addPrompt(prompt: ArrayLike<number>, shared: TokenChain): number[] {
    return this.#rows.addPrompt(prompt, shared);
  }

  /** See {@linkcode LaneControl.drop}. */
  drop(row: number): void {
    this.#rows.drop(row);
  }

  /** See {@linkcode LaneControl.emit}. */
  emit(delta: Delta, { lane, tokens }: ToldUpTo): void {
    this.#clock.shown(this.#ctx.now());
    this.#tracker.told(lane, tokens);
    const progress = this.start.progress && { progress: this.#tracker.takeProgress() };
    this.deltas.push({ ...delta, ...progress });
  }

  /** Which stages compute the request. */
  get route(): FoundRoute {
    return this.#options.route;
  }

  /** What another run of the request takes over, at any time. */
  get carried(): EarlierRun {
    return {
      state: this.#tracker.state({ scored: this.#scores === undefined }),
      firstAt: this.#clock.firstTextAt,
      unsent: this.deltas,
    };
  }

  /** See {@linkcode LaneControl.end}. */
  end(finish: "stop" | "length"): void {
    this.finish = finish;
  }

  /** See {@linkcode LaneControl.plainAfter}. */
  plainAfter(shared: TokenChain, limit: number): void {
    const { prompt, stop } = this.start;
    this.addLane({ name: "plain", prompt, shared, limit, stop, owner: this });
  }

  /** The plain lane went on: its text is the answer. */
  settled(lane: Lane, settled: Settled): void {
    const tokens = lane.spell(settled);
    if (settled.text !== "" || tokens.length > 0) {
      this.emit({ text: settled.text, tokens }, { lane: "plain", tokens: lane.generated });
    }
    if (lane.finish) this.end(lane.finish);
  }

  /** The last message to the client; `usage` is what the arbiter counted, if it said. */
  done(usage?: RequestUsage): Done {
    const { start } = this;
    const clock = this.#clock;
    const learned = this.#speculation?.measured;
    return {
      finish: this.finish!,
      prompt_tokens: start.prompt.length,
      completion_tokens: clock.tokens,
      ...(usage && usage.reused_rows > 0 && {
        cached_tokens: Math.min(usage.reused_rows, start.prompt.length),
      }),
      ttft_ms: clock.ttftMs,
      tpot_ms: clock.tpotMs,
      orrery: reportOf({
        start,
        choice: this.#choice,
        clock,
        outline: this.#outline,
        speculation: this.#speculation,
        route: this.#options.route,
        pauses: this.#options.recovery,
        openedRows: this.#opened.length,
        usage,
      }),
      measured: {
        ...(learned && this.#drafting(learned)),
        [this.#paceKey]: this.#pace.snapshot(),
        ...this.#routeLearned(),
      },
    };
  }

  /** What the request has shown of its route. */
  #routeLearned(): Record<string, number[]> {
    const { route, failed, learn } = this.#options.route;
    if (failed) return oneFailed();
    if (!learn || this.#resumed) return {};
    const { ttftMs, tpotMs, tokens, turns } = this.#clock;
    const lanes = Math.max(1, this.#outline?.branches ?? 1);
    const request = { ...learn.request, tokens, lanes, turns };
    const decodeMs = tpotMs * (tokens - 1);
    const foreign = this.#foreign;
    const crowded = foreign.first > (learn.situation[route]?.lanes ?? 0);
    const firstMs = crowded || learn.situation.unseen ? undefined : ttftMs;
    const situation = sharedWith(foreign.mean, route, learn.situation);
    return routeLearned({ route, request, firstMs, decodeMs }, situation);
  }

  /**
   * The client has read what the generation waited to send. Meanwhile no result could be taken in:
   * that time is no silence of the stages.
   */
  waited(): void {
    this.#silence.alive();
  }

  /** Field of `measured` for the pace: drafts of a prediction come true more often than others. */
  get #paceKey(): string {
    return this.#measuredKey(this.start.prediction ? "predicted_pace" : "pace");
  }

  /** Fields of `measured` for what drafts cost and how many come true. */
  #drafting({ model, ngram }: Speculation["measured"]): Record<string, number[]> {
    if (this.start.prediction) return { [this.#measuredKey("prediction")]: ngram };
    return { [this.#measuredKey("model")]: model, [this.#measuredKey("ngram")]: ngram };
  }

  /** A field of `measured` for this route: frames of one node and of the pipeline cost differently. */
  #measuredKey(name: string): string {
    return this.start.solo && this.#options.route.route === "one" ? `${name}_one` : name;
  }

  /** Lets a lane go on as far as its results reach, and gives it its next rows. */
  #settle(lane: Lane): void {
    const settled = lane.settle();
    const failed = lane.finish ? undefined : lane.tip.result?.failed;
    if (failed) {
      this.fault = rowFailed(failed, { strict: this.#strict });
      return;
    }
    const now = this.#ctx.now();
    this.#clock.generated(settled.taken.length, now);
    for (const draft of settled.dropped) this.#rows.dropDraft(draft);
    // The lane stands on a draft: the arbiter takes that row for a lane's own from now on.
    if (settled.accepted > 0 && !lane.finish && !lane.tip.result && lane.pending === undefined) {
      this.#rows.confirm(lane);
    }
    this.#speculation?.settled(settled);
    this.#pace.step({
      tokens: settled.taken.length,
      lanes: this.#rows.size,
      sharing: this.#rows.size + Math.round(this.#foreign.now),
      activity: this.#speculation?.activity ?? 0,
      at: now,
    });
    const owner = this.#rows.ownerOf(lane);
    if (lane.finish) {
      keepAnswer(earlierAnswers(this.#ctx, this.start), lane);
      this.#rows.leave(lane);
      this.#speculation?.leave(lane);
    } else if (this.#speculation) this.#speculation.advance(lane);
    else this.#rows.decode(lane);
    owner.settled(lane, settled);
  }

  #makeSpeculation(): Speculation {
    const { sampling, prompt, stages, drafter, measured, prediction, draft_tree: tree } =
      this.start;
    const { always, draftLength, noModel } = this.#choice;
    const answers = earlierAnswers(this.#ctx, this.start);
    return new Speculation({
      ctx: this.#ctx,
      drafter: noModel === undefined ? drafter : undefined,
      instant: () => lookupDrafter({ prompt, prediction, answers }),
      always,
      tree,
      sampling,
      promptRows: prompt.length,
      draftLength,
      stages,
      measured: {
        model: measured?.[this.#measuredKey("model")] ?? [],
        ngram: measured?.[this.#measuredKey(prediction ? "prediction" : "ngram")] ?? [],
      },
      addRow: (lane, parent, token, draft) => this.#rows.draft(lane, parent, token, draft),
      decode: (lane) => this.#rows.decode(lane),
      changed: () => this.#options.onChange(),
      crowd: () => {
        const lanes = Math.max(1, this.#rows.size);
        const together = Math.min(lanes, Math.max(1, this.#lanesPerFrame));
        return { lanes, together, continuous: this.#pace.way === "continuous" };
      },
      pays: () => always || this.#pace.drafts,
    });
  }

  #makeGrammar(): GrammarRows {
    const { eos, past_eos: pastEos = false, vocab } = this.start;
    if (vocab === undefined) throw new TypeError("start says no vocabulary of the grammar's");
    return new GrammarRows({
      ctx: this.#ctx,
      walk: this.#ctx.resource<GrammarWalk>("grammar"),
      rows: this.#rows,
      vocab,
      eos,
      pastEos,
      due: () => this.#options.onChange(),
      tell: (message) => {
        const told = this.#ctx.tell(this.start.arbiter, message);
        void told.catch(() => {}); // the arbiter is gone: its Generations are told by others
      },
      cut: (lane, row, all) => this.#speculation?.cut(lane, row, all),
    });
  }

  /** Stages of an earlier program must refuse the request. */
  get #strict(): boolean {
    return this.start.constrained === true || this.start.prompt_logprobs !== undefined;
  }
}
