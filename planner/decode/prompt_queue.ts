/**
 * The TTFT of a prompt in pieces where links share uplinks.
 *
 * @module
 */
import { shareSeconds } from "../cost/mod.ts";
import type { PipelineCostsInput } from "./pipeline_costs.ts";

/** A placement and what its parts cost. */
type PlacedCosts = Omit<PipelineCostsInput, "past">;

/** One part of a frame's way: it waits for a device, a link or an uplink and occupies it. */
interface QueuedStep {
  part: number | string;
  seconds: number;
  /** Seconds after which it is where the next step begins. */
  latency: number;
}

/**
 * As `promptSeconds`, which takes the frames one after the other. That is not right where a frame
 * passes an uplink twice, because a later frame may pass it in between. So the steps are taken here
 * in the order in which they become ready.
 *
 * @param most Most frames under way.
 */
export function queuedSeconds(
  place: PlacedCosts,
  { pieces, most }: { pieces: number[]; most: number },
): number {
  const { ways, fans } = waysOf(place, pieces);
  /** What is under way: the steps that are left, and when the next of them is ready. */
  const open: { at: number; steps: QueuedStep[]; piece: number }[] = [];
  const free = new Map<number | string, number>();
  let sent = 0, last = 0;
  const send = (at: number) => {
    if (sent < ways.length) open.push({ at, steps: ways[sent], piece: sent++ });
  };
  for (let i = 0; i < most; i++) send(0);
  while (open.length > 0) {
    const next = open.reduce((a, b) => b.at < a.at ? b : a);
    const [step, ...steps] = next.steps;
    const done = Math.max(next.at, free.get(step.part) ?? 0) + step.seconds;
    free.set(step.part, done);
    next.at = done + step.latency;
    next.steps = steps;
    if (steps.length > 0) continue;
    open.splice(open.indexOf(next), 1);
    last = Math.max(last, next.at);
    if (next.piece === ways.length - 1) {
      for (const steps of fans) open.push({ at: next.at, steps, piece: -1 });
    } else if (next.piece >= 0) send(next.at);
  }
  return last;
}

/** The ways of the pieces' frames, and those of the last one's wanted row to the shares of the head. */
function waysOf(
  { cost, stages, coordinator, head }: PlacedCosts,
  pieces: number[],
): { ways: QueuedStep[][]; fans: QueuedStep[][] } {
  const tokens = pieces.reduce((a, b) => a + b, 0);
  const hop = (from: number, to: number, bytes: number): QueuedStep[] =>
    from === to ? [] : [{
      part: cost.narrowest(from, to),
      seconds: cost.transferSeconds(from, to, bytes),
      latency: cost.links.seconds[from][to],
    }];
  const compute = (part: number, seconds: number): QueuedStep => ({ part, seconds, latency: 0 });
  const end = stages[stages.length - 1].device;
  let past = 0;
  const ways = pieces.map((rows) => {
    const wanted = past + rows === tokens ? 1 : 0;
    const frame = { rows, past, wanted: head ? 0 : wanted };
    past += rows;
    const way = stages.flatMap((stage, i) => [
      ...(i === 0
        ? hop(coordinator, stage.device, cost.requestBytes(rows))
        : hop(stages[i - 1].device, stage.device, cost.hopBytes(rows))),
      compute(stage.device, cost.stageSeconds(stage.device, stage, frame)),
    ]);
    return head && wanted > 0 ? way : [...way, ...hop(end, coordinator, cost.answerBytes(wanted))];
  });
  const fans = (head ?? []).map((share) => [
    ...hop(end, share.device, cost.headRowBytes(1)),
    compute(share.device, shareSeconds(cost, share, 1)),
    ...hop(share.device, coordinator, cost.answerBytes(1)),
  ]);
  return { ways, fans };
}
