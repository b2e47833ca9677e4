/**
 * What the arbiter knows of one request: which of its rows stand where, which wait.
 *
 * @module
 */
import type { OpenMessage, RequestUsage, RowsMessage } from "./messages.ts";
import type { Shape } from "../pipeline/mod.ts";
import { OrreryError } from "../system/mod.ts";
import type { Row } from "./row_pool.ts";
import type { FrameLog } from "./usage.ts";

/**
 * Rows of a prompt piece where neither the request nor the plan says: larger ones are slower on
 * slow cores (README).
 */
const PIECE_ROWS = 64;

/** A row that waits, or is under way. */
export class PendingRow {
  readonly request: ArbiterRequest;
  /** As the Generation numbers it. */
  readonly number: number;
  readonly token: number;
  readonly position: number;
  /** Number of its parent, -1: none. */
  readonly parent: number;
  readonly want: boolean;
  kind: RowsMessage["kind"];
  /** For drafts: chance that it is of use, when it was sent. */
  reach: number;
  /** It was dropped. */
  dead: boolean;

  /** A row as the Generation describes it. */
  constructor(row: Omit<PendingRow, "chance">) {
    this.request = row.request;
    this.number = row.number;
    this.token = row.token;
    this.position = row.position;
    this.parent = row.parent;
    this.want = row.want;
    this.kind = row.kind;
    this.reach = row.reach;
    this.dead = row.dead;
  }

  /**
   * Chance that it is of use. A draft whose parent has been answered has none until the Generation
   * says what came of it.
   */
  get chance(): number {
    if (this.kind !== "draft") return 1;
    return this.request.rows[this.parent]?.done ? 0 : this.reach;
  }
}

/** Rows that go out in pieces. */
export interface PrefillJob {
  request: ArbiterRequest;
  rows: PendingRow[];
  /** Rows that have gone. */
  at: number;
  /** Rows of its pieces in order, the last repeated. */
  pieces: readonly number[];
  /** Pieces that have gone. */
  gone: number;
  /** Rows that were found in the cache may stand for these: it is the prompt. */
  prompt: boolean;
}

/** See the module's text. */
export class ArbiterRequest {
  readonly generation: string;
  /** Its place in the order of arrival; names its sampler too. */
  readonly order: number;
  readonly open: OpenMessage;
  /** Rows that stand in the arena, by number. */
  readonly rows: (Row | undefined)[] = [];
  /** Parents by number. */
  readonly #parents: number[] = [];
  /** Drafts that are not known to be true, by number. */
  readonly #draft = new Map<number, PendingRow>();
  /** Prompt and branch prompts. */
  jobs: PrefillJob[] = [];
  decodes: PendingRow[] = [];
  drafts: PendingRow[] = [];
  /** Milliseconds of the slowest stage that its rows have taken; where it stands in the turns. */
  served = 0;
  /** Do the stages know its sampler? */
  announced = false;
  closed = false;
  /** When wanted rows were answered that have no successor yet, milliseconds, ascending. */
  owed: number[] = [];
  reused = 0;
  reportedReuse = false;
  pieces = 0;
  frames = 0;
  framesRows = 0;
  sentRows = 0;
  wasted = 0;
  /** First frame's time of sending, the stages' compute time up to then. */
  began?: { at: number; busyMs: number };
  /** Last answer's time, the stages' compute time up to then. */
  #ended?: { at: number; busyMs: number };
  #doneRows = 0;
  /** Bytes that they took over the last link. */
  #hopBytes = 0;

  /** @param order Larger than that of every request before. */
  constructor(open: OpenMessage, { order, shape }: { order: number; shape: Shape }) {
    this.generation = open.generation;
    this.order = order;
    this.open = open;
    const { prompt } = open;
    this.rows.length = prompt.length;
    for (let i = 0; i < prompt.length; i++) this.#parents.push(i - 1);
    this.#addJob(
      Array.from(prompt, (token, i) =>
        new PendingRow({
          ...{
            request: this,
            number: i,
            token,
            position: i,
            parent: i - 1,
            want: i === prompt.length - 1,
          },
          ...{ kind: "prefill", reach: 1, dead: false },
        })),
      { pieces: open.pieces ?? planned(shape, prompt.length), prompt: true },
    );
  }

  /** The request has not put anything into the arena. */
  get fresh(): boolean {
    return this.began === undefined;
  }

  /** Takes rows to run. Throws `bad_rows` where numbers or parents make no sense. */
  add(
    { first, tokens, positions, parents, want, kind, chance, certain }: RowsMessage,
    shape: Shape,
  ): void {
    const n = tokens.length;
    if (certain) this.#confirm(certain);
    if (n === 0) return;
    if (positions.length !== n || parents.length !== n || (chance && chance.length !== n)) {
      throw badRows(
        this,
        `arrays of ${n}, ${positions.length}, ${parents.length} and ${chance?.length ?? n} rows`,
      );
    }
    if (first < this.rows.length || first > this.rows.length + 0x10000) {
      throw badRows(this, `first row ${first}, where ${this.rows.length} comes next`);
    }
    const wanted = new Set(want);
    const pending: PendingRow[] = [];
    this.rows.length = first + n;
    for (let i = 0; i < n; i++) {
      const number = first + i;
      const parent = parents[i];
      if (!(parent >= 0 && parent < number && (this.#parents[parent] !== undefined))) {
        throw badRows(this, `row ${number} hangs on row ${parent}, which is none`);
      }
      this.#parents[number] = parent;
      const row = new PendingRow({
        ...{ request: this, number, token: tokens[i], position: positions[i], parent },
        ...{
          want: wanted.has(i),
          kind,
          reach: chance?.[i] ?? 1,
          dead: this.#parents[parent] === DEAD,
        },
      });
      if (kind === "draft") this.#draft.set(number, row);
      pending.push(row);
      if (this.#parents[parent] === DEAD) this.#parents[number] = DEAD;
    }
    const alive = pending.filter((p) => !p.dead);
    if (kind === "prefill") this.#addJob(alive, { pieces: planned(shape, n), prompt: false });
    else if (kind === "decode") this.decodes.push(...alive);
    else this.drafts.push(...alive);
    if (kind !== "draft") this.#back(kind === "decode" ? n : 1);
  }

  /**
   * Forgets rows and all that hangs on them. Returns those that stand in the arena, children first.
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
    this.wasted += standing.length;
    return standing;
  }

  /**
   * Numbers of rows that were of use, parents first: all but drafts on which nothing but drafts
   * hangs.
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
   * Has nothing sent (its arena is gone): begins anew in another. Rows that it found in the cache
   * are forgotten.
   */
  restart(): void {
    for (const job of this.jobs) job.at = job.gone = 0;
    this.rows.fill(undefined);
    this.reused = 0;
    this.announced = false;
  }

  /** Rows that its answer has so far, those that were dropped left out. */
  get answerRows(): number {
    return Math.max(0, this.rows.length - this.open.prompt.length - this.wasted);
  }

  /**
   * Decode rows that it will probably still need, if answers have `usual` rows, and its prompt's
   * rows as such: a long answer has as much before it again. At most what it has asked for.
   */
  rowsToCome(usual: number): number {
    const most = this.open.max_rows - this.open.prompt.length - this.answerRows;
    const prompt = this.jobs.reduce((n, job) => n + job.rows.length - job.at, 0);
    // What has gone on for long goes on for long.
    return Math.min(Math.max(usual, this.answerRows), Math.max(0, most)) + PROMPT_ROW * prompt;
  }

  /** A frame of so many rows carries some of it; the stages had computed `busyMs` by then. */
  sentIn(frameRows: number, began: { at: number; busyMs: number }): void {
    this.frames++;
    this.framesRows += frameRows;
    this.began ??= began;
  }

  /**
   * Every stage has run a row of it, which took so many bytes over the last link; the stages had
   * computed `busyMs` by then.
   */
  rowDone(hopBytes: number, ended: { at: number; busyMs: number }): void {
    this.#doneRows++;
    this.#hopBytes += hopBytes;
    this.#ended = ended;
  }

  /**
   * What `close` answers. Bubbles are counted between its first frame's sending and its last
   * answer, over all that the stages computed meanwhile for whomever; frames of others count when
   * they come back.
   */
  usage(log: FrameLog): RequestUsage {
    const ended = this.#ended;
    const { began } = this;
    return {
      frames: this.frames,
      rows: this.sentRows,
      wasted_rows: this.wasted,
      pieces: this.pieces,
      reused_rows: this.reused,
      bubble_share: began && ended
        ? log.idleShare(ended.busyMs - began.busyMs, ended.at - began.at)
        : 0,
      rows_per_frame: this.frames ? this.framesRows / this.frames : 0,
      bytes_per_row_per_hop: this.#doneRows ? this.#hopBytes / this.#doneRows : 0,
    };
  }

  /** Drafts have come true: their lanes go on with them, whether they are sent or not. */
  #confirm(numbers: Int32Array): void {
    let lanes = 0;
    for (const number of numbers) {
      const row = this.#draft.get(number);
      if (!row) continue; // it was dropped
      this.#draft.delete(number);
      const at = this.drafts.indexOf(row);
      if (at >= 0) this.decodes.push(...this.drafts.splice(at, 1));
      // What hangs on it needs it no more to come true.
      for (const draft of this.drafts) {
        if (this.#hangsOn(draft.number, number)) {
          draft.reach = Math.min(1, draft.reach / Math.max(1e-6, row.reach));
        }
      }
      row.kind = "decode";
      lanes++;
    }
    this.#back(lanes);
  }

  #hangsOn(number: number, ancestor: number): boolean {
    while (number > ancestor) number = this.#parents[number];
    return number === ancestor;
  }

  /**
   * Lanes go on. The newest: the time of one that has ended stays until it is too old to be waited
   * for.
   */
  #back(lanes: number): void {
    this.owed.splice(Math.max(0, this.owed.length - lanes));
  }

  #addJob(
    rows: PendingRow[],
    { pieces, prompt }: { pieces: readonly number[]; prompt: boolean },
  ): void {
    if (rows.length) this.jobs.push({ request: this, rows, at: 0, pieces, gone: 0, prompt });
  }
}

const DEAD = -2;
/**
 * A prompt's row in a piece feels a foreign slot as this part of a row alone (0.5B shape, pieces of
 * 64).
 */
const PROMPT_ROW = 1 / 12;

/** Rows of a job's next piece. */
export const nextPiece = (job: PrefillJob): number =>
  job.pieces[Math.min(job.gone, job.pieces.length - 1)];

/** Pieces that the plan has for so many rows. */
function planned(shape: Shape, rows: number): readonly number[] {
  const bucket = shape.pieces.find((b) => b.prompt_tokens >= rows) ?? shape.pieces.at(-1);
  return bucket?.rows ?? [PIECE_ROWS];
}

function badRows(request: ArbiterRequest, what: string): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "bad_rows",
    message: `${request.generation} sent rows that make no sense: ${what}`,
  });
}
