/**
 * `GET /api/trace` and `GET /api/trace.svg`: when each stage had the last frames of this node's
 * requests.
 *
 * Every stage reports times of its own node's clock, and clocks of different nodes have different
 * origins. The order of events bounds the difference: a frame is sent before its first stage
 * receives it, and answered after its last stage has ended. For each stage, the frame with the
 * least time outside of stages gives the best estimate: that time is spread evenly over the frame's
 * hops, and the resulting clock offset is used for all frames. A stage whose times fit without an
 * offset (it runs in this process) gets none.
 *
 * @module
 */
import type { FrameTrace } from "../../actors/mod.ts";
import { timelineSvg, type TraceSpan } from "../../planner/mod.ts";

/** One frame of `GET /api/trace`. All times are milliseconds of this node's clock. */
export interface TracedFrame {
  /** Sequence number of the frame within its arena. */
  seq: number;
  /** Number of rows of each kind. */
  kinds: FrameTrace["rows"];
  /** Number of rows of all kinds. */
  rows: number;
  /** Ids of the requests whose rows the frame carried. */
  requests: string[];
  /** When the frame was sent to the first stage. */
  sent_ms: number;
  /** When the frame's results arrived here. */
  answered_ms: number;
  /**
   * When each stage received the frame, began to compute it, and ended. `shard`: this is a shard of
   * the LM head, and `stage` is the number of stages.
   */
  stages: { stage: number; shard?: number; received: number; began: number; ended: number }[];
}

/** The frames in order of sending, with the stages' times converted to this node's clock. */
export function tracedFrames(traces: FrameTrace[]): TracedFrame[] {
  const offsets = clockOffsets(traces);
  return traces.map(({ seq, rows, requests, sent, answered, stages }) => ({
    seq,
    kinds: rows,
    rows: rows.prefill + rows.decode + rows.draft,
    requests,
    sent_ms: round(sent),
    answered_ms: round(answered),
    stages: stages.map((times) => {
      const { stage, shard, received, began, ended } = times;
      const here = (ms: number) =>
        round(Math.min(answered, Math.max(sent, ms + offsets.get(laneOf(times))!)));
      const shown = { received: here(received), began: here(began), ended: here(ended) };
      return { stage, ...(shard !== undefined && { shard }), ...shown };
    }),
  })).sort((a, b) => a.sent_ms - b.sent_ms);
}

/**
 * The frames as an SVG timeline: one line for each stage, and one of the coordinator for the
 * transfers to the first and from the last stage.
 */
export function traceSvg(frames: TracedFrame[], node: string): string {
  const began = frames[0]?.sent_ms ?? 0;
  const seconds = (ms: number) => (ms - began) / 1000;
  const spans: TraceSpan[] = [];
  const order = frames.flatMap((f) => f.stages)
    .sort((a, b) => a.stage - b.stage || (a.shard ?? 0) - (b.shard ?? 0));
  for (const lane of new Set(order.map(laneOf))) {
    for (const frame of frames) {
      const times = frame.stages.find((s) => laneOf(s) === lane);
      if (!times) continue;
      spans.push({
        lane,
        kind: kindOf(frame),
        label: labelOf(frame),
        start_s: seconds(times.began),
        end_s: seconds(times.ended),
      });
    }
  }
  let free = -Infinity;
  const ways = frames.flatMap((frame) => {
    const [first] = frame.stages;
    if (!first) return [];
    const ended = Math.max(...frame.stages.map((s) => s.ended));
    return [
      { frame, what: "to stage 0", from: frame.sent_ms, to: first.received },
      { frame, what: "answer", from: ended, to: frame.answered_ms },
    ];
  }).sort((a, b) => a.from - b.from);
  for (const { frame, what, from, to } of ways) {
    const start = Math.max(from, free); // spans of a lane do not overlap
    if (to <= start) continue;
    free = to;
    spans.push({
      lane: "coordinator",
      kind: "transfer",
      label: `frame ${frame.seq}: ${what}`,
      start_s: seconds(start),
      end_s: seconds(to),
    });
  }
  const title = frames.length === 0
    ? `${node}: no frame has come back yet`
    : `${node}: frames ${frames[0].seq} to ${frames.at(-1)!.seq}`;
  return timelineSvg(spans, { title });
}

/** Name of the line of a stage, or of a shard of the LM head. */
const laneOf = ({ stage, shard }: { stage: number; shard?: number }) =>
  shard === undefined ? `stage ${stage}` : `head ${shard}`;

/** Milliseconds to add to each stage's or shard's times to get this node's, by its lane. */
function clockOffsets(traces: FrameTrace[]): Map<string, number> {
  const offsets = new Map<string, number>();
  const lanes = new Set(traces.flatMap((t) => t.stages.map(laneOf)));
  for (const lane of lanes) {
    let least = Infinity;
    let offset = 0;
    let fits = true;
    for (const { sent, answered, stages: all } of traces) {
      const stages = pathThrough(all, lane);
      const at = stages.findIndex((s) => laneOf(s) === lane);
      if (at < 0) continue;
      const { received, ended } = stages[at];
      fits &&= received >= sent && ended <= answered;
      const spent = stages.map((s) => s.ended - s.received);
      const unknown = answered - sent - sum(spent);
      if (unknown >= least) continue;
      least = unknown;
      const hops = stages.length + 1;
      offset = sent + sum(spent.slice(0, at)) + (at + 1) * unknown / hops - received;
    }
    offsets.set(lane, fits ? 0 : offset);
  }
  return offsets;
}

/**
 * The stages and one shard of the LM head, since shards compute side by side: the one of this lane,
 * else the one that took longest.
 */
function pathThrough(all: FrameTrace["stages"], lane: string): FrameTrace["stages"] {
  const shards = all.filter((s) => s.shard !== undefined);
  const spent = (s: FrameTrace["stages"][number]) => s.ended - s.received;
  const one = shards.find((s) => laneOf(s) === lane) ??
    shards.toSorted((a, b) => spent(b) - spent(a))[0];
  return all.filter((s) => s.shard === undefined || s === one);
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
const round = (ms: number) => Math.round(ms * 1000) / 1000;

function kindOf({ kinds }: TracedFrame): TraceSpan["kind"] {
  if (kinds.prefill > 0) return "prefill";
  if (kinds.draft > 0) return "draft";
  return kinds.decode > 1 ? "branch" : "decode";
}

function labelOf({ seq, kinds, requests }: TracedFrame): string {
  const rows = Object.entries(kinds).filter(([, n]) => n > 0).map(([kind, n]) => `${n} ${kind}`)
    .join(", ");
  return `frame ${seq}: ${rows} row(s) of ${requests.length} request(s)`;
}
