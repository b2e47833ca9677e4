/**
 * What a shard of the LM head does with the wanted rows of frames. `head.ts` says which message leads
 * to which of these.
 *
 * @module
 */
import { type ActorContext, OrreryError, parseAddress, toOrreryError } from "../system/mod.ts";
import type { AnnouncedSampler } from "./frame.ts";
import type { HeadEngine, HeadRow } from "./head_engine.ts";
import type { MoreMessage, NormedMessage, RowFailure } from "./head_messages.ts";
import { crashIfDead, type OpenArena, OpenArenas, ResultOutbox } from "./open_arenas.ts";
import { CANDIDATE_LIMITS } from "./partials.ts";
import { KnownMasks } from "./token_mask.ts";
import { tellRun } from "./work_spans.ts";

/** Frames whose rows are kept for `more`: more than an arbiter has under way. */
const MOST_KEPT = 256;

/** What a shard knows about an open arena. */
interface HeadArena extends OpenArena {
  /** Samplers by their id. */
  samplers: Map<number, AnnouncedSampler>;
  /** Masks of its own tokens. */
  masks: KnownMasks;
  /** Messages whose rows may be asked for again, by the number of the frame; oldest first. */
  kept: Map<number, MaskedRows>;
}

/** A message, and the mask of each of its rows, which may be dropped before the rows are asked for again. */
interface MaskedRows {
  message: NormedMessage;
  /** undefined: the row has none; `unknown`: it names one that the arena does not know. */
  masks: (Int32Array | undefined | "unknown")[];
}

/** Which rows of a message are to be answered, and how. */
interface Wanted {
  /** Indices of the rows in the message. */
  indices: Int32Array;
  /** Most candidates of each part. */
  limit: number;
  /** When they were asked for, milliseconds (`ctx.now`). */
  received: number;
  /** What the arbiter must know through this shard, if it is the first. */
  carried: NormedMessage["carried"];
}

/** Options of {@linkcode HeadFrames}. */
export interface HeadFramesOptions {
  /** Computes what the shard's parts say. */
  engine: HeadEngine;
  /** See `leaseMsSchema`. */
  leaseMs: number;
  /** Milliseconds after which an answer that could not be delivered is given up. */
  answerDeadlineMs: number;
}

/** See the module's text. Of an actor whose key is the index of its shard. */
export class HeadFrames {
  /** The arenas that are open here. */
  readonly arenas: OpenArenas<HeadArena>;
  readonly #ctx: ActorContext;
  readonly #engine: HeadEngine;
  readonly #outbox: ResultOutbox;
  /** Index of this shard, 0 for the one with the first parts. */
  readonly #shard: number;

  /** No arena is open. Begins to watch the leases of those to come. */
  constructor(ctx: ActorContext, { engine, leaseMs, answerDeadlineMs }: HeadFramesOptions) {
    this.#ctx = ctx;
    this.#engine = engine;
    this.#shard = Number(parseAddress(ctx.self).key);
    this.arenas = new OpenArenas<HeadArena>(ctx, { leaseMs, ended: "forgot it" });
    this.#outbox = new ResultOutbox(ctx, answerDeadlineMs);
  }

  /**
   * Computes the rows of a message, which came at `received` (`ctx.now`, milliseconds), and sends the
   * arbiter what the shard's parts say. Rows that cannot be computed end their arena, of which the
   * arena's owner is told; a dead engine is thrown as a crash.
   */
  async normed(message: NormedMessage, received: number): Promise<void> {
    const { arenas } = this;
    const { arena, seq, carried } = message;
    if (arenas.isClosed(arena)) return; // the arena was closed while the message was queued
    try {
      const state = this.#admit(message);
      if (arenas.takeCancelled(state, seq)) return;
      const indices = Int32Array.from(message.positions.keys());
      const limit = CANDIDATE_LIMITS[0];
      const given = { message, masks: masksOf(message, state) };
      await this.#answer(given, state, { indices, limit, received, carried });
    } catch (error) {
      this.#fail(message, error, message.reply_to);
    }
  }

  /** Lists more candidates of rows that were answered before. Fails as {@linkcode normed}. */
  async more({ arena, seq, rows: indices, limit }: MoreMessage, received: number): Promise<void> {
    const state = this.arenas.get(arena);
    if (!state) return; // its arbiter has been told, or has closed it
    try {
      const kept = state.kept.get(seq);
      const known = kept && indices.every((row) => row >= 0 && row < kept.message.positions.length);
      if (!known) throw this.#noArena(arena, seq, "these rows are not kept");
      this.arenas.renew(state);
      await this.#answer(kept, state, { indices, limit, received, carried: undefined });
    } catch (error) {
      this.#fail({ arena, seq }, error);
    }
  }

  /** See `cancel` of `arenaMessages`. */
  cancel(arena: string, seqs: number[]): void {
    this.arenas.cancel(arena, seqs);
    for (const seq of seqs) this.arenas.get(arena)?.kept.delete(seq);
  }

  /** Notes what the message says of its arena. Throws `no_arena` and `bad_frame`. */
  #admit(message: NormedMessage): HeadArena {
    const { arena, seq, opens, reply_to: replyTo, drop_samplers = [] } = message;
    const { samplers = [], strict_samplers = [] } = message;
    let state = this.arenas.get(arena);
    if (!state) {
      if (!opens) throw this.#noArena(arena, seq, "that arena is not open (lost in a restart?)");
      state = {
        replyTo,
        until: 0,
        samplers: new Map(),
        cancelled: new Set<number>(),
        kept: new Map(),
        masks: new KnownMasks(),
      };
      this.arenas.open(arena, state);
    }
    for (const id of drop_samplers) state.samplers.delete(id);
    for (const sampler of [...samplers, ...strict_samplers]) {
      state.samplers.set(sampler.id, sampler);
    }
    const problem = state.masks.note(message, this.#engine.info.tokens);
    if (problem !== undefined) {
      throw new OrreryError({ group: "engine", code: "bad_frame", message: problem });
    }
    this.arenas.renew(state);
    return state;
  }

  /** Computes some rows of a message and sends the arbiter what the shard's parts say. */
  async #answer(
    given: MaskedRows,
    state: HeadArena,
    { indices, limit, received, carried }: Wanted,
  ): Promise<void> {
    const { message } = given;
    const { arena, seq, normed } = message;
    const { rows, failed } = rowsOf(given, state.samplers, indices);
    const began = this.#ctx.now();
    const output = await this.#engine.run({ normed, rows, limit });
    const ended = this.#ctx.now();
    const busyMs = output.computeMs;
    const times = { received, began, ended };
    const run = { index: this.#shard, frame: message, rows: rows.length, busyMs };
    tellRun(this.#ctx, { what: "head", ...run, ...times });
    if (output.more) keep(state, given);
    const { parts, vocab } = this.#engine.info;
    const partial = {
      type: "partial",
      arena,
      seq,
      shard: this.#shard,
      parts,
      vocab,
      rows: indices,
      ...output.partials,
      failed: [...failed, ...output.failed],
      trace: { ...times, busy_ms: busyMs },
      ...(carried && { carried }),
    };
    await this.#outbox.send(
      [[state.replyTo, partial]],
      (error) => void this.arenas.undelivered(arena, seq, error),
    );
  }

  /**
   * Closes an arena whose rows could not be computed and tells its owner why: `replyTo`, where the
   * arena is not open here.
   */
  #fail({ arena, seq }: { arena: string; seq: number }, caught: unknown, replyTo?: string): void {
    const { arenas } = this;
    if (arenas.isClosed(arena)) return; // the arena was closed while the rows were computed
    const error = toOrreryError(caught, this.#ctx.self);
    const known = arenas.get(arena);
    const to = known?.replyTo ?? replyTo;
    // One that is not open here may be opened yet: the message may be older than this shard.
    if (known) void arenas.close(arena);
    if (to) void arenas.report(to, arena, error, seq);
    crashIfDead(caught, error);
  }

  #noArena(arena: string, seq: number, why: string): OrreryError {
    return new OrreryError({
      group: "engine",
      code: "no_arena",
      message: `rows of frame ${seq} of ${arena} came to ${this.#ctx.self}, where ${why}`,
      metadata: { arena, seq },
    });
  }
}

/** The mask of each row of a message that has come. */
const masksOf = ({ want_masks }: NormedMessage, { masks }: HeadArena): MaskedRows["masks"] =>
  Array.from(want_masks ?? [], (id) => id < 0 ? undefined : masks.get(id) ?? "unknown");

/** The rows of a message with these indices, and those whose sampler or mask is not known. */
function rowsOf(
  { message, masks }: MaskedRows,
  samplers: HeadArena["samplers"],
  indices: Iterable<number>,
): { rows: HeadRow[]; failed: RowFailure[] } {
  const occurrences = new Map(message.occurrences?.map((o) => [o.row, o]));
  const rows: HeadRow[] = [];
  const failed: RowFailure[] = [];
  for (const row of indices) {
    const sampler = samplers.get(message.want_samplers[row]);
    const position = message.positions[row];
    const allowed = masks[row];
    if (sampler && allowed !== "unknown") {
      const { sampling } = sampler;
      const given = message.want_given?.[row] ?? -1;
      rows.push({
        row,
        sampling,
        position,
        occurrences: occurrences.get(row),
        allowed,
        ...(given >= 0 && { given }),
      });
    } else {
      const [code, what] = sampler ? ["no_mask", "mask"] : ["no_sampler", "sampler"];
      const text = `the row for position ${position} names a ${what} that the arena does not know`;
      failed.push({ row, code, message: text });
    }
  }
  return { rows, failed };
}

/** Keeps the rows of a message, as the one that was kept last. */
function keep({ kept }: HeadArena, { message, masks }: MaskedRows): void {
  const { seq, normed } = message;
  kept.delete(seq);
  // A copy: the message's bytes may be a part of a larger buffer.
  const copy = { ...normed, data: normed.data.slice() };
  kept.set(seq, { message: { ...message, normed: copy, carried: undefined }, masks });
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value!);
}
