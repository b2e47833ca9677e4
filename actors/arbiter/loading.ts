/**
 * Makes a frame of rows that wait: each gets its slot, and its request is told that it waits no
 * more.
 *
 * @module
 */
import type { Frame } from "../pipeline/mod.ts";
import type { Carried, Flight } from "./flights.ts";
import type { MaskBook } from "./mask_book.ts";
import type { Layout, Memory } from "./memory.ts";
import type { ArbiterRequest, PendingRow, PrefillJob } from "./request.ts";
import { newRow } from "./row_pool.ts";
import { reuse, stands } from "./situation.ts";

/**
 * Takes as many of the rows as there is room for out of what waits, and gives each its slot. Rows
 * whose parents have no slot stay; prompt rows that are in the cache by now are not sent. At least
 * one row is loaded: the situation found each first row ready, and nothing here takes its place.
 */
export function load(
  rows: PendingRow[],
  { room, running, memory }: {
    /** Most rows. */
    room: number;
    /** Requests whose rows these are, at least. */
    running: ArbiterRequest[];
    memory: Memory;
  },
): Carried[] {
  const { pool, cache, near } = memory;
  const carried: Carried[] = [];
  const gone = new Set<PendingRow>();
  const jobs = new Set<PrefillJob>();
  const jobOf = new Map<PendingRow, PrefillJob>();
  for (const request of running) for (const job of request.jobs) jobOf.set(job.rows[job.at], job);
  let job: PrefillJob | undefined;
  for (const pending of rows) {
    if (carried.length >= room) break;
    const { request } = pending;
    if (pending.kind === "prefill") {
      job = jobOf.get(pending) ?? job!;
      // A row that this very frame has loaded for another request stands for it.
      if (job.at >= job.rows.length || job.rows[job.at] !== pending) continue;
      if (!stands(pending)) continue;
      // Rows on the shelf are left out, since this frame's layout is already made. In an arena that
      // was full they were not found before; now they would take the place of rows of this frame.
      reuse(job, cache, { shelf: false, near });
      if (job.rows[job.at] !== pending) continue;
      job.at++;
      jobs.add(job);
    } else if (!stands(pending)) continue; // there was no room for its parent
    const row = newRow(pending.token, pending.position, { parent: request.rows[pending.parent] });
    pool.place(row);
    request.rows[pending.number] = row;
    if (job?.prompt && pending.kind === "prefill" && request.open.reuse) {
      row.anchor = row.position === job.parting ||
        pending.number === request.open.prompt.length - 1;
      cache.add(row);
    }
    carried.push({ row, pending });
    gone.add(pending);
    request.tally.sentRows++;
  }
  for (const { request, prompt } of jobs) if (prompt) request.tally.pieces++;
  for (const job of jobs) job.gone++;
  for (const request of new Set(carried.map((c) => c.pending.request))) {
    request.jobs = request.jobs.filter((job) => job.at < job.rows.length);
    request.decodes = request.decodes.filter((p) => !gone.has(p));
    request.drafts = request.drafts.filter((p) => !gone.has(p));
  }
  return carried;
}

/**
 * The frame of rows that have their slots, and what is to be remembered of it. Announces the
 * samplers of requests whose first wanted row it carries.
 */
export function frameOf(
  carried: Carried[],
  { arena, seq, layout, forgotten, masks, now }: {
    arena: string;
    seq: number;
    layout?: Layout;
    /** Ids of samplers that the stages are to forget. */
    forgotten: number[];
    /** The masks that the stages know. */
    masks: MaskBook;
    /** The time in milliseconds. */
    now: number;
  },
): { frame: Frame; flight: Flight } {
  const wanted: Carried[] = [];
  const want: number[] = [];
  const announced: ArbiterRequest[] = [];
  for (const [i, c] of carried.entries()) {
    const { request, want: wants, number } = c.pending;
    if (!wants || request.closed || request.rows[number] !== c.row) continue;
    want.push(i);
    wanted.push(c);
    if (!request.announced) announced.push(request);
    request.announced = request.sampled = true;
  }
  const rows = carried.map((c) => c.row);
  const base = rows[0].slot;
  const samplersOf = (requests: ArbiterRequest[]) =>
    requests.map(({ order, open }) => ({
      id: order,
      sampling: open.sampling,
      prompt_rows: open.prompt_rows ?? open.prompt.length,
      ...(open.hidden && { hidden: true }),
    }));
  const samplers = samplersOf(announced.filter(({ open }) => !open.strict));
  const strict = samplersOf(announced.filter(({ open }) => open.strict));
  const masked = masks.frame(wanted.map((c) => c.pending.mask));
  const news = announced.length + forgotten.length + masked.announced.length +
    masked.forgotten.length;
  return {
    flight: {
      seq,
      base,
      carried,
      wanted,
      sent: now,
      bound: layout !== undefined || news > 0,
      moved: layout ? movedRows(layout) : 0,
      announced,
      forgotten,
      masks: masked.announced.map(({ mask }) => mask),
      forgottenMasks: masked.forgotten,
    },
    frame: {
      arena,
      seq,
      ...(layout && { layout }),
      ...(samplers.length && { samplers }),
      ...(strict.length && { strict_samplers: strict }),
      ...(forgotten.length && { drop_samplers: forgotten }),
      ...(masked.announced.length && {
        masks: masked.announced.map(({ id, mask: { bits } }) => ({ id, bits })),
      }),
      ...(masked.forgotten.length && { drop_masks: masked.forgotten }),
      base,
      ...(rows[0].near >= 0 && { near_base: rows[0].near }),
      tokens: Int32Array.from(rows, (r) => r.token),
      positions: Int32Array.from(rows, (r) => r.position),
      parents: Int32Array.from(rows, (r) => r.parent?.slot ?? -1),
      want: Int32Array.from(want),
      want_samplers: Int32Array.from(wanted, (c) => c.pending.request.order),
      ...(masked.wanted && { want_masks: masked.wanted }),
      ...(wanted.some((c) => c.pending.given !== undefined) && {
        want_given: Int32Array.from(wanted, (c) => c.pending.given ?? -1),
      }),
    },
  };
}

/**
 * Rows that a layout moves to another slot. A layout that makes the arena larger copies all rows,
 * but moves none in this sense: its time is no measure of moving.
 */
function movedRows({ keep, shelf = new Int32Array(0) }: Layout): number {
  return keep.filter((from, to) => from !== to).length +
    shelf.filter((from, i) => from !== i - shelf.length).length;
}
