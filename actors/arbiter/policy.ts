/**
 * Which rows go into the next frame. Pure: a situation in, a choice out.
 *
 * 1. At most {@linkcode windowOf} frames are under way: as many as keep the slowest stage busy
 *    until the first of them is answered, and at least one for each stage and one that waits at the
 *    first stage. So the pieces of a prompt that is alone leave no gaps.
 * 2. Lanes (their decode rows) are spread over frames so that a token for every lane takes the
 *    least time: {@linkcode rowsPerFrame}. That fills the pipeline first and shares frames after: N
 *    stages run N frames of lanes / N rows in lockstep.
 * 3. While the lanes that may go are too few to fill a frame, no more frames than these are under
 *    way: the lanes wait for others to come back, and a moment for those that have just been
 *    answered. Else frames would fall apart into smaller ones. A lane that is alone never waits.
 * 4. Frames with pieces of prompts and frames of decode rows alternate. So at each stage a token
 *    waits for one piece, and a piece for one frame of decode rows.
 * 5. Decode rows travel with a piece when that costs the slowest stage less time than a frame of
 *    their own.
 * 6. The last piece of a prompt may be short: it is filled up with pieces of other prompts, so that
 *    short prompts of many branches travel together.
 * 7. Requests take turns: the one whose rows have had the least time of the slowest stage goes
 *    first.
 * 8. Drafts travel with their lane's decode row. Where one lane is alone, all its drafts go, in
 *    frames as large as its Generation says, which follow each other. Else a draft row goes while the tokens that it may give are more than those that its time costs the
 *    others (see `tokensLost`); so do drafts in a frame of their own. Drafts that are left out wait
 *    and may go later.
 *
 * @module
 */
import type { FrameCost } from "./frame_cost.ts";

/**
 * Share of a frame's time by which the window may be too short, 0 to 1: no frame is added for it.
 */
const SLACK = 0.05;
/** Most draft rows of a frame. */
const MAX_DRAFTS = 64;
/** Longest wait for rows to fill a frame, as a share of a one-row frame's time at a stage. */
const LINGER = 0.25;
/** Longest wait for rows to fill a frame, in milliseconds. */
const MAX_LINGER_MS = 15;
/** A wait of fewer milliseconds is left out. */
const LEAST_LINGER_MS = 0.1;
/** A round must be shorter than this share of another to count as shorter: estimates err. */
const TIE = 0.999;
/** Least time that is divided by, in milliseconds. */
const LEAST_MS = 1e-9;

/** A piece of a prompt that may go. `J` stands for the prompt. */
export interface PieceOffer<J> {
  job: J;
  /** Milliseconds of the slowest stage that rows of its request have taken. */
  served: number;
  /** Rows of the prompt that have not been sent. */
  left: number;
  /** Rows of its next piece. */
  size: number;
}

/** A decode row that may go. `D` stands for the row. */
export interface DecodeOffer<D> {
  row: D;
  /** The request that wants it: requests take turns. */
  request: unknown;
  /** Milliseconds of the slowest stage that rows of the request have taken. */
  served: number;
}

/**
 * A draft row that may go, alone or if its parent goes. Offers of parents come before those of
 * their children.
 */
export interface DraftOffer<D> {
  row: D;
  /** The request that wants it. */
  request: unknown;
  /** The row that it hangs on, if that has not been sent yet. */
  parent?: D;
  /**
   * Chance that it comes true, 0 to 1; 0 while its parent has been answered and the Generation has
   * not said whether this draft was right.
   */
  chance: number;
  /** Most rows of its frame while its lane is alone, the lane's own row included. @default none */
  frameRows?: number;
}

/** What the policy looks at. */
export interface Situation<J, D> {
  /** Stages of the pipeline. */
  stages: number;
  /** Frames under way. */
  inFlight: number;
  /** Lanes' rows under way: decode rows and last rows of prompts. */
  lanesInFlight: number;
  /** Frames that carry these rows. */
  laneFrames: number;
  /** Lanes that were answered a moment ago and whose next rows are likely to come at once. */
  lanesOwed: number;
  /** Milliseconds since the last of these lanes was answered. */
  sinceAnswerMs: number;
  /** Most decode rows of a frame. */
  cap: number;
  /** The last frame carried pieces of prompts. */
  lastWasPiece: boolean;
  /** How long frames take. */
  cost: FrameCost;
  pieces: PieceOffer<J>[];
  decodes: DecodeOffer<D>[];
  drafts: DraftOffer<D>[];
}

/**
 * What the policy answers: the rows of one frame; or to ask again after `ms` milliseconds; or that
 * nothing is to be sent before the next message.
 */
export type FrameChoice<J, D> =
  | { kind: "frame"; pieces: { job: J; rows: number }[]; decodes: D[]; drafts: D[] }
  | { kind: "linger"; ms: number }
  | { kind: "none" };

/**
 * Most frames of `rows` rows that are to be under way: see rule 1. Two more than there are stages
 * until links are measured. At most two for each stage and one more: a full link looks the slower
 * the more is sent over it, and the window would grow without end.
 */
export function windowOf(
  stages: number,
  cost: FrameCost,
  { rows = 1 }: { rows?: number } = {},
): number {
  const transit = cost.transitMs(rows);
  if (transit === undefined) return stages + 2;
  const trip = (cost.sum(rows) + transit) / Math.max(LEAST_MS, cost.slowest(rows));
  return Math.min(2 * stages + 1, Math.max(stages + 1, Math.ceil(trip - SLACK)));
}

/**
 * Rows per frame, up to `cap`, with which a token for each of `lanes` lanes takes the least time.
 * That time is the longer of two: a frame's way through all stages, and what the slowest stage
 * needs for the frames of all lanes.
 */
export function rowsPerFrame(lanes: number, cap: number, { cost }: { cost: FrameCost }): number {
  const transit = cost.transitMs(1) ?? 0;
  let best = 1;
  let shortest = Infinity;
  for (let rows = 1; rows <= Math.min(lanes, cap); rows++) {
    const frames = Math.ceil(lanes / rows);
    const round = Math.max(cost.sum(rows) + transit, frames * cost.slowest(rows));
    if (round < shortest * TIE) {
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

/** To wait, if lanes that are too few to fill a frame should: see rule 3. */
function gather<J, D>(
  s: Situation<J, D>,
  { lanes, target }: { lanes: number; target: number },
): FrameChoice<J, D> | undefined {
  const few = s.decodes.length > 0 && s.decodes.length < target;
  if (!few || s.pieces.length > 0) return undefined;
  // The next answer makes the arbiter ask again.
  if (s.laneFrames >= Math.ceil(lanes / target)) return { kind: "none" };
  if (s.lanesOwed === 0) return undefined;
  const ms = Math.min(MAX_LINGER_MS, LINGER * s.cost.slowest(1)) - s.sinceAnswerMs;
  return ms > LEAST_LINGER_MS ? { kind: "linger", ms } : undefined;
}

/** A frame of decode rows and their drafts. */
function sendLanes<J, D>(
  s: Situation<J, D>,
  { lanes, target }: { lanes: number; target: number },
): FrameChoice<J, D> {
  const decodes = pickDecodes(s.decodes, target, s.cost.slowest(1));
  const drafts = pickDrafts(s, decodes, loadOf(s, { lanes, target }));
  if (decodes.length + drafts.length === 0) return { kind: "none" };
  return { kind: "frame", pieces: [], decodes, drafts };
}

/**
 * A frame of drafts whose parents have been answered, where nothing else may go. The Generation
 * says at once whether they came true, so they wait a moment for that. If it says nothing they go:
 * it may want them all the same.
 */
function sendUndecided<J, D>(s: Situation<J, D>): FrameChoice<J, D> {
  if (s.drafts.length === 0) return { kind: "none" };
  if (s.lanesOwed > 0) return { kind: "linger", ms: MAX_LINGER_MS };
  const drafts = s.drafts.slice(0, MAX_DRAFTS).map((d) => d.row);
  return { kind: "frame", pieces: [], decodes: [], drafts };
}

/** The piece of the least served request, filled up with pieces of others: see rules 6 and 7. */
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

/** Decode rows that travel with a piece of `pieceRows` rows: see rule 5. */
function pickRiders<J, D>(s: Situation<J, D>, pieceRows: number, target: number): D[] {
  const riders = Math.min(s.decodes.length, target);
  if (riders === 0) return [];
  const added = s.cost.slowest(pieceRows + riders) - s.cost.slowest(pieceRows);
  return added < s.cost.slowest(riders) ? pickDecodes(s.decodes, riders, s.cost.slowest(1)) : [];
}

/**
 * `count` decode rows of the least served requests. Each row that is picked counts as `rowMs`
 * milliseconds served, so that a request with many lanes does not take all places.
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

/** How much of the pipeline the lanes take. */
interface Load {
  /** Lanes that decode. */
  lanes: number;
  /** Share of the slowest stage's time that decode rows and pieces take, 0 to 1. */
  busy: number;
  /** Milliseconds for a token of every lane. */
  roundMs: number;
}

function loadOf<J, D>(
  s: Situation<J, D>,
  { lanes, target }: { lanes: number; target: number },
): Load {
  const work = Math.ceil(lanes / target) * s.cost.slowest(target);
  const roundMs = Math.max(LEAST_MS, s.cost.sum(target) + (s.cost.transitMs(target) ?? 0), work);
  return { lanes, roundMs, busy: s.pieces.length > 0 ? 1 : work / roundMs };
}

/**
 * Tokens that one more row costs a frame of `rows` rows that is expected to give `expected` tokens.
 * As far as the pipeline is idle, only the frame's own lanes wait, for every stage to run the row.
 * As far as it is busy, all lanes wait for the slowest stage.
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

/** Draft rows that travel with these decode rows, or alone if there are none: see rule 8. */
function pickDrafts<J, D>(s: Situation<J, D>, decodes: D[], load: Load): D[] {
  const going = new Set(decodes);
  const may = (d: DraftOffer<D>) => d.chance > 0 && (d.parent === undefined || going.has(d.parent));
  const alone = load.lanes <= 1 && s.pieces.length === 0;
  const most = alone
    ? Math.min(MAX_DRAFTS, (s.drafts.at(-1)?.frameRows ?? Infinity) - decodes.length)
    : MAX_DRAFTS;
  const picked: D[] = [];
  let expected = decodes.length;
  // No draft is likelier than its parent: taken by falling chance, parents first, each finds its
  // parent taken.
  for (const draft of s.drafts.toSorted((a, b) => b.chance - a.chance)) {
    if (picked.length >= most) break;
    if (!may(draft)) continue;
    const rows = decodes.length + picked.length;
    if (!alone && rows > 0 && draft.chance < tokensLost(rows, expected, load, s)) continue;
    picked.push(draft.row);
    going.add(draft.row);
    expected += draft.chance;
  }
  // A frame of drafts alone makes the lanes wait as far as they fill the pipeline: `waits` tokens.
  const waits = load.lanes / load.roundMs * load.busy * s.cost.slowest(picked.length);
  if (decodes.length === 0 && s.inFlight > 0 && load.lanes > 1 && expected < waits) return [];
  // In the order in which they were offered: parents before children.
  const chosen = new Set(picked);
  return s.drafts.filter((d) => chosen.has(d.row)).map((d) => d.row);
}
