/**
 * Makes the situation that the policy looks at from the rows that wait and those that are under
 * way.
 *
 * @module
 */
import type { Flights } from "./flights.ts";
import type { FrameCost } from "./frame_cost.ts";
import type { DecodeOffer, DraftOffer, PieceOffer, Situation } from "./policy.ts";
import type { PrefixCache } from "./prefix_cache.ts";
import type { NearRows } from "./near_rows.ts";
import { nextPiece } from "./prompt_pieces.ts";
import type { ArbiterRequest, PendingRow, PrefillJob } from "./request.ts";
import { cachedRows } from "./resumable.ts";

/** What {@linkcode situationOf} draws from. */
export interface SituationSource {
  /** Stages of the pipeline. */
  stages: number;
  /** Requests that run. */
  running: ArbiterRequest[];
  /** Frames under way. */
  flights: Flights;
  cache: PrefixCache;
  /** Which rows windowed layers keep; undefined: all. */
  near?: NearRows;
  /** How long frames take. */
  cost: FrameCost;
  /** Most decode rows of a frame. */
  cap: number;
  /** See `Situation.pieceMs`. */
  pieceMs: number;
  /** The time in milliseconds. */
  now: number;
}

/**
 * Offers the rows that may be sent now: those whose parents stand in the arena, or are offered too.
 * Cached rows stand in for rows of prompts first. Forgets lanes that have been owed for too long.
 */
export function situationOf(source: SituationSource): Situation<PrefillJob, PendingRow> {
  const { stages, running, flights, cache, near, cost, cap, pieceMs, now } = source;
  const pieces: PieceOffer<PrefillJob>[] = [];
  const decodes: DecodeOffer<PendingRow>[] = [];
  const drafts: DraftOffer<PendingRow>[] = [];
  for (const request of running) {
    const { served } = request;
    for (const job of request.jobs) {
      reuse(job, cache, { near });
      if (!stands(job.rows[job.at])) continue;
      job.since ??= now;
      const left = job.rows.length - job.at - (job.rows.at(-1)!.held ? 1 : 0);
      if (left < 1) continue; // its last row waits for a mask
      pieces.push({ job, since: job.since, left, size: nextPiece(job) });
    }
    const from = decodes.length;
    for (const row of request.decodes) {
      if (stands(row)) decodes.push({ row, request, served });
    }
    if (request.drafts.length === 0) continue;
    const going = new Map(decodes.slice(from).map(({ row }) => [row.number, row]));
    for (const row of request.drafts) {
      const parent = going.get(row.parent);
      if (!parent && !stands(row)) continue;
      drafts.push({ row, request, parent, chance: row.chance, frameRows: request.frameRows });
      going.set(row.number, row);
    }
  }
  const lanes = flights.lanes();
  return {
    stages,
    inFlight: flights.size,
    lanesInFlight: lanes.rows,
    laneFrames: lanes.frames,
    pieceFrames: lanes.pieces,
    ...owedLanes(running, { cost, now }),
    cap,
    pieceMs,
    cost,
    pieces,
    decodes,
    drafts,
  };
}

/**
 * Lanes that were answered and have not come back, and how long they may still be waited for.
 * Forgets those that have been owed for too long, and measures how long the others took.
 */
function owedLanes(
  running: ArbiterRequest[],
  { cost: { returns }, now }: { cost: FrameCost; now: number },
): { lanesOwed: number; owedMs: number } {
  const owed = new Map<number, number>();
  for (const request of running) {
    for (const [at, lanes] of request.returned) returns.back(at, lanes, now);
    request.returned.clear();
    for (const at of request.owed) owed.set(at, (owed.get(at) ?? 0) + 1);
  }
  returns.settle(owed);
  let lanes = 0;
  for (const [at, n] of owed) lanes += n + returns.backFrom(at);
  const patience = returns.patience(lanes);
  let lanesOwed = 0;
  let owedMs = 0;
  for (const [at, n] of owed) {
    const ms = at + patience - now;
    if (ms > 0) {
      lanesOwed += n;
      owedMs = Math.max(owedMs, ms);
    } else for (const r of running) r.owed = r.owed.filter((t) => t !== at);
  }
  return { lanesOwed, owedMs };
}

/** Does the row's parent stand in the arena, so that the row may be sent? */
export const stands = ({ request, parent }: PendingRow): boolean =>
  parent < 0 || (request.rows[parent]?.slot ?? -1) >= 0;

/**
 * Lets cached rows stand for the next rows of a prompt, as far as there are any. The prompt's last
 * row is always run, since the token after it is wanted. `shelf`: see {@linkcode PrefixCache.find};
 * `near`: which rows windowed layers keep, if they do not keep all.
 */
export function reuse(
  job: PrefillJob,
  cache: PrefixCache,
  { shelf = true, near }: { shelf?: boolean; near?: NearRows } = {},
): void {
  const { request, at } = job;
  if (!job.prompt || !request.open.reuse || job.stuck === at) return;
  const { rows, last } = cachedRows(
    (i) => at + i < job.rows.length - 1 ? job.rows[at + i].token : undefined,
    { parent: request.rows[job.rows[at]?.parent], cache, near, shelf },
  );
  for (const row of rows) {
    cache.claim(row);
    request.rows[job.rows[job.at++].number] = row;
    request.tally.reused++;
  }
  if (!last) return;
  if (last === rows.at(-1)) last.anchor ||= (last.next?.size ?? 0) > 0;
  else [job.stuck, job.parting] = [job.at, last.position];
}
