/**
 * Speculation of one request: which tokens to guess, for which lanes, and when not to.
 *
 * It is continuous: while frames are under way the drafter goes on from the path that is expected,
 * as long as the chance that all of it comes true is worth the rows. An answer that is late,
 * because more tokens are certain by now, is used as far as it agrees with them.
 *
 * - Drafted tokens are in **stock** from the drafter's answer until the lane has reached them
 *   (`draft_stock.ts`).
 * - They are **hung** on the lane when they get rows behind its tip, which are then sent.
 * - A lane is **held** while its next row waits for the drafter's answer, to travel with it.
 * - An **instant** drafter needs no model and answers at once (`instant_drafter.ts`); what it finds
 *   beside a draft model is a **lookup**.
 *
 * @module
 */
import type { Drafted, DraftRequest, Sampling } from "../pipeline/mod.ts";
import { type ActorContext, toOrreryError } from "../system/mod.ts";
import { type Crowd, DraftLength, type DraftPlan } from "./draft_length.ts";
import { agree, DraftStock } from "./draft_stock.ts";
import type { InstantDraft, InstantDrafter } from "./instant_drafter.ts";
import type { DraftFacts, Lane, LaneRow, Settled } from "./lane.ts";
import { type AskedDraft, isAhead, type LaneDrafts, tellCertain } from "./lane_drafts.ts";

/** Most tokens that the drafter is asked for at once. */
const MOST_TOKENS = 8;
/**
 * The drafter is not asked to go on from a path whose chance to come true is below this, 0 to 1.
 */
const LEAST_REACH = 0.1;
/** Tokens that the drafter is asked for at each place of a draft: its choice and alternatives. */
const WIDTH = 3;
/** Where the client wants trees, alternatives with a chance below this are left out, 0 to 1. */
const LEAST_ALTERNATIVE = 0.01;
/** Milliseconds without an answer after which the drafter is given up. */
const SILENCE_MS = 10_000;
/**
 * Beside a draft model a looked-up draft is taken if it is expected to be this many times as fast:
 * what matches of a few tokens are worth is known roughly, and the draft model falls behind meanwhile.
 */
const LOOKUP_MARGIN = 1.4;
/** Tokens that are looked up at once beside a draft model. */
const LONGEST_LOOKUP = 32;
/**
 * Most tokens that the drafter may have to catch up with for the time of its answer to tell what a
 * drafted token takes.
 */
const MOST_CAUGHT_UP = 16;

/** Options of {@linkcode Speculation}. */
export interface SpeculationOptions {
  ctx: ActorContext;
  /** Address of the draft model's actor; undefined: no draft model is used. */
  drafter?: string;
  /**
   * Makes a lane's drafter that needs no model; it is used where no draft model pays, and where its
   * draft is expected to give more than the draft model's.
   */
  instant?: () => InstantDrafter;
  sampling: Sampling;
  /** Rows of the prompt: penalties count tokens from there on. */
  promptRows: number;
  /** Most tokens of a draft. */
  draftLength: number;
  /** Makes drafts of `draftLength` tokens whether they pay or not. */
  always: boolean;
  /** See `Start.draft_tree`. */
  tree?: boolean;
  /** Stages of the pipeline. */
  stages: number;
  /** See `Start.measured`. */
  measured?: Record<string, number[]>;
  /** Gives a drafted token its row behind `parent`. */
  addRow(lane: Lane, parent: LaneRow, token: number, draft: DraftFacts): LaneRow;
  /** Gives the lane's next token its row, if it has none yet. */
  decode(lane: Lane): void;
  /** Called when a timer has led to rows that are to be sent. */
  changed(): unknown;
  /** The lanes that share the pipeline now. */
  crowd(): Crowd;
  /** Do drafts pay at present? */
  pays(): boolean;
}

/** What a frame took; see {@linkcode Speculation.frame}. */
export interface FrameTimes {
  /** Milliseconds from the first stage to its answer. */
  ms: number;
  /** Milliseconds of these in which it waited in stages' mailboxes. */
  waitMs: number;
  /** Milliseconds that the slowest stage computed. */
  slowestMs: number;
}

/** See the module's text. */
export class Speculation {
  /** Draft rows that were sent. */
  drafted = 0;
  /** Draft rows that came true. */
  accepted = 0;
  /** Why the draft model is not used any more; undefined: it is, or there was none. */
  lost?: string;
  readonly #options: SpeculationOptions;
  readonly #lanes = new Map<string, LaneDrafts>();
  readonly #lengths: Record<"model" | "ngram", DraftLength>;
  /** Address of the draft model's actor while it is in use. */
  #model?: string;
  /** Number of the next question to the drafter. */
  #nextId = 0;
  /**
   * When the oldest question since the last answer was asked, milliseconds; undefined: none was.
   */
  #silentSince?: number;

  /** Speculation of a request that has no lane yet. */
  constructor(options: SpeculationOptions) {
    this.#options = options;
    this.#model = options.drafter;
    const { draftLength, stages, always, measured } = options;
    this.#lengths = {
      model: new DraftLength({ draftLength, stages, always, measured: measured?.model }),
      ngram: new DraftLength({ draftLength, stages, always, measured: measured?.ngram }),
    };
  }

  /** What was measured, for `Start.measured` of the next request. */
  get measured(): Record<string, number[]> {
    return { model: this.#lengths.model.snapshot(), ngram: this.#lengths.ngram.snapshot() };
  }

  /** A counter that grows with each draft row and each question to the drafter. */
  get activity(): number {
    return this.#nextId + this.drafted;
  }

  /** Drafter in use, and the share of its drafts whose first token came true, 0 to 1. */
  get source(): { name: string; acceptance: number } {
    return this.#model === undefined
      ? { name: "the n-gram drafter", acceptance: this.#lengths.ngram.acceptance }
      : { name: "the draft model", acceptance: this.#lengths.model.acceptance };
  }

  /** A lane begins. */
  join(lane: Lane): void {
    this.#lanes.set(lane.name, { lane, instant: this.#options.instant?.(), pushed: 0, known: [] });
  }

  /** A lane has ended: nothing is drafted for it any more. */
  leave(lane: Lane): void {
    const drafts = this.#lanes.get(lane.name);
    drafts?.asked?.cancel();
    drafts?.release?.();
    this.#lanes.delete(lane.name);
    const model = this.#options.drafter;
    if (!drafts?.used || model === undefined) return;
    // If this message is lost, the drafter frees the lane's rows when their lease ends.
    this.#options.ctx.tell(model, { type: "close", chain: lane.name }, { deadlineMs: SILENCE_MS })
      .catch(() => {});
  }

  /**
   * A frame with so many rows of this request, none of a prompt, took `ms` milliseconds, of which
   * it waited `waitMs` behind other frames and the slowest stage computed `slowestMs`.
   */
  frame(rows: number, { ms, waitMs, slowestMs }: FrameTimes): void {
    const { lanes } = this.#options.crowd();
    for (const length of Object.values(this.#lengths)) {
      length.frame(rows, lanes === 1 ? Math.max(0, ms - waitMs) : ms, { lanes, slowestMs });
    }
  }

  /** Takes in what has become certain in a lane. */
  settled({ taken, accepted, forced, judged }: Settled): void {
    this.accepted += accepted - forced;
    for (const { draft, right } of judged) {
      // Drafts of the model are judged in stock, where those without rows are too.
      if (draft.by === "ngram") this.#lengths.ngram.judged(draft.depth, draft.chance, right);
    }
    for (const length of Object.values(this.#lengths)) length.undrafted(taken.length);
  }

  /**
   * A lane goes on: its next token gets a row, with drafts behind it if they pay. The row may be
   * held back for a moment, to travel with the draft that the drafter is working at.
   */
  advance(lane: Lane): void {
    const drafts = this.#lanes.get(lane.name)!;
    const fresh = lane.pending !== undefined;
    if (!this.#options.pays()) return this.#options.decode(lane);
    if (this.#model !== undefined) {
      const plan = this.#lengths.model.plan(this.#options.crowd());
      const found = this.#lookUp(drafts);
      drafts.looked = found !== undefined && found.plan.rate > LOOKUP_MARGIN * plan.rate;
      if (found && drafts.looked) {
        this.#options.decode(lane);
        return this.#hang(lane, new DraftStock(lane.tokens, found.draft), {
          plan: found.plan,
          fresh,
          by: "ngram",
        });
      }
      if (plan.length > 0) {
        this.#judge(drafts);
        const usable = isAhead(drafts);
        this.#ask(drafts, plan);
        if (fresh && !usable && drafts.asked && plan.wait && !drafts.inVain) {
          return this.#hold(drafts);
        }
        return this.#goOn(drafts, plan, fresh);
      }
    }
    this.#options.decode(lane);
    if (drafts.instant) this.#draftAtOnce(drafts, drafts.instant, fresh);
  }

  /** Takes the drafter's answer in. One that was asked for by an older question is ignored. */
  answered(answer: Drafted): void {
    const drafts = this.#lanes.get(answer.chain);
    const asked = drafts?.asked;
    if (!drafts || asked?.id !== answer.id) return;
    asked.cancel();
    drafts.asked = undefined;
    drafts.inVain = false;
    this.#silentSince = undefined;
    const { lane } = drafts;
    const { ctx } = this.#options;
    // Before its first answer the drafter runs the whole prompt, and may read the model from its
    // disk; after lookups it runs what they have written: that time says nothing about the next
    // answers.
    if (drafts.known.length > 0 && asked.behind <= MOST_CAUGHT_UP) {
      this.#lengths.model.drafted(answer.tokens.length, ctx.now() - asked.at);
    }
    drafts.known = asked.tokens;
    this.#keep(drafts, asked, answer);
    const fresh = lane.pending !== undefined;
    if (!this.#options.pays()) {
      this.#options.decode(lane);
      return drafts.release?.();
    }
    if (drafts.looked) return; // it waits in stock until the draft model's turn comes again
    // A drafter that drafted nothing would do so again.
    if (answer.tokens.length > 0) this.#ask(drafts, asked.plan);
    // The question was asked before the last token was known, and the draft did not guess that
    // token: the next answer will be of use.
    if (fresh && !isAhead(drafts) && drafts.asked && asked.plan.wait) return this.#hold(drafts);
    this.#goOn(drafts, asked.plan, fresh);
  }

  /** A grammar refuses a draft: it and those behind it were taken back before they were sent. */
  cut(lane: Lane, row: LaneRow, all: readonly LaneRow[]): void {
    this.drafted -= all.filter(({ draft }) => draft?.by !== "grammar").length;
    const { depth, chance, by, chosen } = row.draft!;
    if (by === "ngram" && chosen) this.#lengths.ngram.judged(depth, chance, false);
    const refused = this.#lanes.get(lane.name)?.stock?.refuse(row.position, row.token);
    if (refused) this.#lengths.model.judged(refused.depth, refused.chance, false);
  }

  /** The drafter could not answer a question: it is asked anew, or given up. */
  refused({ chain, id }: { chain: string; id: number }, code: string, message: string): void {
    const drafts = this.#lanes.get(chain);
    if (drafts?.asked?.id !== id) return;
    const { plan, cancel } = drafts.asked;
    cancel();
    drafts.asked = undefined;
    if (code !== "no_chain" || drafts.known.length === 0) return this.#giveUp(message);
    drafts.known = []; // the drafter was started anew and needs all tokens again
    this.#ask(drafts, plan);
  }

  /** Several lanes share the pipeline. */
  get #crowded(): boolean {
    return this.#options.crowd().lanes > 1;
  }

  /** Stops using the draft model; lanes that wait for it go on. */
  #giveUp(why: string): void {
    if (this.#model === undefined) return;
    this.#model = undefined;
    this.lost = why;
    for (const drafts of this.#lanes.values()) {
      drafts.asked?.cancel();
      drafts.asked = undefined;
      this.#options.decode(drafts.lane);
      drafts.release?.();
    }
  }

  /** Holds a lane's next row back until the drafter answers, or until that takes too long. */
  #hold(drafts: LaneDrafts): void {
    if (drafts.release) return;
    const { ctx, decode, changed } = this.#options;
    const cancel = ctx.after(this.#lengths.model.waitMs(drafts.asked!.length), async () => {
      drafts.release = undefined;
      drafts.inVain = true;
      decode(drafts.lane);
      await changed();
    });
    drafts.release = () => {
      cancel();
      drafts.release = undefined;
    };
  }

  /** Adds an answer to the stock, unless a token before it has turned out otherwise. */
  #keep(drafts: LaneDrafts, { tokens: before }: AskedDraft, answer: Drafted): void {
    const { lane, stock } = drafts;
    if (!agree(before, lane.tokens)) return;
    const follows = stock && stock.tokens.length === before.length && agree(stock.tokens, before);
    if (follows) stock.add(answer);
    else drafts.stock = new DraftStock(before, answer);
    this.#judge(drafts);
  }

  /** Compares the stock with the tokens that are certain; drops it where it was wrong. */
  #judge(drafts: LaneDrafts): void {
    const { model } = this.#lengths;
    const right = drafts.stock?.judge(
      drafts.lane.tokens,
      ({ depth, chance }, right) => model.judged(depth, chance, right),
    );
    if (right === false) drafts.stock = undefined;
  }

  /** Gives the lane's next token its row, and drafts from stock theirs behind it. */
  #goOn(drafts: LaneDrafts, plan: DraftPlan, fresh: boolean): void {
    this.#options.decode(drafts.lane);
    drafts.release?.();
    if (fresh) this.#lengths.model.wanted(isAhead(drafts));
    if (drafts.stock) this.#hang(drafts.lane, drafts.stock, { plan, fresh, by: "model" });
  }

  /**
   * Asks the drafter for what comes after the stock, unless there is enough in stock or the draft
   * is unlikely to be of use. A question that the certain tokens have left behind is given up.
   */
  #ask(drafts: LaneDrafts, plan: DraftPlan): void {
    const { lane, asked, stock } = drafts;
    if (this.#model === undefined) return;
    if (asked) {
      const outrun = lane.tokens.length >= asked.tokens.length + asked.length;
      if (!outrun && agree(asked.tokens, lane.tokens)) return; // the answer will be of use
      asked.cancel();
      drafts.asked = undefined;
      this.#silentSince ??= asked.at;
      if (this.#options.ctx.now() - this.#silentSince >= SILENCE_MS) {
        return this.#giveUp(`it said nothing for ${SILENCE_MS} ms`);
      }
    }
    const holds = isAhead(drafts) && agree(stock!.tokens, lane.tokens);
    if (holds && stock!.ended) return;
    const tokens = holds ? stock!.tokens.slice() : lane.tokens.slice();
    const reach = holds
      ? stock!.reach(lane.tokens.length, (chance) => this.#lengths.model.chance(chance))
      : 1;
    const most = this.#crowded ? plan.length : plan.depth;
    const wanted = Math.min(most, lane.room) - (tokens.length - lane.tokens.length);
    const length = Math.min(MOST_TOKENS, plan.length, wanted);
    if (length <= 0 || reach < Math.max(plan.worth, LEAST_REACH)) return;
    this.#send(this.#model, drafts, { tokens, length, plan });
  }

  /** Sends a question to the drafter, with the tokens that it does not hold yet. */
  #send(
    model: string,
    drafts: LaneDrafts,
    { tokens, length, plan }: Pick<AskedDraft, "tokens" | "length" | "plan">,
  ): void {
    let base = 0;
    while (base < drafts.known.length && drafts.known[base] === tokens[base]) base++;
    base = Math.min(base, tokens.length - 1);
    const { ctx, sampling, promptRows } = this.#options;
    const id = this.#nextId++;
    const cancel = ctx.after(SILENCE_MS, async () => {
      this.#giveUp(`it said nothing for ${SILENCE_MS} ms`);
      await this.#options.changed();
    });
    const behind = tokens.length - base;
    drafts.asked = { id, tokens, length, behind, plan, at: ctx.now(), cancel };
    drafts.used = true;
    const request: DraftRequest = {
      chain: drafts.lane.name,
      id,
      base,
      tokens: Int32Array.from(tokens.slice(base)),
      length,
      width: this.#options.tree === false ? 1 : WIDTH,
      sampling,
      prompt_rows: promptRows,
      reply_to: ctx.self,
    };
    // Nobody waits for this: a drafter that is busy or gone must not stop the decoding.
    ctx.tell(model, { type: "draft", ...request }, { deadlineMs: SILENCE_MS }).catch((error) => {
      if (drafts.asked?.id !== id) return;
      ctx.after(0, async () => {
        this.#giveUp(toOrreryError(error).message);
        await this.#options.changed();
      });
    });
  }

  /** What a drafter without a model guesses beside the draft model, and what that is worth. */
  #lookUp(drafts: LaneDrafts): { draft: InstantDraft; plan: DraftPlan } | undefined {
    const { lane, instant } = drafts;
    if (!instant || lane.room <= 0) return undefined;
    tellCertain(drafts, instant);
    const draft = instant.draft(Math.min(LONGEST_LOOKUP, lane.room));
    if (draft.tokens.length === 0) return undefined;
    const plan = this.#lengths.ngram.plan(this.#options.crowd(), draft.chances);
    return plan.length > 0 ? { draft, plan } : undefined;
  }

  /** Drafts without a model, and gives the drafted tokens their rows. */
  #draftAtOnce(drafts: LaneDrafts, instant: InstantDrafter, fresh: boolean): void {
    const { lane } = drafts;
    tellCertain(drafts, instant);
    const plan = this.#lengths.ngram.plan(this.#options.crowd());
    const most = this.#crowded ? plan.length : plan.depth;
    const length = Math.min(most, lane.room);
    if (plan.length === 0 || length <= 0) return;
    const draft = instant.draft(length);
    this.#lengths.ngram.wanted(draft.tokens.length > 0);
    this.#hang(lane, new DraftStock(lane.tokens, draft), { plan, fresh, by: "ngram" });
  }

  /**
   * Gives drafted tokens rows behind the lane's tip, as far as they are worth it. With `fresh` the
   * tip's own row has not been sent yet: the first drafts travel with it, as far as its frame goes.
   */
  #hang(
    lane: Lane,
    stock: DraftStock,
    { plan, fresh, by }: { plan: DraftPlan; fresh: boolean; by: "model" | "ngram" },
  ): void {
    if (!agree(stock.tokens, lane.tokens)) return;
    const { tree } = this.#options;
    let leaf = lane.tip;
    let reach = 1;
    const most = Math.min(lane.room, plan.depth);
    for (let ahead = 0; ahead < most; ahead++) {
      const draft = stock.at(lane.tokens.length + ahead);
      if (!draft) return;
      // Rows that do not travel with the tip's own need a frame of their own.
      const rides = fresh && ahead < plan.frame - 1;
      const worth = rides ? plan.worth : Math.max(plan.worth, plan.ahead);
      const add = (token: number, chance: number, chosen: boolean, worth: number) => {
        const own = this.#lengths[by].chance(chance);
        const facts = {
          depth: draft.depth,
          chance,
          reach: reach * own,
          frame: plan.frame,
          by,
          chosen,
        };
        if (facts.reach < worth || leaf.children.some((child) => child.token === token)) return;
        this.drafted++;
        return this.#options.addRow(lane, leaf, token, facts);
      };
      const { token, chance, alternatives } = draft;
      const next = leaf.children.find((child) => child.token === token) ??
        add(token, chance, !leaf.children.some(({ draft }) => draft?.chosen), worth);
      if (rides && tree !== false) {
        const least = tree ? LEAST_ALTERNATIVE : worth;
        for (const [other, own] of alternatives) if (other !== token) add(other, own, false, least);
      }
      if (!next) return;
      leaf = next;
      reach = next.draft!.reach;
    }
  }
}
