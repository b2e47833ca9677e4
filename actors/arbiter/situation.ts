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
import { type ArbiterRequest, nextPiece, type PendingRow, type PrefillJob } from "./request.ts";

/** Milliseconds in which the next row of a lane that was answered is expected. */
const BACK_MS = 20;

/** What {@linkcode situationOf} draws from. */
export interface SituationSource {
  /** Stages of the pipeline. */
  stages: number;
  /** Requests that run. */
  running: ArbiterRequest[];
  /** Frames under way. */
  flights: Flights;
  cache: PrefixCache;
  /** How long frames take. */
  cost: FrameCost;
  /** Most decode rows of a frame. */
  cap: number;
  /** The last frame carried pieces of prompts. */
  lastWasPiece: boolean;
  /** The time in milliseconds. */
  now: number;
}

/**
 * Offers the rows that may be sent now: those whose parents stand in the arena, or are offered too.
 * Cached rows stand in for rows of prompts first. Forgets lanes that have been owed for too long.
 */
export function situationOf(source: SituationSource): Situation<PrefillJob, PendingRow> {
  const { stages, running, flights, cache, cost, cap, lastWasPiece, now } = source;
  const pieces: PieceOffer<PrefillJob>[] = [];
  const decodes: DecodeOffer<PendingRow>[] = [];
  const drafts: DraftOffer<PendingRow>[] = [];
  let lanesOwed = 0;
  let answered = -Infinity;
  for (const request of running) {
    const { served } = request;
    for (const job of request.jobs) {
      reuse(job, cache);
      if (!stands(job.rows[job.at])) continue;
      pieces.push({ job, served, left: job.rows.length - job.at, size: nextPiece(job) });
    }
    const going = new Map<number, PendingRow>();
    for (const row of request.decodes) {
      if (!stands(row)) continue;
      decodes.push({ row, request, served });
      going.set(row.number, row);
    }
    for (const row of request.drafts) {
      const parent = going.get(row.parent);
      if (!parent && !stands(row)) continue;
      drafts.push({ row, request, parent, chance: row.chance, frameRows: request.frameRows });
      going.set(row.number, row);
    }
    request.owed = request.owed.filter((at) => now - at < BACK_MS);
    lanesOwed += request.owed.length;
    answered = Math.max(answered, ...request.owed);
  }
  const lanes = flights.lanes();
  return {
    stages,
    inFlight: flights.size,
    lanesInFlight: lanes.rows,
    laneFrames: lanes.frames,
    lanesOwed,
    sinceAnswerMs: now - answered,
    cap,
    lastWasPiece,
    cost,
    pieces,
    decodes,
    drafts,
  };
}

/** Does the row's parent stand in the arena, so that the row may be sent? */
export const stands = ({ request, parent }: PendingRow): boolean =>
  parent < 0 || (request.rows[parent]?.slot ?? -1) >= 0;

/**
 * Lets cached rows stand for the next rows of a prompt, as far as there are any. The prompt's last
 * row is always run, since the token after it is wanted. `shelf`: see {@linkcode PrefixCache.find}.
 */
export function reuse(
  job: PrefillJob,
  cache: PrefixCache,
  { shelf = true }: { shelf?: boolean } = {},
): void {
  const { request } = job;
  if (!job.prompt || !request.open.reuse) return;
  while (job.at < job.rows.length - 1) {
    const { number, token, parent } = job.rows[job.at];
    const row = cache.find(request.rows[parent], token, { shelf });
    if (!row) return;
    cache.claim(row);
    request.rows[number] = row;
    request.reused++;
    job.at++;
  }
}
