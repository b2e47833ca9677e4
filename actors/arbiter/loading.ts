/**
 * From rows that wait to a frame: each gets its slot, and what waits is told.
 *
 * @module
 */
import type { Frame } from "../pipeline/mod.ts";
import type { Carried, Flight } from "./flights.ts";
import type { Layout, Memory } from "./memory.ts";
import type { ArbiterRequest, PendingRow, PrefillJob } from "./request.ts";
import { newRow } from "./row_pool.ts";
import { reuse, stands } from "./situation.ts";

/**
 * Takes rows out of what waits, as many as there is room for, and gives each its slot. At least one
 * row goes, as the situation found each first row ready to go and nothing here takes its place.
 */
export function load(
  rows: PendingRow[],
  { room, running, memory }: { room: number; running: ArbiterRequest[]; memory: Memory },
): Carried[] {
  const { pool, cache } = memory;
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
      if (job.at >= job.rows.length || job.rows[job.at] !== pending) continue; // rows of this very frame stand for it
      if (!stands(pending)) continue;
      // Not from the shelf: this frame's layout is made. In an arena that was full, rows there were
      // not found before, and would now take the place of rows that this frame is to carry.
      reuse(job, cache, { shelf: false });
      if (job.rows[job.at] !== pending) continue;
      job.at++;
      jobs.add(job);
    } else if (!stands(pending)) continue; // its parent found no room
    const row = newRow(pending.token, pending.position, { parent: request.rows[pending.parent] });
    pool.place(row);
    request.rows[pending.number] = row;
    if (job?.prompt && pending.kind === "prefill" && request.open.reuse) cache.add(row);
    carried.push({ row, pending });
    gone.add(pending);
    request.sentRows++;
  }
  for (const { request, prompt } of jobs) if (prompt) request.pieces++;
  for (const job of jobs) job.gone++;
  for (const request of new Set(carried.map((c) => c.pending.request))) {
    request.jobs = request.jobs.filter((job) => job.at < job.rows.length);
    request.decodes = request.decodes.filter((p) => !gone.has(p));
    request.drafts = request.drafts.filter((p) => !gone.has(p));
  }
  return carried;
}

/** A frame of rows that have their slots, and what is to be remembered of it. */
export function frameOf(
  carried: Carried[],
  { arena, seq, layout, forgotten, now }: {
    arena: string;
    seq: number;
    layout?: Layout;
    /** Samplers that the stages are to forget. */
    forgotten: number[];
    /** Milliseconds. */
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
    request.announced = true;
  }
  const rows = carried.map((c) => c.row);
  const base = rows[0].slot;
  const samplers = announced.map(({ order, open }) => ({
    id: order,
    sampling: open.sampling,
    prompt_rows: open.prompt.length,
  }));
  const bound = layout !== undefined || announced.length + forgotten.length > 0;
  return {
    flight: {
      seq,
      base,
      carried,
      wanted,
      sent: now,
      bound,
      moved: layout ? movedRows(layout) : 0,
      announced,
      forgotten,
    },
    frame: {
      arena,
      seq,
      ...(layout && { layout }),
      ...(samplers.length && { samplers }),
      ...(forgotten.length && { drop_samplers: forgotten }),
      base,
      tokens: Int32Array.from(rows, (r) => r.token),
      positions: Int32Array.from(rows, (r) => r.position),
      parents: Int32Array.from(rows, (r) => r.parent?.slot ?? -1),
      want: Int32Array.from(want),
      want_samplers: Int32Array.from(wanted, (c) => c.pending.request.order),
    },
  };
}

/**
 * Rows that a layout moves within an arena. One that makes it larger copies all, which is no
 * measure of moving.
 */
function movedRows({ keep, shelf = new Int32Array(0) }: Layout): number {
  return keep.filter((from, to) => from !== to).length +
    shelf.filter((from, i) => from !== i - shelf.length).length;
}
