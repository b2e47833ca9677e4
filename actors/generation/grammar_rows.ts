/**
 * Holds the rows of an answer to a grammar: each row gets the mask of the tokens that may follow it,
 * drafts that the grammar refuses are cut, and tokens that it forces are drafted.
 *
 * What may follow is asked of the grammar's walk, on another thread, for all rows of a turn at once;
 * the rows wait in the outbox until it has answered. Its answer is another turn of the Generation.
 *
 * A row of one token whose mask is not expected to force anything is sent before its mask, which then
 * goes to the arbiter by itself: what may follow is worked out while the row's frame is under way.
 *
 *     rows of a turn:   t - a - b - c        asked: the steps after t, t a, t a b, t a b c
 *     answer:           t - a                the grammar refuses b, and says that x y z must follow
 *     sent:             t - a - x - y - z    in one frame
 *
 * @module
 */
import { isAllowed, packMask } from "../pipeline/mod.ts";
import { type ActorContext, type Message, type OrreryError, toOrreryError } from "../system/mod.ts";
import type { GrammarStep, GrammarWalk } from "./grammar.ts";
import { grammarBroken } from "./grammar_errors.ts";
import { LateChoice } from "./late_choice.ts";
import type { DraftFacts, Lane, LaneRow } from "./lane.ts";
import type { LaneRows } from "./lane_rows.ts";

/** Most tokens that are drafted at once because they must follow. */
const MOST_FORCED = 48;
/** Rows of a frame with forced tokens where no other lane runs: all of them, and drafts. */
const FORCED_FRAME = 64;
/** Masks that the arbiter keeps for the request. */
const MOST_KEPT = 256;
/**
 * Milliseconds for which the request's opening waits for its first mask: a prompt that is shorter
 * than a piece then needs one frame and not two.
 */
const OPENING_MS = 5;
/** A mask that must not be renamed: every token may follow. */
const NO_MASK = -1;
/** The bits of that mask: they say nothing. */
const NO_BITS = Uint8Array.of(0);

/** Options of {@linkcode GrammarRows}. */
export interface GrammarRowsOptions {
  ctx: ActorContext;
  walk: GrammarWalk;
  rows: LaneRows;
  /** Tokens in the vocabulary. */
  vocab: number;
  /** Token ids that end the answer. */
  eos: readonly number[];
  /** An end token is chosen only where nothing else may follow. */
  pastEos: boolean;
  /** Called in a turn of its own when the request may be opened, though its first mask is not there. */
  due(): unknown;
  /** Sends the arbiter a message, in no turn and without waiting. */
  tell(message: Message): void;
  /** Called when a row was cut, with all rows that were cut. */
  cut(lane: Lane, row: LaneRow, all: LaneRow[]): void;
}

/** Rows that hang on each other, and what the walk said of them. */
interface AnsweredChain {
  lane: Lane;
  /** Empty: the last row that the request was opened with is meant. */
  rows: LaneRow[];
  /** The step after each row, up to the first that is refused. */
  steps: GrammarStep[];
  /** Tokens that must follow the last row that has a step, and the steps after them. */
  forced: { token: number; step: GrammarStep }[];
  /** The row was sent without its mask, which the arbiter has been told since. @default false */
  late?: boolean;
}

/** A row that was sent without its mask. */
interface SentEarly {
  /** Number of the mask that it was sent with. */
  late: number;
  token: number;
}

/** See the module's text. */
export class GrammarRows {
  readonly #o: GrammarRowsOptions;
  readonly #abort = new AbortController();
  /** Masks by the walk's keys, the one that was used longest ago first. */
  readonly #known = new Map<number, { id: number; bits: Uint8Array<ArrayBuffer> }>();
  readonly #choice = new LateChoice();
  #nextId = 0;
  /** The step of the answer's begin has come, or is not waited for any longer. */
  #open = false;
  /** The request has been opened: its first mask has to be sent by itself. */
  #opened = false;
  /** The mask of the prompt's last row; undefined: it has not come. */
  #first?: number;
  /** Masks that came before the request was opened, by number. */
  #firstBits?: { id: number; bits: Uint8Array<ArrayBuffer> };
  /** What the walk has answered and no turn has taken in yet. */
  #answers: AnsweredChain[] = [];
  /** When the questions that are not answered were asked, milliseconds, by their numbers. */
  readonly #asked = new Map<number, number>();
  #questions = 0;
  #fault?: OrreryError;

  constructor(options: GrammarRowsOptions) {
    this.#o = options;
  }

  /** Asks for the mask of the prompt's last row, on which `lane` begins. */
  begin(lane: Lane): void {
    this.#follow([{ lane, rows: [] }]);
    this.#o.ctx.after(OPENING_MS, async () => {
      if (this.#open) return;
      this.#open = true;
      await this.#o.due();
    });
  }

  /** The request may be opened now. */
  get mayOpen(): boolean {
    return this.#open;
  }

  /** The fields of `open` that say how the prompt's last row is held to the grammar. */
  opening(): Record<string, unknown> {
    this.#opened = true;
    const mask = this.#firstBits;
    return { strict: true, held: this.#first === undefined, ...(mask && { first_mask: mask }) };
  }

  /** When the oldest question was asked that is not answered, milliseconds; undefined: none is. */
  get waitsSince(): number | undefined {
    return this.#asked.values().next().value;
  }

  /** A frame with rows of the request took so many milliseconds. */
  frame(ms: number): void {
    this.#choice.frame(ms);
  }

  /** Asks the walk about rows that were added since the last call. */
  ask(): void {
    const added = new Map(this.#o.rows.takeUnmasked().map(({ lane, row }) => [row, lane]));
    if (added.size === 0) return;
    const parents = new Set(Array.from(added.keys(), (row) => row.parent));
    const chains: Pick<AnsweredChain, "lane" | "rows">[] = [];
    for (const [leaf, lane] of added) {
      if (parents.has(leaf)) continue;
      const rows: LaneRow[] = [];
      for (let row: LaneRow | undefined = leaf; row && added.has(row); row = row.parent) {
        added.delete(row);
        rows.unshift(row);
      }
      chains.push({ lane, rows });
    }
    const [chain] = chains;
    const alone = chains.length === 1 && chain.rows.length === 1 && !chain.rows[0].draft;
    this.#follow(chains, alone ? this.#sendLate(chain.rows[0]) : undefined);
  }

  /** Takes in what the walk has answered. Returns the lanes that it concerns. Throws what the walk threw. */
  take(): Set<Lane> {
    if (this.#fault) throw this.#fault;
    const lanes = new Set<Lane>();
    for (const answered of this.#answers.splice(0)) {
      if (answered.lane.finish) continue;
      lanes.add(answered.lane);
      if (answered.rows.length === 0) this.#begun(answered);
      else this.#apply(answered);
    }
    return lanes;
  }

  /** Asks for nothing any more. The walk belongs to whoever opened it. */
  close(): void {
    this.#abort.abort(new DOMException("the request is over", "AbortError"));
    this.#answers = [];
    this.#asked.clear();
  }

  /** Sends a row before its mask if that is likely to be of use; undefined: the row waits. */
  #sendLate(row: LaneRow): SentEarly | undefined {
    const { walk, rows } = this.#o;
    if (!walk.quick || !this.#choice.pays(row.token)) return undefined;
    const late = this.#nextId++;
    rows.late(row, late);
    return { late, token: row.token };
  }

  /** Asks the walk about chains of rows; the answers to all of them come in one turn. */
  #follow(chains: Pick<AnsweredChain, "lane" | "rows">[], late?: SentEarly): void {
    const { ctx } = this.#o;
    const { signal } = this.#abort;
    const question = this.#questions++;
    const began = ctx.now();
    this.#asked.set(question, began);
    const told = (answers: AnsweredChain[], fault?: OrreryError) => {
      if (signal.aborted) return;
      this.#asked.delete(question);
      this.#fault ??= fault;
      this.#choice.answered(answers, ctx.now() - began);
      if (late && this.#settleLate(late, answers)) return;
      this.#answers.push(...answers);
      void ctx.tell(ctx.self, { type: "walked" }).catch(() => {}); // the actor has stopped
    };
    Promise.all(chains.map((chain) => this.#answer(chain))).then(
      (answers) => told(answers),
      (error) => told([], toOrreryError(error, ctx.self)),
    );
  }

  /**
   * Tells the arbiter the mask of a row that was sent without it, at once: a turn might have to wait
   * for the client. Returns whether that is all there is to do.
   */
  #settleLate({ late }: SentEarly, [answered]: AnsweredChain[]): boolean {
    const step = answered?.steps[0];
    if (!step) return false; // a defect, which fails the request
    const { ctx, tell } = this.#o;
    const { mask, bits = NO_BITS } = this.#named(step);
    tell({ type: "mask", generation: ctx.self, late, mask, bits });
    answered.late = true;
    return answered.forced.length === 0;
  }

  async #answer({ lane, rows }: Pick<AnsweredChain, "lane" | "rows">): Promise<AnsweredChain> {
    const { walk, eos } = this.#o;
    const { signal } = this.#abort;
    const path = pathTo(rows.at(-1) ?? lane.tip);
    const steps = await walk.steps(path, Math.max(1, rows.length), signal);
    const kept = path.slice(0, path.length - Math.max(0, rows.length - steps.length));
    const tokens = [...steps.at(-1)?.forced ?? []];
    const end = tokens.findIndex((token) => eos.includes(token));
    // No token is wanted after the last one that the lane may have.
    const most = Math.min(MOST_FORCED, Math.max(0, lane.limit - 1 - kept.length));
    const forced = tokens.slice(0, Math.min(most, end < 0 ? tokens.length : end));
    const behind = forced.length === 0
      ? []
      : await walk.steps([...kept, ...forced], forced.length, signal);
    return {
      lane,
      rows,
      steps,
      forced: behind.map((step, i) => ({ token: forced[i], step })),
    };
  }

  /** The step of the answer's begin has come. */
  #begun({ lane, steps: [step], forced }: AnsweredChain): void {
    if (!step) throw grammarBroken("it has no beginning");
    const { rows } = this.#o;
    const { mask, bits } = this.#named(step);
    this.#open = true;
    this.#first = mask;
    if (this.#opened) {
      if (bits) rows.announce({ id: mask, bits });
      rows.releasePrompt(mask);
    } else if (bits) this.#firstBits = { id: mask, bits };
    this.#force(lane, lane.tip, forced);
  }

  #apply(answered: AnsweredChain): void {
    const { lane, rows: chain, steps, forced } = answered;
    const { rows } = this.#o;
    let last: LaneRow | undefined;
    if (answered.late) {
      // Its mask has been told.
      if (chain[0] && rows.awaits(chain[0])) this.#force(lane, chain[0], forced);
      return;
    }
    for (const [i, row] of chain.entries()) {
      if (!rows.awaits(row)) return; // it was dropped, and so were those behind it
      const step = steps[i];
      if (!step) {
        if (!row.draft || row === lane.tip) {
          throw grammarBroken(`it refuses token ${row.token}, which its mask allowed`);
        }
        this.#o.cut(lane, row, rows.cut(row));
        break;
      }
      last = row;
      const end = this.#onlyEnd(step);
      if (end === undefined) rows.masked(row, this.#mask(step));
      else rows.answerUnsent(row, end);
    }
    if (last) this.#force(lane, last, forced);
  }

  /** Drafts the tokens that must follow a row. */
  #force(lane: Lane, row: LaneRow, forced: AnsweredChain["forced"]): void {
    const { rows } = this.#o;
    let leaf = row;
    for (const { token, step } of forced) {
      const mask = this.#onlyEnd(step) === undefined ? this.#mask(step) : NO_MASK;
      const known = leaf.children.find((child) => child.token === token);
      const facts: DraftFacts = {
        depth: 1,
        chance: 1,
        reach: row.draft && row !== lane.tip ? row.draft.reach : 1,
        frame: FORCED_FRAME,
        by: "grammar",
        chosen: false,
      };
      leaf = known ?? rows.draft(lane, leaf, token, { ...facts, mask });
      const end = this.#onlyEnd(step);
      if (end !== undefined) rows.answerUnsent(leaf, end);
    }
  }

  /** The end token where nothing else may follow: then the row need not run. */
  #onlyEnd({ mask }: GrammarStep): number | undefined {
    if (!mask) return undefined;
    const ends = this.#o.eos.filter((token) => isAllowed(mask, token));
    if (ends.length === 0) return undefined;
    let allowed = 0;
    for (let word = 0; word < mask.length && allowed <= ends.length; word++) {
      for (let bits = mask[word]; bits !== 0; bits &= bits - 1) allowed++;
    }
    return allowed === ends.length ? ends[0] : undefined;
  }

  /** Number of a step's mask, which is announced if it is new. */
  #mask(step: GrammarStep): number {
    const { mask, bits, known } = this.#named(step);
    if (bits && !known) this.#o.rows.announce({ id: mask, bits });
    return mask;
  }

  /** Number of a step's mask, the packed mask, and whether the arbiter knows it. */
  #named(
    { key, mask }: GrammarStep,
  ): { mask: number; bits?: Uint8Array<ArrayBuffer>; known?: boolean } {
    const { vocab, pastEos, rows } = this.#o;
    if (!mask && !pastEos) return { mask: NO_MASK };
    const known = this.#known.get(key);
    if (known) {
      this.#known.delete(key);
      this.#known.set(key, known);
      return { mask: known.id, bits: known.bits, known: true };
    }
    const all = mask ?? new Int32Array((vocab + 31) >>> 5).fill(-1);
    const named = {
      id: this.#nextId++,
      bits: packMask(pastEos ? this.#goingOn(all) : all, vocab),
    };
    this.#known.set(key, named);
    if (this.#known.size > MOST_KEPT) {
      const [oldest, dropped] = this.#known.entries().next().value!;
      this.#known.delete(oldest);
      rows.dropMask(dropped.id);
    }
    return { mask: named.id, bits: named.bits };
  }

  /** The mask without end tokens, unless these are all that may follow. */
  #goingOn(mask: Int32Array): Int32Array {
    const on = mask.slice();
    for (const token of this.#o.eos) {
      if (token >> 5 < on.length) on[token >> 5] &= ~(1 << (token & 31));
    }
    return on.some((word) => word !== 0) ? on : mask;
  }
}

/** The tokens of the answer up to a row. */
function pathTo(row: LaneRow): number[] {
  const path: number[] = [];
  for (let at = row; at.parent; at = at.parent) path.push(at.token);
  return path.reverse();
}
