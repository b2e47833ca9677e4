/**
 * Speculation of one request: which tokens to guess, for which lanes, and when not to.
 *
 * Continuous: while frames are under way the drafter goes on from the path that is expected, as
 * long as the chance that all of it comes true is worth the rows. An answer that the truth has
 * overtaken is used as far as it still holds.
 *
 * @module
 */
import type { Drafted, DraftRequest, Sampling } from "../pipeline/mod.ts";
import { type ActorContext, toOrreryError } from "../system/mod.ts";
import { type Crowd, DraftLength, type DraftPlan } from "./draft_length.ts";
import type { InstantDrafter } from "./instant_drafter.ts";
import type { DraftFacts, Lane, LaneRow, Settled } from "./lane.ts";

/** Drafted rows of a lane that may be under way at once. */
const MOST_ROWS = 32;
/** Tokens asked of the drafter at once. */
const MOST_TOKENS = 8;
/** Nothing is drafted beyond tokens that are less likely than this to come true. */
const LEAST_REACH = 0.1;
/** Alternatives at a depth, the chosen token included. */
const WIDTH = 3;
/** An alternative that is less likely than this is not sent, whoever wishes trees. */
const LEAST_ALTERNATIVE = 0.01;
/** A drafter that says nothing for so long is given up. */
const SILENCE_MS = 10_000;

/** Options of {@linkcode Speculation}. */
export interface SpeculationOptions {
  ctx: ActorContext;
  /** Address of the draft model's actor. */
  drafter?: string;
  /** Makes the drafter that needs no model. */
  instant?: () => InstantDrafter;
  sampling: Sampling;
  /** End of the prompt, for penalties. */
  promptRows: number;
  /** Longest draft. */
  draftLength: number;
  /** Drafts of that length, whether they pay or not. */
  always: boolean;
  /** See `Start.draft_tree`. */
  tree?: boolean;
  stages: number;
  /** See `Start.measured`. */
  measured?: Record<string, number[]>;
  /** Gives a drafted token its row. */
  addRow(lane: Lane, parent: LaneRow, token: number, draft: DraftFacts): LaneRow;
  /** Gives the lane's pending token its row, if it has none. */
  decode(lane: Lane): void;
  /** A turn of its own has changed something: send it. */
  changed(): unknown;
  /** Lanes that fill the pipeline. */
  crowd(): Crowd;
  /** Do drafts pay at present? */
  pays(): boolean;
}

interface AskedDraft {
  id: number;
  /** Certain and expected tokens that the answer follows. */
  tokens: number[];
  length: number;
  plan: DraftPlan;
  at: number;
  cancel: () => void;
}

/** Drafted tokens after certain ones. */
interface Stock {
  /** All tokens, certain and drafted. */
  tokens: number[];
  /** Number of the first drafted one. */
  first: number;
  /** Tokens before this number are compared with the truth. */
  judged: number;
  /** Place of each drafted one in its answer, 1, 2 ... */
  depths: number[];
  chances: number[];
  alternatives: (readonly (readonly [number, number])[])[];
}

interface LaneDrafts {
  lane: Lane;
  instant?: InstantDrafter;
  pushed: number;
  asked?: AskedDraft;
  /** Tokens that the drafter holds. */
  known: number[];
  /** What was drafted, whether it has rows or not. */
  stock?: Stock;
  /** Was the drafter ever asked? */
  used?: true;
  /** The last wait for the drafter was in vain. */
  inVain?: boolean;
  /** Ends the wait for the drafter. */
  release?: () => void;
}

/** See the module's text. */
export class Speculation {
  /** Rows sent, and those that came true. */
  drafted = 0;
  accepted = 0;
  /** Why the draft model is not used any more. */
  lost?: string;
  readonly #options: SpeculationOptions;
  readonly #lanes = new Map<string, LaneDrafts>();
  readonly #lengths: Record<"model" | "ngram", DraftLength>;
  #model?: string;
  #nextId = 0;
  /** When the first request was sent that has no answer, if none came since. */
  #silentSince?: number;

  constructor(options: SpeculationOptions) {
    this.#options = options;
    this.#model = options.drafter;
    const { draftLength, stages, always, measured } = options;
    this.#lengths = {
      model: new DraftLength({ draftLength, stages, always, measured: measured?.model }),
      ngram: new DraftLength({ draftLength, stages, always, measured: measured?.ngram }),
    };
  }

  /** What it learned, for the next request. */
  get measured(): Record<string, number[]> {
    return { model: this.#lengths.model.snapshot(), ngram: this.#lengths.ngram.snapshot() };
  }

  /** Counts up with whatever is drafted or asked. */
  get activity(): number {
    return this.#nextId + this.drafted;
  }

  get #crowded(): boolean {
    return this.#options.crowd().lanes > 1;
  }

  /** Name of the drafter in use, and how often its first token comes true. */
  get source(): { name: string; acceptance: number } {
    return this.#model === undefined
      ? { name: "the n-gram drafter", acceptance: this.#lengths.ngram.acceptance }
      : { name: "the draft model", acceptance: this.#lengths.model.acceptance };
  }

  /** A lane begins. */
  join(lane: Lane): void {
    this.#lanes.set(lane.name, { lane, instant: this.#options.instant?.(), pushed: 0, known: [] });
  }

  /** A lane is over. */
  leave(lane: Lane): void {
    const drafts = this.#lanes.get(lane.name);
    drafts?.asked?.cancel();
    drafts?.release?.();
    this.#lanes.delete(lane.name);
    const model = this.#options.drafter;
    if (!drafts?.used || model === undefined) return;
    // Its rows are freed now or after the drafter's lease.
    this.#options.ctx.tell(model, { type: "close", chain: lane.name }, { deadlineMs: SILENCE_MS })
      .catch(
        () => {},
      );
  }

  /** A frame is back. */
  frame(rows: number, ms: number): void {
    for (const length of Object.values(this.#lengths)) {
      length.frame(rows, ms, this.#options.crowd());
    }
  }

  /** What has just become certain in a lane. */
  settled({ taken, accepted, judged }: Settled): void {
    this.accepted += accepted;
    for (const { draft, right } of judged) {
      // The model's are judged by what is in stock, rows or not.
      if (draft.by === "ngram") this.#lengths.ngram.judged(draft.depth, draft.chance, right);
    }
    for (const length of Object.values(this.#lengths)) length.undrafted(taken.length);
  }

  /** Hangs drafts on a lane's end, asks for more, or lets it go on without. */
  advance(lane: Lane): void {
    const drafts = this.#lanes.get(lane.name)!;
    const fresh = lane.pending !== undefined;
    if (!this.#options.pays()) return this.#options.decode(lane);
    if (this.#model !== undefined) {
      const plan = this.#lengths.model.plan(this.#options.crowd());
      if (plan.length > 0) {
        this.#judge(drafts);
        const empty = (drafts.stock?.tokens.length ?? 0) <= lane.tokens.length;
        this.#ask(drafts, plan);
        if (fresh && empty && drafts.asked && plan.wait && !drafts.inVain) {
          return this.#hold(drafts);
        }
        return this.#goOn(drafts, plan, fresh);
      }
    }
    this.#options.decode(lane);
    if (drafts.instant) this.#draftAtOnce(drafts, drafts.instant, fresh);
  }

  /** The drafter's answer. */
  answered(answer: Drafted): void {
    const drafts = this.#lanes.get(answer.chain);
    const asked = drafts?.asked;
    if (!drafts || asked?.id !== answer.id) return; // about what does not hold any more
    asked.cancel();
    drafts.asked = undefined;
    drafts.inVain = false;
    this.#silentSince = undefined;
    const { lane } = drafts;
    const { ctx } = this.#options;
    // The first answer took in the whole prompt, and maybe the model from its disk: that says
    // nothing about the next.
    if (drafts.known.length > 0) {
      this.#lengths.model.drafted(answer.tokens.length, ctx.now() - asked.at);
    }
    drafts.known = asked.tokens;
    this.#keep(drafts, asked, answer);
    const fresh = lane.pending !== undefined;
    if (!this.#options.pays()) {
      this.#options.decode(lane);
      return drafts.release?.();
    }
    if (answer.tokens.length > 0) this.#ask(drafts, asked.plan); // one that drafted nothing would do so again
    const usable = (drafts.stock?.tokens.length ?? 0) > lane.tokens.length;
    // It was asked before the last token was known, and did not guess that one: the next answer
    // will be of use.
    if (fresh && !usable && drafts.asked && asked.plan.wait) return this.#hold(drafts);
    this.#goOn(drafts, asked.plan, fresh);
  }

  /** The drafter could not answer. */
  refused({ chain, id }: { chain: string; id: number }, code: string, message: string): void {
    const drafts = this.#lanes.get(chain);
    if (drafts?.asked?.id !== id) return;
    const { plan, cancel } = drafts.asked;
    cancel();
    drafts.asked = undefined;
    if (code !== "no_chain" || drafts.known.length === 0) return this.#giveUp(message);
    drafts.known = []; // it was started anew: it gets all tokens
    this.#ask(drafts, plan);
  }

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

  /** Adds an answer to what is in stock, as far as it still holds. */
  #keep(drafts: LaneDrafts, { tokens: before }: AskedDraft, answer: Drafted): void {
    const { lane, stock } = drafts;
    const certain = lane.tokens;
    if (!agree(before, certain)) return;
    const drafted = Array.from(answer.tokens);
    const fresh = { depths: drafted.map((_, i) => i + 1), chances: [...answer.chances] };
    const extends_ = stock && stock.tokens.length === before.length && agree(stock.tokens, before);
    drafts.stock = extends_
      ? {
        tokens: [...before, ...drafted],
        first: stock.first,
        judged: stock.judged,
        depths: [...stock.depths, ...fresh.depths],
        chances: [...stock.chances, ...fresh.chances],
        alternatives: [...stock.alternatives, ...answer.alternatives],
      }
      : {
        tokens: [...before, ...drafted],
        first: before.length,
        judged: before.length,
        ...fresh,
        alternatives: answer.alternatives,
      };
    this.#judge(drafts);
  }

  /** Compares the stock with what has become certain; a stock that was wrong goes. */
  #judge(drafts: LaneDrafts): void {
    const { lane, stock } = drafts;
    if (!stock) return;
    for (
      const end = Math.min(stock.tokens.length, lane.tokens.length);
      stock.judged < end;
      stock.judged++
    ) {
      const at = stock.judged - stock.first;
      const right = stock.tokens[stock.judged] === lane.tokens[stock.judged];
      this.#lengths.model.judged(stock.depths[at], stock.chances[at], right);
      if (!right) {
        drafts.stock = undefined;
        return;
      }
    }
  }

  /** The lane's next row, with drafts from stock behind it. */
  #goOn(drafts: LaneDrafts, plan: DraftPlan, fresh: boolean): void {
    this.#options.decode(drafts.lane);
    drafts.release?.();
    if (fresh) {
      this.#lengths.model.wanted((drafts.stock?.tokens.length ?? 0) > drafts.lane.tokens.length);
    }
    if (drafts.stock) this.#hang(drafts.lane, drafts.stock, { plan, fresh, by: "model" });
  }

  /** Asks for what comes after the stock, unless there is enough or it is unlikely to be of use. */
  #ask(drafts: LaneDrafts, plan: DraftPlan): void {
    const { lane, asked, stock } = drafts;
    if (this.#model === undefined) return;
    if (asked) {
      const outrun = lane.tokens.length >= asked.tokens.length + asked.length;
      if (!outrun && agree(asked.tokens, lane.tokens)) return; // on its way
      asked.cancel();
      drafts.asked = undefined;
      this.#silentSince ??= asked.at;
      const { ctx } = this.#options;
      if (ctx.now() - this.#silentSince >= SILENCE_MS) {
        return this.#giveUp(`it said nothing for ${SILENCE_MS} ms`);
      }
    }
    const holds = stock && stock.tokens.length > lane.tokens.length &&
      agree(stock.tokens, lane.tokens);
    const tokens = holds ? stock.tokens : lane.tokens.slice();
    const reach = holds ? this.#reach(lane, stock) : 1;
    // One draft is on the way through the stages and one is ready, and on several stages some more.
    const most = this.#crowded ? plan.length : plan.length * (this.#options.stages + 1);
    const wanted = Math.min(most, lane.room, MOST_ROWS) - (tokens.length - lane.tokens.length);
    const length = Math.min(MOST_TOKENS, plan.length, wanted);
    if (length <= 0 || reach < Math.max(plan.worth, LEAST_REACH)) return;
    let base = 0;
    while (base < drafts.known.length && drafts.known[base] === tokens[base]) base++;
    base = Math.min(base, tokens.length - 1);
    const { ctx, sampling, promptRows } = this.#options;
    const id = this.#nextId++;
    const cancel = ctx.after(SILENCE_MS, async () => {
      this.#giveUp(`it said nothing for ${SILENCE_MS} ms`);
      await this.#options.changed();
    });
    drafts.asked = { id, tokens, length, plan, at: ctx.now(), cancel };
    drafts.used = true;
    const request: DraftRequest = {
      chain: lane.name,
      id,
      base,
      tokens: Int32Array.from(tokens.slice(base)),
      length,
      width: this.#options.tree === false ? 1 : WIDTH,
      sampling,
      prompt_rows: promptRows,
      reply_to: ctx.self,
    };
    // Not waited for: a drafter that is busy or gone must not stop the decoding.
    ctx.tell(this.#model, { type: "draft", ...request }, { deadlineMs: SILENCE_MS }).catch(
      (error) => {
        if (drafts.asked?.id !== id) return;
        ctx.after(0, async () => {
          this.#giveUp(toOrreryError(error).message);
          await this.#options.changed();
        });
      },
    );
  }

  /** Chance that all of the stock comes true. */
  #reach(lane: Lane, stock: Stock): number {
    let reach = 1;
    for (let i = lane.tokens.length; i < stock.tokens.length; i++) {
      reach *= this.#lengths.model.chance(stock.chances[i - stock.first] ?? 1);
    }
    return reach;
  }

  #draftAtOnce(drafts: LaneDrafts, instant: InstantDrafter, fresh: boolean): void {
    const { lane } = drafts;
    instant.push(lane.tokens.slice(drafts.pushed));
    drafts.pushed = lane.tokens.length;
    const plan = this.#lengths.ngram.plan(this.#options.crowd());
    const most = this.#crowded ? plan.length : plan.length * (this.#options.stages + 1);
    const length = Math.min(most, lane.room, MOST_ROWS);
    if (plan.length === 0 || length <= 0) return;
    const { tokens, chances } = instant.draft(length);
    this.#lengths.ngram.wanted(tokens.length > 0);
    this.#hang(lane, {
      tokens: [...lane.tokens, ...tokens],
      first: lane.tokens.length,
      judged: lane.tokens.length,
      depths: tokens.map((_, i) => i + 1),
      chances: [...chances],
      alternatives: [],
    }, { plan, fresh, by: "ngram" });
  }

  /** Gives drafted tokens rows behind the lane's tip, as far as they are worth it. */
  #hang(
    lane: Lane,
    stock: Stock,
    { plan, fresh, by }: { plan: DraftPlan; fresh: boolean; by: "model" | "ngram" },
  ): void {
    if (!agree(stock.tokens, lane.tokens)) return;
    let leaf = lane.tip;
    let reach = 1;
    const most = Math.min(lane.room, MOST_ROWS, plan.length * (this.#options.stages + 1));
    for (let depth = 1; depth <= most; depth++) {
      const at = lane.tokens.length + depth - 1 - stock.first;
      const token = stock.tokens[stock.first + at];
      if (at < 0 || token === undefined) return;
      // Rows that do not travel with the tip's own need a frame of their own.
      const rides = fresh && depth <= plan.length;
      const worth = rides ? plan.worth : Math.max(plan.worth, plan.ahead);
      const add = (token: number, chance: number, chosen: boolean, worth: number) => {
        const own = this.#lengths[by].chance(chance);
        const facts = { depth: stock.depths[at], chance, reach: reach * own, by, chosen };
        if (facts.reach < worth || leaf.children.some((child) => child.token === token)) return;
        this.drafted++;
        return this.#options.addRow(lane, leaf, token, facts);
      };
      const next = leaf.children.find((child) => child.token === token) ??
        add(token, stock.chances[at], !leaf.children.some(({ draft }) => draft?.chosen), worth);
      const { tree } = this.#options;
      if (rides && tree !== false) {
        const least = tree ? LEAST_ALTERNATIVE : worth;
        for (const [other, own] of stock.alternatives[at] ?? []) {
          if (other !== token) add(other, own, false, least);
        }
      }
      if (!next) return;
      leaf = next;
      reach = next.draft!.reach;
    }
  }
}

/** Do two sequences say the same as far as both go? */
function agree(a: readonly number[], b: readonly number[]): boolean {
  for (let i = Math.min(a.length, b.length) - 1; i >= 0; i--) if (a[i] !== b[i]) return false;
  return true;
}
