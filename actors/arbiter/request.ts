/**
 * What the arbiter knows of one request: which of its rows wait, and which stand in the arena.
 *
 * @module
 */
import type { OpenMessage, RowsMessage } from "./messages.ts";
import type { Shape } from "../pipeline/mod.ts";
import { OrreryError } from "../system/mod.ts";
import { plannedPieces } from "./prompt_pieces.ts";
import { type LateMask, RequestMasks, type RowMask } from "./request_masks.ts";
import { RequestTally } from "./request_tally.ts";
import type { Row } from "./row_pool.ts";

/** A row that waits to be sent, or is under way. */
export class PendingRow {
  readonly request: ArbiterRequest;
  /** Number that the Generation gave it. */
  readonly number: number;
  /** Token id. */
  readonly token: number;
  /** RoPE position. */
  readonly position: number;
  /** Number of its parent; -1: none. */
  readonly parent: number;
  /** The token after it is wanted. */
  readonly want: boolean;
  /** See `rowsSchema`. A draft that comes true becomes a decode row. */
  kind: RowsMessage["kind"];
  /** For drafts: chance that it comes true as the Generation last saw it, 0 to 1; else 1. */
  reach: number;
  /** The Generation does not need it any more. */
  dead: boolean;
  /** Which tokens may follow it; undefined: all may. */
  mask?: RowMask | LateMask;
  /** It waits for its mask, and must not be run before. */
  held?: boolean;
  /** The token that follows it, whose log-probability is wanted; undefined: a token is chosen. */
  readonly given?: number;

  /** A row as the Generation describes it. */
  constructor(row: Omit<PendingRow, "chance" | "lane">) {
    this.request = row.request;
    this.number = row.number;
    this.token = row.token;
    this.position = row.position;
    this.parent = row.parent;
    this.want = row.want;
    this.kind = row.kind;
    this.reach = row.reach;
    this.dead = row.dead;
    this.mask = row.mask;
    this.held = row.held;
    this.given = row.given;
  }

  /** Whether a lane waits for its result: it is no draft, and a token is chosen after it. */
  get lane(): boolean {
    return this.kind !== "draft" && this.given === undefined && !this.request.open.hidden;
  }

  /**
   * Chance that it is of use, 0 to 1. It is 0 for a draft whose parent has been answered, until the
   * Generation says whether the draft came true.
   */
  get chance(): number {
    if (this.kind !== "draft") return 1;
    return this.request.rows[this.parent]?.done ? 0 : this.reach;
  }
}

/** A prompt, or the prompt of a branch: it is sent in pieces. */
export interface PrefillJob {
  request: ArbiterRequest;
  /** All rows of the prompt, parents first. */
  rows: PendingRow[];
  /** Index in `rows` of the first row that has neither been sent nor found in the cache. */
  at: number;
  /** Rows of its pieces in order, the last repeated. */
  pieces: readonly number[];
  /** Pieces that have been sent. */
  gone: number;
  /** When its first rows might have been sent, milliseconds; undefined: they might not yet. */
  since?: number;
  /** True: the request's own prompt, for which cached rows may stand. False: a branch's. */
  prompt: boolean;
  /** `at` when cached rows were found that windowed layers have given up: see `resumable.ts`. */
  stuck?: number;
  /** Position of the last of these rows: other prompts part from there. */
  parting?: number;
}

/** See the module's text. */
export class ArbiterRequest {
  /** Address of its Generation. */
  readonly generation: string;
  /** Its place in the order of arrival, and the id of its sampler. */
  readonly order: number;
  /** What the Generation asked for. */
  readonly open: OpenMessage;
  /** Rows that stand in the arena, by number; undefined: not sent yet, or dropped. */
  readonly rows: (Row | undefined)[] = [];
  /** Number of each row's parent, by number; `DEAD`: the row was dropped. */
  readonly #parents: number[] = [];
  /** Drafts that have neither come true nor been dropped, by number. */
  readonly #draft = new Map<number, PendingRow>();
  /** Masks that the Generation may name, and messages that wait for them. */
  readonly masks: RequestMasks;
  /** Prompts that have rows left to send: its own and those of branches. */
  jobs: PrefillJob[] = [];
  /** Decode rows that wait to be sent. */
  decodes: PendingRow[] = [];
  /** Drafts that wait to be sent. */
  drafts: PendingRow[] = [];
  /** Most rows of a frame of its drafts where no other lane runs, as the Generation last said. */
  frameRows = Infinity;
  /** Milliseconds of the slowest stage that its rows have taken: requests take turns by it. */
  served = 0;
  /** The stages have been sent its sampler. */
  announced = false;
  /** The same, though some of them may have lost it. */
  sampled = false;
  /** The request is over. */
  closed = false;
  /** When the lanes were answered whose next rows have not come yet, milliseconds, ascending. */
  owed: number[] = [];
  /** Lanes that have come back since this was last looked at, by when they were answered. */
  returned = new Map<number, number>();
  /** Lanes that have come back in this turn of the Generation. */
  #returning = 0;
  /** The Generation has been told how many rows of its prompt were found in the cache. */
  reportedReuse = false;
  /** What it has cost so far. */
  readonly tally = new RequestTally();

  /**
   * @param order See {@linkcode ArbiterRequest.order}: larger than that of every earlier request.
   */
  constructor(open: OpenMessage, { order, shape }: { order: number; shape: Shape }) {
    this.generation = open.generation;
    this.order = order;
    this.open = open;
    const all = open.hidden === "all" || open.scored === true;
    if (all) this.open = { ...open, reuse: false };
    const { prompt, held, first_mask: first } = open;
    this.masks = new RequestMasks((what) => badRows(this, what));
    if (first) this.masks.announce(first);
    this.rows.length = prompt.length;
    for (let i = 0; i < prompt.length; i++) this.#parents.push(i - 1);
    this.#addJob(
      Array.from(prompt, (token, i) =>
        new PendingRow({
          request: this,
          number: i,
          token,
          position: i,
          parent: i - 1,
          want: i === prompt.length - 1 || all,
          ...(open.scored && i < prompt.length - 1 && { given: prompt[i + 1] }),
          kind: "prefill",
          reach: 1,
          dead: false,
          ...(i === prompt.length - 1 && { held, mask: first && this.masks.get(first.id) }),
        })),
      { pieces: open.pieces ?? plannedPieces(shape, prompt.length), prompt: true },
    );
  }

  /** None of its frames has been sent. */
  get fresh(): boolean {
    return this.tally.began === undefined;
  }

  /**
   * Takes rows to run. Throws group `actor`, code `bad_rows` where numbers or parents are wrong.
   */
  add(
    message: RowsMessage,
    shape: Shape,
  ): void {
    for (const mask of message.masks ?? []) this.masks.announce(mask);
    if (message.prompt_mask !== undefined) this.#release(message.prompt_mask);
    if (message.certain) this.#confirm(message.certain);
    if (message.tokens.length > 0) this.#add(message, shape);
    for (const id of message.drop_masks ?? []) this.masks.drop(id);
    if (!message.more) this.#back();
  }

  #add(message: RowsMessage, shape: Shape): void {
    this.#check(message);
    const { first, tokens, positions, parents, want, kind, chance, frame_rows } = message;
    if (frame_rows !== undefined) this.frameRows = frame_rows;
    const wanted = new Set(want);
    const masks = this.#masksOf(message);
    const pending: PendingRow[] = [];
    this.rows.length = first + tokens.length;
    for (const [i, token] of tokens.entries()) {
      const number = first + i;
      const parent = parents[i];
      if (!(parent >= 0 && parent < number && this.#parents[parent] !== undefined)) {
        throw badRows(this, `row ${number} hangs on row ${parent}, which is none`);
      }
      const dead = this.#parents[parent] === DEAD;
      const row = new PendingRow({
        request: this,
        number,
        token,
        position: positions[i],
        parent,
        want: wanted.has(i),
        kind,
        reach: chance?.[i] ?? 1,
        dead,
        mask: masks.get(i),
      });
      this.#parents[number] = dead ? DEAD : parent;
      if (kind === "draft") this.#draft.set(number, row);
      pending.push(row);
    }
    const alive = pending.filter((p) => !p.dead);
    const pieces = plannedPieces(shape, tokens.length);
    if (kind === "prefill") this.#addJob(alive, { pieces, prompt: false });
    else if (kind === "decode") this.decodes.push(...alive);
    else this.drafts.push(...alive);
    if (kind !== "draft") this.#returning += kind === "decode" ? tokens.length : 1;
  }

  /** Throws `bad_rows` where the arrays of a message do not agree, or its rows do not come next. */
  #check({ first, tokens: { length }, positions, parents, want, want_masks, chance }: RowsMessage) {
    const lengths = [length, positions.length, parents.length, chance?.length ?? length];
    if (lengths.some((n) => n !== length)) {
      const [last] = lengths.splice(-1);
      throw badRows(this, `arrays of ${lengths.join(", ")} and ${last} rows`);
    }
    if (first < this.rows.length || first > this.rows.length + MOST_SKIPPED) {
      throw badRows(this, `first row ${first}, where ${this.rows.length} comes next`);
    }
    if (want_masks && want_masks.length !== want.length) {
      throw badRows(this, `${want_masks.length} masks for ${want.length} wanted rows`);
    }
  }

  /** The masks that a message names, by the index of the row. */
  #masksOf(
    { want, want_masks, late_masks }: RowsMessage,
  ): Map<number, RowMask | LateMask | undefined> {
    const masks = new Map<number, RowMask | LateMask | undefined>();
    want_masks?.forEach((id, i) => {
      masks.set(want[i], late_masks?.includes(id) ? this.masks.late(id) : this.masks.get(id));
    });
    return masks;
  }

  /** A row that is to be run again and whose result, if any was wanted, is known. */
  again(number: number, { token, position }: Row): PendingRow {
    const parent = this.#parents[number] ?? -1;
    return new PendingRow({
      request: this,
      number,
      token,
      position,
      parent,
      want: false,
      kind: "prefill",
      reach: 1,
      dead: false,
    });
  }

  /**
   * Forgets rows and their descendants. Returns those that stand in the arena, children first.
   */
  drop(numbers: Int32Array): Row[] {
    const lost = new Set<number>();
    let lowest = this.#parents.length;
    for (const n of numbers) {
      if (this.#parents[n] === undefined || this.#parents[n] === DEAD) continue;
      lost.add(n);
      lowest = Math.min(lowest, n);
    }
    for (let n = lowest; n < this.#parents.length; n++) if (lost.has(this.#parents[n])) lost.add(n);
    if (lost.size === 0) return [];
    const standing: Row[] = [];
    for (const n of [...lost].sort((a, b) => b - a)) {
      const row = this.rows[n];
      if (row) standing.push(row);
      this.rows[n] = undefined;
      this.#parents[n] = DEAD;
      this.#draft.delete(n);
    }
    const alive = (p: PendingRow) => {
      p.dead ||= lost.has(p.number);
      return !p.dead;
    };
    this.decodes = this.decodes.filter(alive);
    this.drafts = this.drafts.filter(alive);
    for (const job of this.jobs) {
      job.rows = [...job.rows.slice(0, job.at), ...job.rows.slice(job.at).filter(alive)];
    }
    this.jobs = this.jobs.filter((job) => job.at < job.rows.length);
    this.tally.wasted += standing.length;
    return standing;
  }

  /**
   * Numbers of the rows in the arena that were of use, parents first: all but drafts that did not
   * come true.
   */
  accepted(): number[] {
    const kept = new Set<number>();
    for (let n = this.rows.length - 1; n >= 0; n--) {
      if (!this.rows[n]) continue;
      if (!kept.has(n) && this.#draft.has(n)) continue;
      kept.add(n);
      kept.add(this.#parents[n]);
    }
    return [...kept].filter((n) => this.rows[n]).sort((a, b) => a - b);
  }

  /**
   * The last of its rows in the arena that is sure to be a part of its text: rows to come hang on it or
   * on drafts behind it, unless `branches` is set. undefined: there is none.
   */
  get tip(): Row | undefined {
    for (let n = this.rows.length - 1; n >= 0; n--) {
      if (this.rows[n] && !this.#draft.has(n)) return this.rows[n];
    }
    return undefined;
  }

  /**
   * Begins anew in another arena, before any of its frames was sent: the rows that it found in the
   * cache of the last one are forgotten.
   */
  restart(): void {
    for (const job of this.jobs) {
      job.at = job.gone = 0;
      job.stuck = job.parting = undefined;
    }
    this.rows.fill(undefined);
    this.tally.reused = 0;
    this.announced = this.sampled = false;
  }

  /** Rows of its answer so far, without those that were dropped. */
  get answerRows(): number {
    return Math.max(0, this.rows.length - this.open.prompt.length - this.tally.wasted);
  }

  /**
   * Decode rows that it is likely to run yet, where answers have `usual` rows in the mean, and at
   * most what it asked for. Rows of prompts that wait count as the share `PROMPT_ROW` of one each.
   */
  rowsToCome(usual: number): number {
    const most = this.open.max_rows - this.open.prompt.length - this.answerRows;
    const prompt = this.jobs.reduce((n, job) => n + job.rows.length - job.at, 0);
    // Lengths are heavy-tailed: expect as many rows again as the answer already has.
    return Math.min(Math.max(usual, this.answerRows), Math.max(0, most)) + PROMPT_ROW * prompt;
  }

  /** The mask of the prompt's last row has come: the row may be run. */
  #release(id: number): void {
    for (const { prompt, rows } of this.jobs) {
      const last = rows.at(-1)!;
      if (!prompt || !last.held) continue;
      last.mask = this.masks.get(id);
      last.held = false;
    }
  }

  /** Makes drafts that came true decode rows, whether they have been sent or not. */
  #confirm(numbers: Int32Array): void {
    for (const number of numbers) {
      const row = this.#draft.get(number);
      if (!row) continue; // it was dropped
      this.#draft.delete(number);
      const at = this.drafts.indexOf(row);
      if (at >= 0) this.decodes.push(...this.drafts.splice(at, 1));
      // Its descendants are likelier now: their chances had been those of all rows up to them.
      for (const draft of this.drafts) {
        if (this.#hangsOn(draft.number, number)) {
          draft.reach = Math.min(1, draft.reach / Math.max(LEAST_REACH, row.reach));
        }
      }
      row.kind = "decode";
      this.#returning++;
    }
  }

  /** Is row `ancestor` among the ancestors of row `number`, or the row itself? */
  #hangsOn(number: number, ancestor: number): boolean {
    while (number > ancestor) number = this.#parents[number];
    return number === ancestor;
  }

  /**
   * A turn of the Generation is over: it has dealt with the oldest answer that was open. Lanes of
   * that answer which have not come back have ended, or wait for a drafter.
   */
  #back(): void {
    let lanes = this.#returning;
    this.#returning = 0;
    while (lanes > 0 && this.owed.length > 0) {
      const [at] = this.owed;
      const owed = this.owed.filter((t) => t === at).length;
      const back = Math.min(lanes, owed);
      this.returned.set(at, (this.returned.get(at) ?? 0) + back);
      this.owed.splice(0, owed);
      lanes -= back;
    }
  }

  #addJob(
    rows: PendingRow[],
    { pieces, prompt }: { pieces: readonly number[]; prompt: boolean },
  ): void {
    if (rows.length) this.jobs.push({ request: this, rows, at: 0, pieces, gone: 0, prompt });
  }
}

/** Stands for the parent of a row that was dropped. */
const DEAD = -2;
/** Least chance that is divided by. */
const LEAST_REACH = 1e-6;
/** Rows that the Generation may skip in its numbers: more is taken for an error. */
const MOST_SKIPPED = 0x10000;
/**
 * Cost of a foreign slot for one row of a piece, as a share of its cost for a row that runs alone
 * (measured with the shape of a 0.5B model and pieces of 64 rows).
 */
const PROMPT_ROW = 1 / 12;

function badRows(request: ArbiterRequest, what: string): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "bad_rows",
    message: `${request.generation} sent rows that make no sense: ${what}`,
  });
}
