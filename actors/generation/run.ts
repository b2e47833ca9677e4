/**
 * The state of one request: its rows, its lanes, what it has to say to whom.
 *
 * @module
 */
import { type Drafted, NgramDrafter } from "../pipeline/mod.ts";
import type { RequestUsage, ResultsMessage } from "../arbiter/mod.ts";
import { type ActorContext, type Message, OrreryError, type WireError } from "../system/mod.ts";
import type { MakeOutlineText } from "../outline/mod.ts";
import { Lane, type LaneRow, type RowResult, type Settled } from "./lane.ts";
import {
  type AnswerReport,
  type Delta,
  type Done,
  type MakeCodec,
  MOST_CONTEXTS,
  type SpelledToken,
  type Start,
} from "./messages.ts";
import { decideMode, type ModeChoice, reportMode } from "./mode.ts";
import { RowOutbox } from "./row_outbox.ts";
import { OutlineRun } from "./outline_run.ts";
import { Pace } from "./pace.ts";
import { type InstantDrafter, Speculation } from "./speculation.ts";

/** Weight of the newest frame in the mean of lanes. */
const NEWEST = 0.2;

/** Tokens that have rows. */
export interface TokenChain {
  tokens: readonly number[];
  rows: readonly number[];
}

/** What a lane's owner hears of it. */
export interface LaneOwner {
  /** It has new tokens, or is over (`lane.finish`). */
  settled(lane: Lane, settled: Settled): void;
}

/** Options of {@linkcode GenerationRun.addLane}. */
export interface NewLane {
  name: string;
  /** Whole token sequence before the first wanted token. */
  prompt: ArrayLike<number>;
  /** Rows that are there already: as far as the prompt begins like it, they are shared. */
  shared: TokenChain;
  limit: number;
  stop: string[];
  owner: LaneOwner;
}

/** Options of a {@linkcode GenerationRun}. */
export interface GenerationRunOptions {
  silenceMs: number;
  /** The stages say nothing any more. */
  onSilence(error: WireError): unknown;
  /** A turn that no message began has changed something. */
  onChange(): unknown;
}

/** See the module's text. */
export class GenerationRun implements LaneOwner {
  readonly start: Start;
  /** Deltas that the client has not got yet. */
  readonly deltas: Delta[] = [];
  /** Why the request cannot go on. */
  fault?: OrreryError;
  /** How the answer ended; undefined: it goes on. */
  finish?: "stop" | "length";
  readonly #ctx: ActorContext;
  readonly #options: GenerationRunOptions;
  readonly #outbox: RowOutbox;
  readonly #lanes = new Map<string, { lane: Lane; owner: LaneOwner }>();
  /** Wanted rows without a result, by number. */
  readonly #waiting = new Map<number, { lane: Lane; row: LaneRow; alone: boolean }>();
  readonly #choice: ModeChoice;
  readonly #speculation?: Speculation;
  readonly #outline?: OutlineRun;
  readonly #began: number;
  #aliveAt: number;
  #firstTokenAt?: number;
  #firstTextAt?: number;
  #lastAt = 0;
  #generated = 0;
  readonly #pace: Pace;
  /** Lanes in one frame in the mean. */
  #together = 1;
  /** Prompt of the first lane: what is opened. */
  readonly #opened: Int32Array;

  constructor(ctx: ActorContext, start: Start, options: GenerationRunOptions) {
    this.#ctx = ctx;
    this.start = start;
    this.#options = options;
    this.#began = this.#aliveAt = ctx.now();
    this.#pace = new Pace({ measured: start.measured?.[this.#paceKey] });
    const words = start.mode === "auto" || start.mode.startsWith("outline")
      ? ctx.resource<MakeOutlineText | undefined>("outline")?.()
      : undefined;
    const choice = this.#choice = decideMode(start, words);
    if (choice.outline) {
      this.#outline = new OutlineRun(this, words!);
      this.#opened = this.#outline.prompt;
    } else this.#opened = start.prompt;
    this.#outbox = new RowOutbox(ctx.self, this.#opened.length);
    if (choice.draftLength > 0) this.#speculation = this.#makeSpeculation(choice.draftLength);
    if (this.#outline) this.#outline.begin();
    else this.openLane({ name: "plain", limit: start.max_tokens, stop: start.stop, owner: this });
    this.#watchSilence();
  }

  /** The message that begins the request at the arbiter. */
  get open() {
    const { sampling, pieces, max_tokens, outline_tokens = max_tokens } = this.start;
    const drafts = this.#choice.draftLength * 3;
    const tokens = this.#outline ? Math.max(max_tokens, outline_tokens) : max_tokens;
    const rows = this.#opened.length + tokens + drafts +
      (this.#outline?.extraRows ?? 0);
    return {
      type: "open",
      generation: this.#ctx.self,
      prompt: this.#opened,
      sampling,
      pieces,
      max_rows: Math.min(rows, MOST_CONTEXTS * this.start.context),
      reuse: true,
    };
  }

  /** Messages for the arbiter, in order; asked for once a turn. */
  takeMessages(): Message[] {
    return this.#outbox.take();
  }

  /** The request is over, however it ended: nobody drafts for it any more. */
  close(): void {
    for (const { lane } of this.#lanes.values()) this.#speculation?.leave(lane);
    this.#lanes.clear();
    this.#waiting.clear();
  }

  /** The arbiter's word: rows have their results. */
  results({ results, frame_ms }: ResultsMessage): void {
    this.#alive();
    const lanes = new Set<Lane>();
    let alone = true;
    for (const result of results) {
      const found = this.#waiting.get(result.row);
      if (!found) continue; // dropped since
      this.#waiting.delete(result.row);
      found.row.result = result;
      lanes.add(found.lane);
      alone &&= found.alone;
    }
    // A frame with pieces of prompts says nothing about what a row costs.
    if (alone && lanes.size > 0) {
      this.#speculation?.frame(results.length, frame_ms);
      this.#together += NEWEST * (lanes.size - this.#together);
    } else if (!alone) this.#pace.interrupt();
    for (const lane of lanes) {
      if (this.fault || this.finish) return;
      this.#settle(lane);
    }
  }

  /** The drafter's word. */
  drafted(answer: Drafted): void {
    this.#speculation?.answered(answer);
  }

  /** The drafter's refusal. */
  undrafted(which: { chain: string; id: number }, { code, message }: WireError): void {
    this.#speculation?.refused(which, code, message);
  }

  /** Begins a lane. */
  addLane({ name, prompt, shared, limit, stop, owner }: NewLane): Lane {
    const rows = this.addPrompt(prompt, shared, true);
    const tip: LaneRow = {
      row: rows.at(-1)!,
      token: prompt[prompt.length - 1],
      position: prompt.length - 1,
      children: [],
    };
    return this.#enter({ name, prompt, rows, limit, stop, tip, owner });
  }

  /** Begins a lane on the prompt that is opened. */
  openLane(lane: Pick<NewLane, "name" | "limit" | "stop" | "owner">): Lane {
    const prompt = this.#opened;
    const rows = Array.from(prompt, (_, i) => i);
    const tip = {
      row: prompt.length - 1,
      token: prompt.at(-1)!,
      position: prompt.length - 1,
      children: [],
    };
    return this.#enter({ ...lane, prompt, rows, tip });
  }

  /**
   * Gives a token sequence rows where it has none yet; if the next token is wanted, its last row is
   * its own. All rows' numbers.
   */
  addPrompt(prompt: ArrayLike<number>, shared: TokenChain, want = false): number[] {
    let same = 0;
    const most = Math.min(want ? prompt.length - 1 : prompt.length, shared.rows.length);
    while (same < most && shared.tokens[same] === prompt[same]) same++;
    const rows = shared.rows.slice(0, same);
    for (let i = same; i < prompt.length; i++) {
      rows.push(this.#outbox.add({
        token: prompt[i],
        position: i,
        parent: rows.at(-1) ?? -1,
        want: want && i === prompt.length - 1,
        kind: "prefill",
      }));
    }
    return rows;
  }

  /** Rows from this one on are of no use any more. */
  drop(row: number): void {
    this.#outbox.drop(row);
  }

  /** Something for the client. */
  emit(delta: Delta): void {
    this.#firstTextAt ??= this.#ctx.now();
    this.deltas.push(delta);
  }

  /** The answer is complete. */
  end(finish: "stop" | "length"): void {
    this.finish = finish;
  }

  /** The tokens of a settled lane as the client gets them. */
  spell(lane: Lane, { taken }: Settled): SpelledToken[] {
    return taken.flatMap(({ result, eos }) => eos ? [] : [spell(lane, result)]);
  }

  /** The plain lane: its text is the answer. */
  settled(lane: Lane, settled: Settled): void {
    const tokens = this.spell(lane, settled);
    if (settled.text !== "" || tokens.length > 0) this.emit({ text: settled.text, tokens });
    if (lane.finish) this.end(lane.finish);
  }

  /** The original question after all: an outline could not be used. */
  plainAfter(shared: TokenChain, limit: number): void {
    const { prompt, stop } = this.start;
    this.addLane({ name: "plain", prompt, shared, limit, stop, owner: this });
  }

  /** Lanes that are under way. */
  get lanes(): number {
    return this.#lanes.size;
  }

  /** The end's message to the client; `usage` is the arbiter's word, if it could be had. */
  done(usage?: RequestUsage): Done {
    const tokens = this.#generated;
    const perToken = tokens > 1 ? (this.#lastAt - this.#firstTokenAt!) / (tokens - 1) : 0;
    const ttft_ms = (this.#firstTextAt ?? this.#lastAt) - this.#began;
    const speculation = this.#speculation;
    const { mode, why } = reportMode(this.#choice, {
      asked: this.start.mode,
      by: this.start.mode_by,
      outline: this.#outline,
      speculation,
      generated: tokens,
    });
    const report: AnswerReport = {
      mode,
      why,
      nodes: this.start.nodes,
      stages: this.start.stages,
      ttft_ms,
      tokens_per_s: perToken > 0 ? 1000 / perToken : 0,
      pieces: usage?.pieces ?? null,
      drafted: speculation?.drafted ?? 0,
      accepted: speculation?.accepted ?? 0,
      branches: this.#outline?.branches ?? 0,
      bubble_share: usage?.bubble_share ?? null,
      wasted_row_share: usage ? this.#wasted(usage) / Math.max(1, usage.rows) : null,
      bytes_per_token_per_hop: usage
        ? usage.bytes_per_row_per_hop * usage.rows / Math.max(1, this.#opened.length + tokens)
        : null,
    };
    return {
      finish: this.finish!,
      prompt_tokens: this.start.prompt.length,
      completion_tokens: tokens,
      ttft_ms,
      tpot_ms: perToken,
      orrery: report,
      measured: {
        ...(speculation &&
          (this.start.prediction
            ? { prediction: speculation.measured.ngram }
            : speculation.measured)),
        [this.#paceKey]: this.#pace.snapshot(),
      },
    };
  }

  /** Drafts of a prediction come true more often than others. */
  get #paceKey(): string {
    return this.start.prediction ? "predicted_pace" : "pace";
  }

  /**
   * Rows that were run for nothing: drafts that did not come true. Rows of a finished branch are
   * dropped too, but were of use.
   */
  #wasted({ wasted_rows }: RequestUsage): number {
    const { drafted = 0, accepted = 0 } = this.#speculation ?? {};
    return Math.min(wasted_rows, drafted - accepted);
  }

  /** The client, for whom the generation waited, has just shown that it lives. */
  waited(): void {
    this.#alive();
  }

  #enter(
    { name, prompt, rows, limit, stop, tip, owner }: Omit<NewLane, "shared"> & {
      rows: ArrayLike<number>;
      tip: LaneRow;
    },
  ): Lane {
    const codec = this.#ctx.resource<MakeCodec>("codec")(stop);
    const { eos } = this.start;
    const lane = new Lane({
      name: `${this.#ctx.self}/${name}`,
      prompt,
      rows,
      tip,
      limit,
      eos,
      codec,
    });
    this.#lanes.set(lane.name, { lane, owner });
    this.#await(lane, tip, false);
    this.#speculation?.join(lane);
    return lane;
  }

  #settle(lane: Lane): void {
    const settled = lane.settle();
    const failed = lane.finish ? undefined : lane.tip.result?.failed;
    if (failed) {
      this.fault = new OrreryError({ group: "engine", code: failed.code, message: failed.message });
      return;
    }
    if (settled.taken.length > 0) {
      this.#lastAt = this.#ctx.now();
      this.#firstTokenAt ??= this.#lastAt;
      this.#generated += settled.taken.length;
    }
    for (const row of settled.dropped) this.#dropDraft(row);
    // It was sent as a guess, or waits as one: now the lane stands on it.
    if (settled.accepted > 0 && !lane.finish && !lane.tip.result && lane.pending === undefined) {
      this.#outbox.certain(lane.tip.row);
    }
    this.#speculation?.settled(settled);
    this.#pace.step({
      tokens: settled.taken.length,
      lanes: this.#lanes.size,
      activity: this.#speculation?.activity ?? 0,
      at: this.#ctx.now(),
    });
    const { owner } = this.#lanes.get(lane.name)!;
    if (lane.finish) {
      this.#lanes.delete(lane.name);
      this.#speculation?.leave(lane);
    } else if (this.#speculation) this.#speculation.advance(lane);
    else this.#decode(lane);
    owner.settled(lane, settled);
  }

  #decode(lane: Lane): void {
    if (lane.pending === undefined) return;
    const token = lane.pending;
    const { row: parent, position } = lane.tip;
    const number = this.#outbox.add({
      token,
      position: position + 1,
      parent,
      want: true,
      kind: "decode",
    });
    const row = { row: number, token, position: position + 1, children: [] };
    lane.decoded(row);
    this.#await(lane, row, true);
  }

  #await(lane: Lane, row: LaneRow, alone: boolean): void {
    if (this.#waiting.size === 0) this.#alive(); // the clock runs while something is under way
    this.#waiting.set(row.row, { lane, row, alone });
  }

  #dropDraft(row: LaneRow): void {
    this.#outbox.drop(row.row);
    const forget = ({ row, children }: LaneRow) => {
      this.#waiting.delete(row);
      children.forEach(forget);
    };
    forget(row);
  }

  #makeSpeculation(draftLength: number): Speculation {
    const { sampling, prompt, stages, drafter, measured, prediction, draft_tree: tree } =
      this.start;
    const { always } = this.#choice;
    return new Speculation({
      ctx: this.#ctx,
      drafter: this.#choice.noModel === undefined ? drafter : undefined,
      instant: () => {
        const drafter = lookup(new NgramDrafter());
        // The prompt's end goes before it, so that the end of the prompt itself leads to its
        // beginning.
        if (prediction) drafter.push([...prompt.subarray(-drafter.longest), ...prediction]);
        return drafter;
      },
      always,
      tree,
      sampling,
      promptRows: prompt.length,
      draftLength,
      stages,
      measured: prediction ? { ngram: measured?.prediction ?? [] } : measured,
      addRow: (lane, parent, token, draft) => {
        const position = parent.position + 1;
        const row: LaneRow = {
          row: this.#outbox.add({
            token,
            position,
            parent: parent.row,
            want: true,
            kind: "draft",
            chance: draft.reach,
          }),
          token,
          position,
          children: [],
          draft,
        };
        parent.children.push(row);
        this.#await(lane, row, true);
        return row;
      },
      decode: (lane) => this.#decode(lane),
      changed: () => this.#options.onChange(),
      crowd: () => {
        const lanes = Math.max(1, this.#lanes.size);
        return { lanes, together: Math.min(lanes, Math.max(1, this.#together)) };
      },
      pays: () => always || this.#pace.drafts,
    });
  }

  #alive(): void {
    this.#aliveAt = this.#ctx.now();
  }

  #watchSilence(): void {
    const { silenceMs, onSilence } = this.#options;
    const silent = this.#ctx.now() - this.#aliveAt;
    if (this.#waiting.size > 0 && silent >= silenceMs) {
      const rows = [...this.#waiting.keys()];
      return void onSilence({
        group: "actor",
        code: "stages_silent",
        message:
          `no stage answered for ${silenceMs} ms (${rows.length} rows are waited for, the first is ${
            rows[0]
          })`,
        metadata: { arbiter: this.start.arbiter, silence_ms: silenceMs },
        actor: this.#ctx.self,
      });
    }
    this.#ctx.after(Math.max(1, silenceMs - silent), () => this.#watchSilence());
  }
}

function spell(lane: Lane, { token, logprob, top }: RowResult): SpelledToken {
  const text = lane.tokenText(token);
  return {
    token,
    text,
    ...(logprob !== undefined && { logprob }),
    ...(top && { top, topText: top.map(([id]) => lane.tokenText(id)) }),
  };
}

/** The n-gram drafter's chances are of all tokens up to each; those of each alone are wanted. */
function lookup(drafter: NgramDrafter): InstantDrafter & { longest: number } {
  return {
    longest: drafter.longest,
    push(tokens) {
      for (const token of tokens) drafter.push(token);
    },
    draft(length) {
      const { tokens, chances } = drafter.draft(length);
      return {
        tokens: Array.from(tokens),
        chances: Array.from(chances, (chance, i) => i === 0 ? chance : chance / chances[i - 1]),
      };
    },
  };
}
