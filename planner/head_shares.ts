/**
 * Chooses which devices compute the LM head, and how much of it.
 *
 * @module
 */
import { HEAD_PARTS, type HeadParts, shareBytes, shareSeconds } from "./cost/mod.ts";
import { branchShape, pipelineCosts } from "./decode/mod.ts";
import { wholeHeadBytes } from "./memory.ts";
import { kvNeedOf } from "./kv_bytes.ts";
import { SHARED_ROWS } from "./problem_of.ts";
import { lanesOf, type Solved } from "./solved.ts";
import type { HeadShare, PlanInput } from "./types.ts";

/** Most devices among which the head is shared out: those with a stage, then the fastest. */
const MOST_DEVICES = 12;
/** Splits that are looked at closely. */
const CLOSE = 3;

/** A device that could compute a share, with what its shares cost by their number of parts. */
interface Sharer {
  device: number;
  /** Most parts that its memory holds. */
  most: number;
  /** Seconds of a share of `i` parts on a frame's way, with its hops. (9) */
  way: number[];
  /** Seconds for which a device with a share of `i` parts is occupied, its stage included. (9) */
  busy: number[];
}

/**
 * Splits of the head for this placement that may be the fastest, best first, each in the order of
 * its parts. Every pair of a limit on a share's way and a limit on a device's occupied time is
 * looked at; the estimate is the seconds of a token. Empty: no other device may or can have a share.
 *
 * @param rows Rows of the decode frames that are run.
 */
export function headSplits(solved: Solved, input: PlanInput, rows: number): HeadParts[][] {
  const asked = input.decode?.headShares;
  if (asked === 1) return [];
  const sharers = sharersOf(solved, input, rows);
  const lanes = lanesOf(input);
  const ways = sorted(sharers.flatMap((s) => s.way.slice(1)));
  const busies = lanes === 1 ? [Infinity] : sorted(sharers.flatMap((s) => s.busy.slice(1)));
  const found = new Map<string, HeadParts[]>();
  const most = Math.min(asked ?? HEAD_PARTS, HEAD_PARTS, sharers.length);
  for (let count = asked ?? 2; count <= most; count++) {
    for (const busy of busies) {
      let [low, high] = [0, ways.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (dealt(sharers, { count, way: ways[middle], busy })) high = middle;
        else low = middle + 1;
      }
      if (low === ways.length) continue;
      const split = dealt(sharers, { count, way: ways[low], busy })!;
      if (asked !== undefined && split.length !== asked) continue;
      found.set(JSON.stringify(split), split);
    }
  }
  const { cost, stages, coordinator, past } = solved;
  const seconds = (head: HeadParts[]) => {
    const costs = pipelineCosts({ cost, stages, coordinator, head, past });
    return lanes === 1
      ? costs.latency(rows)
      : 1 / branchShape({ costs, branches: lanes, maxRows: SHARED_ROWS }).tokensPerSecond;
  };
  return [...found.values()].map((head) => ({ head, seconds: seconds(head) }))
    .sort((a, b) => a.seconds - b.seconds || a.head.length - b.head.length)
    .slice(0, CLOSE)
    .map(({ head }) => head);
}

/** Splits with equal shares on the fastest devices, as a beginning for placements around them. */
export function equalSplits(solved: Solved, input: PlanInput, rows: number): HeadParts[][] {
  const asked = input.decode?.headShares;
  const sharers = sharersOf(solved, input, rows);
  return [2, 4, HEAD_PARTS].flatMap((count) => {
    const least = HEAD_PARTS / count;
    const chosen = sharers.filter((s) => s.most >= least).slice(0, count);
    if (chosen.length < count || (asked !== undefined && asked !== count)) return [];
    return [chosen.map(({ device }) => ({ device, parts: least }))];
  });
}

/** The devices that may have a share: those with a stage first, in their order. */
function sharersOf(solved: Solved, input: PlanInput, rows: number): Sharer[] {
  const { cost, problem, stages, coordinator, past } = solved;
  const { headBytes } = cost.model;
  const kvRows = kvNeedOf(input.workload, cost.model);
  const last = stages[stages.length - 1].device;
  const order = [
    ...stages.map((s) => s.device),
    ...cost.devices.map((_, d) => d).filter((d) => !stages.some((s) => s.device === d))
      .sort((a, b) => cost.headSeconds(a, rows) - cost.headSeconds(b, rows) || a - b),
  ].filter((d) => problem.usable[d] && problem.ends[d]);
  return order.slice(0, Math.max(MOST_DEVICES, HEAD_PARTS)).map((device): Sharer => {
    const { memoryBytes, overheadBytes } = cost.devices[device];
    const stage = stages.find((s) => s.device === device);
    let used = overheadBytes;
    let own = 0;
    if (stage) {
      const { weights, kv } = cost.stageBytes(stage, kvRows);
      // the last stage's head is what is shared out
      used += weights + kv - (device === last ? wholeHeadBytes(cost.model, stage) : 0);
      own = cost.stageSeconds(device, stage, { rows, past, wanted: 0 });
    }
    const counts = Array.from({ length: HEAD_PARTS + 1 }, (_, parts) => parts);
    const share = (parts: number) => shareSeconds(cost, { device, parts }, rows);
    const hops = cost.hopSeconds(last, device, cost.headRowBytes(rows)) +
      cost.hopSeconds(device, coordinator, cost.answerBytes(rows));
    return {
      device,
      most: counts.filter((parts) => used + shareBytes(headBytes, parts) <= memoryBytes).length - 1,
      way: counts.map((parts) => hops + share(parts)),
      busy: counts.map((parts) => own + share(parts)),
    };
  }).filter(({ most }) => most > 0);
}

/** The head on at most `count` devices under both limits; undefined: they do not hold it. */
function dealt(
  sharers: Sharer[],
  { count, way, busy }: { count: number; way: number; busy: number },
): HeadParts[] | undefined {
  const holds = sharers.map((s, i) => {
    let parts = s.most;
    while (parts > 0 && (s.way[parts] > way || s.busy[parts] > busy)) parts--;
    return { i, parts };
  }).filter(({ parts }) => parts > 0).sort((a, b) => b.parts - a.parts || a.i - b.i)
    .slice(0, count);
  let spare = holds.reduce((sum, { parts }) => sum + parts, 0) - HEAD_PARTS;
  if (spare < 0) return undefined;
  for (; spare > 0; spare--) {
    // the share whose way is longest gives a part back, but keeps one
    const slowest = holds.filter(({ parts }) => parts > 1)
      .reduce((a, b) => sharers[b.i].way[b.parts] > sharers[a.i].way[a.parts] ? b : a);
    slowest.parts--;
  }
  return holds.sort((a, b) => a.i - b.i)
    .map(({ i, parts }) => ({ device: sharers[i].device, parts }));
}

/** The shares as the plan has them: ranges of parts. */
export function headOf({ head, cost }: Solved): readonly HeadShare[] | undefined {
  let first = 0;
  return head?.map(({ device, parts }) => {
    const share = {
      device: cost.devices[device].name,
      first_part: first,
      last_part: first + parts - 1,
    };
    first += parts;
    return share;
  });
}

const sorted = (values: number[]) => [...new Set(values)].sort((a, b) => a - b);
