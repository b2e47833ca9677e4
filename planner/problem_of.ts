/**
 * Makes a placement problem from a workload and an objective: which frames count, and how often.
 *
 * @module
 */
import { kvBytes, type KvRows } from "./kv_bytes.ts";
import {
  type CostModel,
  type FrameShape,
  type HeadParts,
  headSeconds,
  shareBytes,
  shareSeconds,
} from "./cost/mod.ts";
import type { PlacementProblem, StageCosts } from "./placement/mod.ts";
import type { Constraints, Objective, Workload } from "./types.ts";

/** Most rows that lanes share in a frame: as many as the arbiter puts in one. */
export const SHARED_ROWS = 64;

/** The decode frames that a problem assumes. */
export interface Lanes {
  /** Frames on their way at once. */
  frames: number;
  /** Rows of each. */
  rows: number;
  /**
   * Tokens that these frames give in a round: one for each lane that they carry, or what a draft is
   * expected to give.
   */
  tokens: number;
}

/** One lane without drafts. */
export const ONE_LANE: Lanes = { frames: 1, rows: 1, tokens: 1 };

/** Input of {@linkcode problemsOf} besides the costs. */
export interface ProblemSetting {
  /** What the plan minimises. */
  objective: Objective;
  /** See `PlanInput.lambda`. */
  lambda?: number;
  /** The requests that the plan is made for. */
  workload: Workload;
  /** The user's limits. */
  constraints: Constraints;
  /** Number of equal pieces that the prompt is assumed to be cut into. */
  pieces: number;
  /** The decode frames that are assumed. */
  lanes: Lanes;
  /** Shares of the LM head that are assumed; undefined: the last stage has the whole head. */
  head?: readonly HeadParts[];
  /** Rows of KV cache that every stage has memory for. */
  kvRows: KvRows;
}

/** Rows before a decode row in the middle of the answer: the prompt and half of the output. */
export function decodePast({ promptTokens, outputTokens }: Workload): number {
  return promptTokens + Math.floor(outputTokens / 2);
}

/**
 * Placement problems for several coordinators (device indices where requests enter and tokens
 * return to), one for each. What does not depend on the coordinator is computed once. A problem's
 * value is
 *
 * - `latency`: seconds of a decode frame, through all stages and links and back;
 * - `throughput`: seconds for each output token at full load: the larger of what the busiest device
 *   or link is occupied for (pieces and decode frames), and what the lanes wait for (a decode
 *   frame's way, shared by the tokens of a round, and the first piece's way, shared by all tokens
 *   of the concurrent requests);
 * - `blended`: seconds of a request: the rounds that its output takes, each a decode frame's way
 *   through the pipeline and the slowest stage once for each further frame on its way; the first
 *   prompt piece's way, and the slowest stage once for each further piece. With a `lambda`: the
 *   decode step + lambda * the slowest stage or link of a piece.
 *
 * With shares of the head, the way of a decode frame ends with the slowest share (the head's cost
 * of the last stage), and each share occupies its device besides its stage, and takes memory.
 * Devices that are not trusted enough for an end, or excluded, are marked; pins become pins.
 */
export function problemsOf(
  cost: CostModel,
  setting: ProblemSetting,
  coordinators: number[],
): PlacementProblem[] {
  const { constraints, kvRows } = setting;
  const { model, devices } = cost;
  const { sum, max, ...weights } = termsOf(setting);
  const excluded = new Set(constraints.exclude);
  const pin = new Array<number>(model.layers).fill(-1);
  for (const { host, first, last } of constraints.pin) {
    pin.fill(devices.findIndex((d) => d.name === host), first, last + 1);
  }
  const { head } = setting;
  const held = devices.map(() => 0);
  for (const { device, parts } of head ?? []) held[device] += shareBytes(model.headBytes, parts);
  const [sumCosts, maxCosts] = [sum, max].map((terms) => costsOf(cost, terms, head));
  return coordinators.map((coordinator) => ({
    layers: model.layers,
    devices: devices.length,
    sum: { ...sumCosts, ...endsOf(cost, sum, { coordinator, head }) },
    max: { ...maxCosts, ...endsOf(cost, max, { coordinator, head }) },
    ...weights,
    layerBytes: model.layerBytes.map((bytes, i) =>
      bytes + kvBytes(model, { first: i, last: i }, kvRows)
    ),
    embedBytes: model.embedBytes,
    headBytes: head ? 0 : model.headBytes,
    tied: model.tied && !head,
    overheadBytes: devices.map((d) => d.overheadBytes),
    memoryBytes: devices.map((d, i) => Math.max(0, d.memoryBytes - held[i])),
    ends: devices.map((d) => d.trusted || !constraints.trustedEnds),
    usable: devices.map((d) => !excluded.has(d.name)),
    pin,
  }));
}

/** A frame and how often it counts in a system of costs. */
interface ObjectiveTerm {
  /** How often the frame counts. */
  weight: number;
  frame: FrameShape;
  /**
   * `passing`: the time that the frame takes. `busy`: the time for which it occupies a part,
   * without the latency of links.
   */
  kind: "passing" | "busy";
}

/** The objective of {@linkcode problemsOf} as frames and weights. */
function termsOf(
  { objective, lambda, workload, pieces, lanes }: ProblemSetting,
): Pick<PlacementProblem, "sumWeight" | "maxWeight" | "combine"> & {
  sum: ObjectiveTerm[];
  max: ObjectiveTerm[];
} {
  const { promptTokens, outputTokens, concurrent } = workload;
  const past = decodePast(workload);
  const rows = promptTokens / pieces;
  const step: FrameShape = { rows: lanes.rows, past, wanted: lanes.rows };
  const piece: FrameShape = { rows, past: (promptTokens - rows) / 2, wanted: 1 };
  const term = (weight: number, frame: FrameShape, kind: ObjectiveTerm["kind"]): ObjectiveTerm => ({
    weight,
    frame,
    kind,
  });
  const slowest = (weight: number) => term(weight, { ...piece, wanted: 0 }, "busy");
  if (objective === "latency") {
    return {
      sum: [term(1, step, "passing")],
      max: [term(1, step, "busy")],
      sumWeight: 1,
      maxWeight: 0,
    };
  }
  if (objective === "throughput") {
    return {
      sum: [
        term(1 / lanes.tokens, step, "passing"),
        term(1 / (outputTokens * concurrent), piece, "passing"),
      ],
      max: [
        slowest(pieces / outputTokens),
        term(lanes.frames / lanes.tokens, step, "busy"),
      ],
      sumWeight: 1,
      maxWeight: 1,
      combine: "larger",
    };
  }
  if (lambda !== undefined) {
    const one: FrameShape = { rows: 1, past, wanted: 1 };
    return {
      sum: [term(1, one, "passing")],
      max: [slowest(1)],
      sumWeight: 1,
      maxWeight: lambda,
    };
  }
  const rounds = outputTokens * concurrent / lanes.tokens;
  return {
    sum: [term(rounds, step, "passing"), term(1, piece, "passing")],
    max: [slowest(pieces - 1), term(rounds * (lanes.frames - 1), step, "busy")],
    sumWeight: 1,
    maxWeight: 1,
  };
}

/** Seconds of a frame's bytes on a link, as the term counts them. */
const linkSeconds = (
  cost: CostModel,
  { kind }: ObjectiveTerm,
  { from, to, bytes }: { from: number; to: number; bytes: number },
) => kind === "passing" ? cost.hopSeconds(from, to, bytes) : cost.transferSeconds(from, to, bytes);

/** The costs that do not depend on the coordinator: all but the ends. */
function costsOf(
  cost: CostModel,
  terms: ObjectiveTerm[],
  head: readonly HeadParts[] | undefined,
): Omit<StageCosts, "entry" | "exit" | "head"> {
  const all = cost.devices.map((_, d) => d);
  const line = (seconds: (d: number, term: ObjectiveTerm) => number) =>
    all.map((d) => terms.reduce((sum, term) => sum + term.weight * seconds(d, term), 0));
  // a share occupies its device besides its stage; on a frame's way it counts after the last layer
  const shared = (d: number, { kind, frame }: ObjectiveTerm) =>
    kind === "passing" ? 0 : (head ?? []).filter(({ device }) => device === d)
      .reduce((sum, share) => sum + shareSeconds(cost, share, frame.wanted), 0);
  return {
    layer: line((d, { frame }) => cost.layerSeconds(d, frame)),
    fixed: line((d, term) => cost.devices[d].frameSeconds + shared(d, term)),
    embed: line((d, { frame }) => cost.embedSeconds(d, frame.rows)),
    hop: all.map((from) =>
      line((to, term) =>
        linkSeconds(cost, term, { from, to, bytes: cost.hopBytes(term.frame.rows) })
      )
    ),
  };
}

/** The costs of entry, head and exit for a coordinator. */
function endsOf(
  cost: CostModel,
  terms: ObjectiveTerm[],
  { coordinator, head }: { coordinator: number; head: readonly HeadParts[] | undefined },
): Pick<StageCosts, "entry" | "exit" | "head"> {
  const line = (seconds: (d: number, term: ObjectiveTerm) => number) =>
    cost.devices.map((_, d) =>
      terms.reduce((sum, term) => sum + term.weight * seconds(d, term), 0)
    );
  const answer = (last: number, term: ObjectiveTerm) =>
    linkSeconds(cost, term, {
      from: last,
      to: coordinator,
      bytes: cost.answerBytes(term.frame.wanted),
    });
  return {
    entry: line((d, term) =>
      linkSeconds(cost, term, {
        from: coordinator,
        to: d,
        bytes: cost.requestBytes(term.frame.rows),
      })
    ),
    head: line((last, term) => {
      const { kind, frame: { wanted } } = term;
      if (!head) return cost.headSeconds(last, wanted);
      return kind === "passing" && wanted > 0
        ? headSeconds(cost, { last, coordinator, head }, wanted)
        : 0;
    }),
    exit: cost.devices.map((_, last) => {
      const parts = new Map<string, number>();
      const add = (part: string, seconds: number) =>
        parts.set(part, (parts.get(part) ?? 0) + seconds);
      for (const term of terms) {
        const { weight, kind, frame: { wanted } } = term;
        if (!head || wanted === 0) add(`${last}>${coordinator}`, weight * answer(last, term));
        // on a frame's way the answers of shares are part of the head
        else if (kind === "busy") {
          for (const share of head) {
            const { device } = share;
            const rows = cost.transferSeconds(last, device, cost.headRowBytes(wanted));
            const tokens = cost.transferSeconds(device, coordinator, cost.answerBytes(wanted));
            add(`${last}>${device}`, weight * rows);
            add(`${device}>${coordinator}`, weight * tokens);
            add(`${device}`, weight * shareSeconds(cost, share, wanted));
          }
        }
      }
      return Math.max(0, ...parts.values());
    }),
  };
}
