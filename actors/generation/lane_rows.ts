/**
 * The rows of a request's lanes: which lane waits for which row's result.
 *
 * Every token that is to be run gets its row here, and every result finds its way from here to the
 * lane that waits for it. When the rows run is decided by the arbiter, which is told by
 * {@linkcode LaneRows.takeMessages}.
 *
 * @module
 */
import type { ResultsMessage } from "../arbiter/mod.ts";
import type { AnnouncedMask } from "../pipeline/mod.ts";
import type { Message } from "../system/mod.ts";
import { type DraftFacts, Lane, type LaneRow, type Replayed } from "./lane.ts";
import type { LaneOwner, NewLane, TokenChain } from "./lane_control.ts";
import type { MakeCodec } from "./messages.ts";
import { type NewRow, RowOutbox } from "./row_outbox.ts";

/** Options of {@linkcode LaneRows}. */
export interface LaneRowsOptions {
  /** Address of the Generation: where results go, and what the names of lanes begin with. */
  generation: string;
  /** Token ids that end a lane. */
  eos: readonly number[];
  /** Makes the codec of each lane. */
  codec: MakeCodec;
  /** Rows get their masks later, by {@linkcode LaneRows.masked}. @default false */
  constrained?: boolean;
  /** Called when a row begins to be waited for while no other was. */
  onFirstWait(): void;
}

/** A row whose result has not come yet. */
interface AwaitedRow {
  lane: Lane;
  row: LaneRow;
  /** The row is one of a lane's own, not the last row of a prompt: its frame can be a small one. */
  decoded: boolean;
}

/** What an earlier run of the request has generated in a lane. */
export interface KnownTokens {
  /** Token ids, an end token included. */
  tokens: readonly number[];
  /** How many of them the client was told. */
  told: number;
}

/** See the module's text. */
export class LaneRows {
  readonly #o: LaneRowsOptions;
  readonly #outbox: RowOutbox;
  /** See {@linkcode LaneRows.opened}. */
  #opened?: TokenChain;
  /** Lanes that have not ended, by name. */
  readonly #lanes = new Map<string, { lane: Lane; owner: LaneOwner }>();
  /** By row number. */
  readonly #awaited = new Map<number, AwaitedRow>();
  /** Rows for which nobody has asked for a mask. */
  #unmasked: { lane: Lane; row: LaneRow }[] = [];

  /** A request without lanes. */
  constructor(options: LaneRowsOptions) {
    this.#o = options;
    this.#outbox = new RowOutbox(options.generation);
  }

  /**
   * Token ids that the request is opened with, which the arbiter gives rows 0, 1, 2 ...; undefined: no
   * lane with tokens to come has begun.
   */
  get opened(): Int32Array<ArrayBuffer> | undefined {
    return this.#opened && Int32Array.from(this.#opened.tokens);
  }

  /** Lanes that have not ended. */
  get lanes(): Lane[] {
    return Array.from(this.#lanes.values(), ({ lane }) => lane);
  }

  /** Number of lanes that have not ended. */
  get size(): number {
    return this.#lanes.size;
  }

  /** Numbers of the rows whose results have not come yet, in the order in which they were sent. */
  get awaited(): number[] {
    return [...this.#awaited.keys()];
  }

  /** Messages for the arbiter since the last call, in order. */
  takeMessages(): Message[] {
    return this.#outbox.take();
  }

  /** Forgets all lanes and rows: the request is over. */
  clear(): void {
    this.#lanes.clear();
    this.#awaited.clear();
  }

  /**
   * Gives results to the rows that wait for them; results of dropped rows are ignored. Returns the
   * lanes that got any, and whether all of them were results of decode rows and drafts.
   */
  answered(results: ResultsMessage["results"]): { lanes: Set<Lane>; decoded: boolean } {
    const lanes = new Set<Lane>();
    let decoded = true;
    for (const result of results) {
      const awaited = this.#awaited.get(result.row);
      if (!awaited) continue;
      this.#awaited.delete(result.row);
      awaited.row.result = result;
      lanes.add(awaited.lane);
      decoded &&= awaited.decoded;
    }
    return { lanes, decoded };
  }

  /**
   * Begins a lane, after the tokens that an earlier run has generated in it. If there are more to come,
   * it gets rows; the first such lane opens the request.
   */
  add(
    { name, limit, stop, owner, prompt, shared }: NewLane,
    known: KnownTokens = { tokens: [], told: 0 },
  ): { lane: Lane; replayed: Replayed } {
    const lane = new Lane({
      name: `${this.#o.generation}/${name}`,
      prompt,
      limit,
      eos: this.#o.eos,
      codec: this.#o.codec(stop),
    });
    const replayed = lane.replay(known.tokens, known.told);
    if (lane.finish) return { lane, replayed };
    const rows = this.#opened
      ? this.addPrompt(lane.tokens, shared ?? this.#opened, { want: true })
      : this.#open(lane.tokens);
    lane.place(rows, this.#tipOf(lane, rows));
    this.#lanes.set(lane.name, { lane, owner });
    this.#wait({ lane, row: lane.tip, decoded: false });
    return { lane, replayed };
  }

  /** The lane has ended: nobody is to be told of it any more. */
  leave(lane: Lane): void {
    this.#lanes.delete(lane.name);
  }

  /** The owner of a lane that has not ended. */
  ownerOf(lane: Lane): LaneOwner {
    return this.#lanes.get(lane.name)!.owner;
  }

  /**
   * Gives rows to the tokens of a prompt beyond those that it has in common with `shared`. Returns
   * the row numbers of all its tokens; none before the request is opened. With `want` the token after the last one is wanted, so that
   * this one gets a row of its own even if `shared` has one.
   */
  addPrompt(
    prompt: ArrayLike<number>,
    shared: TokenChain,
    { want = false }: { want?: boolean } = {},
  ): number[] {
    if (!this.#opened) return [];
    const most = Math.min(want ? prompt.length - 1 : prompt.length, shared.rows.length);
    let same = 0;
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

  /** Gives the lane's next token its row, if it has none yet. */
  decode(lane: Lane): void {
    if (lane.pending === undefined) return;
    const row = this.#rowAfter(lane, lane.tip, lane.pending, { kind: "decode" });
    lane.decoded(row);
    this.#wait({ lane, row, decoded: true });
  }

  /**
   * Gives a drafted token its row behind `parent`; `mask`: the number of its mask, -1: none, if that
   * is known already.
   */
  draft(
    lane: Lane,
    parent: LaneRow,
    token: number,
    { mask, ...draft }: DraftFacts & { mask?: number },
  ): LaneRow {
    const row = this.#rowAfter(lane, parent, token, {
      kind: "draft",
      chance: draft.reach,
      frame: draft.frame,
      mask,
    });
    row.draft = draft;
    parent.children.push(row);
    this.#wait({ lane, row, decoded: true });
    return row;
  }

  /** The lane stands on a draft that came true and whose own result has not come yet. */
  confirm(lane: Lane): void {
    this.#outbox.certain(lane.tip.row);
  }

  /** The row with this number and its descendants are no longer needed. */
  drop(row: number): void {
    this.#outbox.drop(row);
  }

  /** A draft and the drafts behind it did not come true: their results are not waited for. */
  dropDraft(draft: LaneRow): void {
    const lost: number[] = [];
    const forget = ({ row, children }: LaneRow) => {
      lost.push(row);
      this.#awaited.delete(row);
      children.forEach(forget);
    };
    forget(draft);
    this.#outbox.drop(draft.row, lost);
  }

  /** Rows that were added since the last call and have no mask yet, parents first. */
  takeUnmasked(): { lane: Lane; row: LaneRow }[] {
    const rows = this.#unmasked.filter(({ row }) => this.#awaited.has(row.row));
    this.#unmasked = [];
    return rows;
  }

  /** Whether the row's result is waited for: it was not dropped. */
  awaits({ row }: LaneRow): boolean {
    return this.#awaited.has(row);
  }

  /** The row has its mask, -1: none. */
  masked({ row }: LaneRow, mask: number): void {
    this.#outbox.masked(row, mask);
  }

  /** The row is sent without its mask, which comes under this number; see {@linkcode RowOutbox.late}. */
  late({ row }: LaneRow, mask: number): void {
    this.#outbox.late(row, mask);
  }

  /** A row that has not been sent need not run: it is known that this token follows it. */
  answerUnsent(row: LaneRow, token: number): void {
    if (!this.#awaited.delete(row.row)) return;
    this.#outbox.drop(row.row);
    row.result = { row: row.row, token };
  }

  /** See {@linkcode RowOutbox.announce}. */
  announce(mask: AnnouncedMask): void {
    this.#outbox.announce(mask);
  }

  /** See {@linkcode RowOutbox.dropMask}. */
  dropMask(id: number): void {
    this.#outbox.dropMask(id);
  }

  /** See {@linkcode RowOutbox.releasePrompt}. */
  releasePrompt(mask: number): void {
    this.#outbox.releasePrompt(mask);
  }

  /** A draft and those behind it are taken back before they are sent. Returns all of them. */
  cut(draft: LaneRow): LaneRow[] {
    const { parent } = draft;
    if (parent) parent.children = parent.children.filter((child) => child !== draft);
    this.dropDraft(draft);
    const all = (row: LaneRow): LaneRow[] => [row, ...row.children.flatMap(all)];
    return all(draft);
  }

  /** The request is opened with these tokens. Returns their rows. */
  #open(tokens: readonly number[]): number[] {
    const rows = Array.from(tokens, (_, i) => i);
    this.#opened = { tokens: [...tokens], rows };
    this.#outbox.begin(tokens.length);
    return rows;
  }

  /**
   * The last row of a lane that is placed. Where the answer is held to a grammar, it hangs on the rows
   * of the tokens before it, up to the prompt's last one.
   */
  #tipOf({ tokens, promptTokens }: Lane, rows: readonly number[]): LaneRow {
    let tip: LaneRow | undefined;
    const first = this.#o.constrained ? promptTokens - 1 : tokens.length - 1;
    for (let at = first; at < tokens.length; at++) {
      const parent = tip && { parent: tip };
      tip = { row: rows[at], token: tokens[at], position: at, children: [], ...parent };
    }
    return tip!;
  }

  #rowAfter(
    lane: Lane,
    parent: LaneRow,
    token: number,
    { kind, chance, frame, mask }: Pick<NewRow, "kind" | "chance" | "frame" | "mask">,
  ): LaneRow {
    const position = parent.position + 1;
    const { constrained } = this.#o;
    const number = this.#outbox.add({
      token,
      position,
      parent: parent.row,
      want: true,
      kind,
      chance,
      frame,
      ...(constrained && { mask: mask ?? "waits" }),
    });
    const row: LaneRow = { row: number, token, position, children: [] };
    if (!constrained) return row;
    row.parent = parent;
    if (mask === undefined) this.#unmasked.push({ lane, row });
    return row;
  }

  #wait(awaited: AwaitedRow): void {
    if (this.#awaited.size === 0) this.#o.onFirstWait();
    this.#awaited.set(awaited.row.row, awaited);
  }
}
