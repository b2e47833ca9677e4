/**
 * Which rows go into the next frame. Pure: a situation in, a choice out.
 *
 * 1. At most {@linkcode windowOf} frames are under way: as many as keep the slowest stage busy
 *    until the first of them is answered, and at least one for each stage and one that waits at the
 *    first stage. So the pieces of a prompt that is alone leave no gaps. Lanes may have more frames
 *    under way where rule 2 says so. Where there are several stages, frames with pieces and frames
 *    of lanes are counted apart: a frame of lanes is many times as short as a piece, and one that
 *    took a piece's place would leave a gap as long as the rest of it. A single stage has no gap to
 *    fill, and a token would wait there for two pieces.
 * 2. Lanes (their decode rows) are spread evenly over as many frames as make a token for every lane
 *    take the least time: {@linkcode spreadOf}. That time is the longest of a frame's way through
 *    the stages and back until its lanes' next rows are there, of the slowest stage's work for all
 *    frames, and of the gateway's work for all lanes. All three are measured. The slowest
 *    stage's work includes frames of other arbiters that came between ours: while it is busy with
 *    those, more frames of ours would only be smaller. A number of lanes
 *    that no frame has carried yet counts as 10 % shorter, so that it is tried.
 * 3. Lanes that may go but are too few to fill a frame wait for others to come back: while as many
 *    frames as rule 2 wants are under way, until the next is answered; else for the lanes that have
 *    just been answered, as long as those usually take. Without that, frames would fall apart into
 *    smaller ones. A lane that is alone never waits.
 * 4. Frames with pieces of prompts and frames of decode rows alternate: between two frames of decode
 *    rows goes one piece, and more as long as all of them take no longer than a frame's share of the
 *    lanes' round. So a token waits for one piece, or at most twice as long as without prompts.
 * 5. Decode rows travel with a piece when that costs the slowest stage less time than a frame of
 *    their own.
 * 6. The last piece of a prompt may be short: it is filled up with pieces of other prompts, so that
 *    short prompts of many branches travel together.
 * 7. Of prompts, the one goes first that is due first: as long after it came as the rest of it
 *    takes. So a prompt that has begun is finished before others of its length begin, which gives
 *    the earlier first tokens in the mean; a short one passes a long one, but not for ever. Decode
 *    rows take turns: the request whose rows have had the least time of the slowest stage goes
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
/** Milliseconds for which drafts wait until it is known whether their parents came true. */
const UNDECIDED_MS = 15;
/** A wait of fewer milliseconds is left out. */
const LEAST_LINGER_MS = 0.1;
/** A round must be shorter than this share of another to count as shorter: estimates err. */
const TIE = 0.99;
/** A frame size that was not tried counts as so much shorter, so that it is tried: see rule 2. */
const TRIAL = 0.9;
/** Most frames that lanes are spread over. */
const MOST_FRAMES = 32;
/** Least time that is divided by, in milliseconds. */
const LEAST_MS = 1e-9;

/** A piece of a prompt that may go. `J` stands for the prompt. */
export interface PieceOffer<J> {
  job: J;
  /** When the prompt was first offered, milliseconds. */
  since: number;
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
  /** Frames under way that carry pieces of prompts. */
  pieceFrames: number;
  /** Lanes that were answered a moment ago and whose next rows are likely to come at once. */
  lanesOwed: number;
  /** Milliseconds for which these lanes may still be waited for. */
  owedMs: number;
  /** Most decode rows of a frame. */
  cap: number;
  /**
   * Milliseconds of the slowest device for the frames with pieces that were sent since the last
   * frame without; 0: none was.
   */
  pieceMs: number;
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
 * until links are measured. There is a bound, since a full link looks the slower the more is sent
 * over it.
 */
export function windowOf(
  stages: number,
  cost: FrameCost,
  { rows = 1 }: { rows?: number } = {},
): number {
  const transit = cost.transitMs(rows);
  if (transit === undefined) return stages + 2;
  const trip = (cost.sum(rows) + transit) / Math.max(LEAST_MS, cost.slowest(rows));
  return Math.min(4 * stages + 8, Math.max(stages + 1, Math.ceil(trip - SLACK)));
}

/** How lanes are spread over frames. */
export interface Spread {
  /** Frames, of at most 32. */
  frames: number;
  /** Rows of a frame. */
  rows: number;
  /** Milliseconds for a token of every lane. */
  roundMs: number;
}

/** Milliseconds of a round: where no other arbiter uses the stages, and where others do as well. */
interface Round {
  alone: number;
  shared: number;
}

/**
 * Milliseconds for a token of every lane, where `lanes` lanes are spread evenly over `frames`
 * frames that follow one another. It is the longest of three: a frame's way through all stages and
 * back until its lanes' next rows are there; what the slowest stage needs for all frames; and what
 * the gateway needs to get all lanes' next rows. Where frames of other arbiters run at the slowest
 * stage in between, it does theirs and ours in a round.
 */
function roundOf(lanes: number, frames: number, { cost }: { cost: FrameCost }): Round {
  const rows = Math.ceil(lanes / frames);
  const fewer = rows * frames - lanes;
  const all = (ms: (rows: number) => number) =>
    (frames - fewer) * ms(rows) + (fewer > 0 ? fewer * ms(rows - 1) : 0);
  const trip = cost.sum(rows) + (cost.transitMs(rows) ?? 0) + cost.returns.ms(rows);
  const [work, returns] = [all((n) => cost.slowest(n)), all((n) => cost.returns.ms(n))];
  return {
    alone: Math.max(trip, work, returns),
    shared: Math.max(trip, cost.foreignMs + work, returns),
  };
}

/**
 * Spreads `lanes` lanes evenly over as many frames as make a token for each of them take the least
 * time, at most `cap` rows a frame. Of about equal times it takes the fewest frames.
 */
export function spreadOf(lanes: number, cap: number, { cost }: { cost: FrameCost }): Spread {
  let known = spreads.get(cost);
  if (known?.version !== cost.version || known.cap !== cap) {
    spreads.set(cost, known = { version: cost.version, cap, byLanes: new Map() });
  }
  let spread = known.byLanes.get(lanes);
  if (!spread) known.byLanes.set(lanes, spread = findSpread(lanes, cap, { cost }));
  return spread;
}

/**
 * Spreads that were found: the arbiter asks again with each message that comes, and most messages
 * change nothing that counts here.
 */
const spreads = new WeakMap<
  FrameCost,
  { version: number; cap: number; byLanes: Map<number, Spread> }
>();

/** See {@linkcode spreadOf}. */
function findSpread(lanes: number, cap: number, { cost }: { cost: FrameCost }): Spread {
  let best: Spread = { frames: 1, rows: 1, roundMs: Infinity };
  let shortest = Infinity;
  const fewest = Math.max(1, Math.ceil(lanes / cap));
  for (let frames = fewest; frames <= Math.max(fewest, Math.min(lanes, MOST_FRAMES)); frames++) {
    const rows = Math.max(1, Math.ceil(lanes / frames));
    const { alone: roundMs, shared } = roundOf(lanes, frames, { cost });
    const counted = shared * (cost.untried(rows) ? TRIAL : 1);
    if (counted < shortest * TIE) {
      best = { frames, rows, roundMs };
      shortest = counted;
    }
  }
  return best;
}

/** See the module's text. */
export function choose<J, D>(s: Situation<J, D>): FrameChoice<J, D> {
  const lanes = s.decodes.length + s.lanesInFlight + s.lanesOwed;
  const spread = spreadOf(lanes, s.cap, s);
  const ready = s.decodes.length > 0 ||
    s.drafts.some((d) => d.parent === undefined && d.chance > 0);

  const pieces = s.pieces.length > 0 ? pickPieces(s.pieces, s.cost) : [];
  const rows = pieces.reduce((n, p) => n + p.rows, 0);
  const turnMs = spread.roundMs / spread.frames;
  const turn = s.pieceMs === 0 || s.pieceMs + s.cost.slowest(rows) <= turnMs;
  if (rows > 0 && (turn || !ready)) {
    const underWay = s.stages > 1 ? s.pieceFrames : s.inFlight;
    if (underWay >= windowOf(s.stages, s.cost, { rows })) return { kind: "none" };
    return { kind: "frame", pieces, decodes: pickRiders(s, rows), drafts: [] };
  }
  if (!ready && s.inFlight === 0) return sendUndecided(s);
  const window = Math.max(windowOf(s.stages, s.cost, spread), spread.frames);
  const underWay = s.stages > 1 ? s.inFlight - s.pieceFrames : s.inFlight;
  if (!ready || underWay >= window) return { kind: "none" };
  return gather(s, spread) ?? sendLanes(s, lanes, spread);
}

/** To wait, if lanes that are too few to fill a frame should: see rule 3. */
function gather<J, D>(s: Situation<J, D>, { frames, rows }: Spread): FrameChoice<J, D> | undefined {
  const few = s.decodes.length > 0 && s.decodes.length < rows;
  if (!few || s.pieces.length > 0) return undefined;
  // The next answer makes the arbiter ask again.
  if (s.laneFrames >= frames) return { kind: "none" };
  // Nor do lanes wait for others that have room in the frames that are left for them.
  if (s.lanesOwed <= (frames - 1 - s.laneFrames) * rows) return undefined;
  return s.owedMs > LEAST_LINGER_MS ? { kind: "linger", ms: s.owedMs } : undefined;
}

/** A frame of decode rows and their drafts. */
function sendLanes<J, D>(
  s: Situation<J, D>,
  lanes: number,
  spread: Spread,
): FrameChoice<J, D> {
  const decodes = pickDecodes(s.decodes, spread.rows, s.cost.slowest(1));
  const drafts = pickDrafts(s, decodes, loadOf(s, lanes, spread));
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
  if (s.lanesOwed > 0) return { kind: "linger", ms: UNDECIDED_MS };
  const drafts = s.drafts.slice(0, MAX_DRAFTS).map((d) => d.row);
  return { kind: "frame", pieces: [], decodes: [], drafts };
}

/**
 * A piece of the prompt that is due first, filled up with pieces of others: see rules 6 and 7. A
 * prompt is due as long after it came as the rest of it takes.
 */
function pickPieces<J>(offers: PieceOffer<J>[], cost: FrameCost): { job: J; rows: number }[] {
  const due = ({ since, left, size }: PieceOffer<J>) => since + left * cost.slowest(size) / size;
  const [first, ...others] = offers.toSorted((a, b) => due(a) - due(b));
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
function pickRiders<J, D>(s: Situation<J, D>, pieceRows: number): D[] {
  const riders = Math.min(s.decodes.length, s.cap);
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
  lanes: number,
  { frames, rows, roundMs }: Spread,
): Load {
  const work = frames * s.cost.slowest(rows);
  const round = Math.max(LEAST_MS, roundMs);
  return { lanes, roundMs: round, busy: s.pieces.length > 0 ? 1 : work / round };
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
