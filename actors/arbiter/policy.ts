/**
 * Which rows go into the next frame. Pure: a situation in, a choice out.
 *
 * 1. At most {@linkcode windowOf} frames are under way: as many as keep the slowest stage busy
 *    until the first of them is answered, one a stage and one that waits at the first stage at
 *    least. So a prompt alone leaves no gaps.
 * 2. Lanes (decode rows) are spread so that a token for every lane takes the least time:
 *    {@linkcode rowsPerFrame}. That fills the pipeline first and batches after: N stages run N
 *    frames of lanes / N rows in lockstep.
 * 3. No more lane frames than that are under way while lanes are too few to fill another: they wait
 *    for those that come back, and a moment for those that have just been answered. Else batches
 *    fall apart. A lane that is alone never waits.
 * 4. Prompt pieces and decode frames alternate. So tokens wait for one piece a slot, a piece for
 *    one decode frame.
 * 5. Decode rows ride along with a piece when that costs the slowest stage less time than a frame
 *    of their own.
 * 6. A piece that ends early is filled up with other pieces (short prompts of many branches travel
 *    together).
 * 7. Requests take turns by what they have had: the least served in row time goes first.
 * 8. Drafts ride with their decode row. All of a lane that is alone go; else a draft row goes while
 *    the tokens that it may give are more than those that its time costs the others ({@linkcode
 *    Load}). So it is with drafts that have a frame of their own. What is left out stays and may go
 *    later.
 *
 * @module
 */
import type { FrameCost } from "./frame_cost.ts";

/** Part of a frame that may be missing from a window. */
const SLACK = 0.05;
/** Most draft rows of a frame, whatever their chances. */
const MAX_DRAFTS = 64;
/** Share of a frame's time that it may wait for rows to fill it up. */
const LINGER = 0.25;
/** Milliseconds that it may wait at most. */
const MAX_LINGER_MS = 15;
/** Less is not waited for. */
const LEAST_LINGER_MS = 0.1;

/** A piece that may go. */
export interface PieceOffer<J> {
  job: J;
  /** Row time that its request has had. */
  served: number;
  /** Rows that the job still has. */
  left: number;
  /** Rows of its next piece. */
  size: number;
}

/** A decode row that may go. */
export interface DecodeOffer<D> {
  row: D;
  /** Who wants it; requests take turns. */
  request: unknown;
  served: number;
}

/** A draft row that may go, or may if its parent goes. Parents come before children. */
export interface DraftOffer<D> {
  row: D;
  request: unknown;
  /** Row that it hangs on, where that has not been sent. */
  parent?: D;
  /**
   * Chance that it is of use, 0 .. 1; 0 while its parent has been answered and nobody has said what
   * came of it.
   */
  chance: number;
}

/** What the policy looks at. */
export interface Situation<J, D> {
  stages: number;
  /** Frames under way. */
  inFlight: number;
  /** Decode rows under way. */
  lanesInFlight: number;
  /** Frames that carry them. */
  laneFrames: number;
  /** Lanes that have just been answered and are likely to come back at once. */
  lanesOwed: number;
  /** Milliseconds since the last of those was answered. */
  sinceAnswerMs: number;
  /** Most decode rows of a frame. */
  cap: number;
  /** Was the last frame a piece? */
  lastWasPiece: boolean;
  cost: FrameCost;
  pieces: PieceOffer<J>[];
  decodes: DecodeOffer<D>[];
  drafts: DraftOffer<D>[];
}

/**
 * What the policy answers: rows for one frame, or milliseconds after which to ask again, or
 * nothing.
 */
export type FrameChoice<J, D> =
  | { kind: "frame"; pieces: { job: J; rows: number }[]; decodes: D[]; drafts: D[] }
  | { kind: "linger"; ms: number }
  | { kind: "none" };

/**
 * Most frames of so many rows under way: see rule 1. One more than a stage each until links are
 * measured; two a stage and one at most, since a full link looks slower the more is sent.
 */
export function windowOf(
  stages: number,
  cost: FrameCost,
  { rows = 1 }: { rows?: number } = {},
): number {
  const transit = cost.transitMs(rows);
  if (transit === undefined) return stages + 2;
  const trip = (cost.sum(rows) + transit) / Math.max(1e-9, cost.slowest(rows));
  return Math.min(2 * stages + 1, Math.max(stages + 1, Math.ceil(trip - SLACK)));
}

/**
 * Rows per frame for which a token of each of `lanes` lanes takes the least time. A round lasts as
 * long as a frame's way through all stages, or as the slowest stage needs for all frames, whichever
 * is longer.
 */
export function rowsPerFrame(lanes: number, cap: number, { cost }: { cost: FrameCost }): number {
  const transit = cost.transitMs(1) ?? 0;
  let best = 1;
  let shortest = Infinity;
  for (let rows = 1; rows <= Math.min(lanes, cap); rows++) {
    const frames = Math.ceil(lanes / rows);
    const round = Math.max(cost.sum(rows) + transit, frames * cost.slowest(rows));
    if (round < shortest * 0.999) {
      best = rows;
      shortest = round;
    }
  }
  return best;
}

/** See the module's text. */
export function choose<J, D>(s: Situation<J, D>): FrameChoice<J, D> {
  const lanes = s.decodes.length + s.lanesInFlight + s.lanesOwed;
  const target = rowsPerFrame(lanes, s.cap, s);
  const ready = s.decodes.length > 0 ||
    s.drafts.some((d) => d.parent === undefined && d.chance > 0);

  if (s.pieces.length > 0 && !(s.lastWasPiece && ready)) {
    const pieces = pickPieces(s.pieces);
    const rows = pieces.reduce((n, p) => n + p.rows, 0);
    if (s.inFlight >= windowOf(s.stages, s.cost, { rows })) return { kind: "none" };
    return { kind: "frame", pieces, decodes: pickRiders(s, rows, target), drafts: [] };
  }
  if (!ready && s.inFlight === 0) return sendUndecided(s);
  if (!ready || s.inFlight >= windowOf(s.stages, s.cost, { rows: target })) return { kind: "none" };
  return gather(s, { lanes, target }) ?? sendLanes(s, { lanes, target });
}

/** What lanes wait for that are too few to fill a frame, if they should: see rule 3. */
function gather<J, D>(
  s: Situation<J, D>,
  { lanes, target }: { lanes: number; target: number },
): FrameChoice<J, D> | undefined {
  const few = s.decodes.length > 0 && s.decodes.length < target;
  if (!few || s.pieces.length > 0) return undefined;
  if (s.laneFrames >= Math.ceil(lanes / target)) return { kind: "none" }; // the next answer asks again
  if (s.lanesOwed === 0) return undefined;
  const ms = Math.min(MAX_LINGER_MS, LINGER * s.cost.slowest(1)) - s.sinceAnswerMs;
  return ms > LEAST_LINGER_MS ? { kind: "linger", ms } : undefined;
}

function sendLanes<J, D>(
  s: Situation<J, D>,
  { lanes, target }: { lanes: number; target: number },
): FrameChoice<J, D> {
  const decodes = pickDecodes(s.decodes, target, s.cost.slowest(1));
  const drafts = pickDrafts(s, decodes, loadOf(s, { lanes, target }));
  if (decodes.length + drafts.length === 0) return { kind: "none" }; // the next answer asks again
  return { kind: "frame", pieces: [], decodes, drafts };
}

/**
 * Drafts whose parents have been answered wait for the word whether they came true, which comes at
 * once: they are certain or of no use. They go if nobody says anything: whoever sent them may want
 * them all the same.
 */
function sendUndecided<J, D>(s: Situation<J, D>): FrameChoice<J, D> {
  if (s.drafts.length === 0) return { kind: "none" };
  if (s.lanesOwed > 0) return { kind: "linger", ms: MAX_LINGER_MS };
  const drafts = s.drafts.slice(0, MAX_DRAFTS).map((d) => d.row);
  return { kind: "frame", pieces: [], decodes: [], drafts };
}

/** The least served request's piece, and more pieces while they fit into its size. */
function pickPieces<J>(offers: PieceOffer<J>[]): { job: J; rows: number }[] {
  const [first, ...others] = offers.toSorted((a, b) => a.served - b.served);
  const picked = [{ job: first.job, rows: Math.min(first.left, first.size) }];
  let room = first.size - picked[0].rows;
  for (const { job, left, size } of others) {
    const rows = Math.min(left, size, room);
    if (rows < 1) continue;
    picked.push({ job, rows });
    room -= rows;
  }
  return picked;
}

/** Decode rows that go with a piece, if that is cheaper than a frame of their own. */
function pickRiders<J, D>(s: Situation<J, D>, pieceRows: number, target: number): D[] {
  const riders = Math.min(s.decodes.length, target);
  if (riders === 0) return [];
  const added = s.cost.slowest(pieceRows + riders) - s.cost.slowest(pieceRows);
  return added < s.cost.slowest(riders) ? pickDecodes(s.decodes, riders, s.cost.slowest(1)) : [];
}

/**
 * The least served requests' rows; each row counts at once, so that a request with many lanes does
 * not take all.
 */
function pickDecodes<D>(offers: DecodeOffer<D>[], count: number, rowMs: number): D[] {
  if (offers.length <= count) return offers.map((o) => o.row);
  const served = new Map<unknown, number>();
  for (const o of offers) served.set(o.request, o.served);
  const left = [...offers];
  const picked: D[] = [];
  while (picked.length < count && left.length > 0) {
    let least = 0;
    for (let i = 1; i < left.length; i++) {
      if (served.get(left[i].request)! < served.get(left[least].request)!) least = i;
    }
    const [offer] = left.splice(least, 1);
    served.set(offer.request, served.get(offer.request)! + rowMs);
    picked.push(offer.row);
  }
  return picked;
}

/** How much of the pipeline lanes take, and what they make of it. */
interface Load {
  lanes: number;
  /** Part of the slowest stage's time that the lanes' own rows take, 0 .. 1. */
  busy: number;
  /** Milliseconds for a token of every lane. */
  roundMs: number;
}

function loadOf<J, D>(
  s: Situation<J, D>,
  { lanes, target }: { lanes: number; target: number },
): Load {
  const work = Math.ceil(lanes / target) * s.cost.slowest(target);
  const roundMs = Math.max(1e-9, s.cost.sum(target) + (s.cost.transitMs(target) ?? 0), work);
  return { lanes, roundMs, busy: s.pieces.length > 0 ? 1 : work / roundMs };
}

/**
 * Tokens that one more row costs a frame of so many rows: its own lanes wait for every stage to run
 * it, and as far as the pipeline is busy all others wait for the slowest.
 */
function tokensLost(
  rows: number,
  expected: number,
  { busy }: Load,
  { cost }: { cost: FrameCost },
): number {
  const trip = cost.sum(rows) + (cost.transitMs(rows) ?? 0);
  const own = (cost.sum(rows + 1) - cost.sum(rows)) / trip;
  const shared = (cost.slowest(rows + 1) - cost.slowest(rows)) / cost.slowest(rows);
  return expected * ((1 - busy) * own + busy * shared);
}

/**
 * Draft rows that go with these decode rows, or in a frame of their own if there are none: see rule
 * 8.
 */
function pickDrafts<J, D>(s: Situation<J, D>, decodes: D[], load: Load): D[] {
  const going = new Set(decodes);
  const may = (d: DraftOffer<D>) => d.chance > 0 && (d.parent === undefined || going.has(d.parent));
  const alone = load.lanes <= 1 && decodes.length > 0 && s.pieces.length === 0;
  const picked: D[] = [];
  let expected = decodes.length;
  // A child's chance is not above its parent's: by falling chance, parents first, is an order in
  // which each may go.
  for (const draft of alone ? s.drafts : s.drafts.toSorted((a, b) => b.chance - a.chance)) {
    if (picked.length >= MAX_DRAFTS) break;
    if (!may(draft)) continue;
    const rows = decodes.length + picked.length;
    if (!alone && rows > 0 && draft.chance < tokensLost(rows, expected, load, s)) continue;
    picked.push(draft.row);
    going.add(draft.row);
    expected += draft.chance;
  }
  // A frame of drafts alone makes the lanes wait, as far as they fill the pipeline.
  const waits = load.lanes / load.roundMs * load.busy * s.cost.slowest(picked.length);
  if (decodes.length === 0 && s.inFlight > 0 && load.lanes > 1 && expected < waits) return [];
  // Parents before children, as they were offered.
  const chosen = new Set(picked);
  return s.drafts.filter((d) => chosen.has(d.row)).map((d) => d.row);
}
