/**
 * Whether a device also keeps the whole model, beside its stage in the pipeline, for requests that
 * are quicker on one device: a pipeline pays its links and its frames' fixed time for every token.
 *
 * @module
 */
import type { RouteFigures } from "../actors/mod.ts";
import { type CostModel, type HeadParts, shareBytes } from "./cost/mod.ts";
import { branchShape, type PipelineCosts, pipelineCosts, promptSeconds } from "./decode/mod.ts";
import { partsOn } from "./memory.ts";
import { duration, size } from "./numbers.ts";
import { kvNeedOf, kvRowsOf } from "./kv_bytes.ts";
import { SHARED_ROWS } from "./problem_of.ts";
import type { DeviceStage } from "./sequence/mod.ts";
import type { Solved } from "./solved.ts";
import type { PlanInput, PlanSolo } from "./types.ts";

/**
 * Share of a request's time, 0 to 1, that one device saves by the plan where its node loads the
 * model at once.
 */
const CLEAR_GAIN = 0.1;
/**
 * Share of a request's time, 0 to 1, that one device may lose by the plan. Predictions err by so
 * much (`deno task bench:reality`), so the requests themselves show which way is quicker.
 */
const MOST_LOSS = 0.2;
/** Tokens of the answers that are looked at. */
const ANSWERS = [16, 64, 256];
/** Prompts that are looked at, in tokens. */
const PROMPTS = [16, 64, 256, 1024];
/** Lanes whose rounds are predicted. */
const LANES = [1, 2, 4, 8, 16, 32];
/** Where in a bucket TTFTs are predicted: shares of the way to its longest prompt, 0 to 1. */
const SHARES = [0.25, 0.5, 0.75, 1];
/** Rows of a prompt piece on one device: where nothing overlaps, larger ones gain nothing. */
const PIECE_ROWS = 64;

/** What {@linkcode soloOf} looks at besides the placement and its input. */
export interface SoloOptions {
  /** Pieces of prompts in the pipeline, by prompt length, ascending. */
  buckets: { prompt_tokens: number; pieces: number[] }[];
  /** Most rows of a frame that lanes share in the pipeline. */
  rowsPerFrame: number;
  /** Name of the drafter's device, and the bytes that it takes there; undefined: there is none. */
  drafter?: { host: string; bytes: number };
}

/**
 * The device that keeps the whole model besides, or why none does. The device must have the memory
 * for both, and some request of those that are looked at must lose less than {@linkcode MOST_LOSS}
 * by it; with `input.decode.route` `one` the memory is enough. Of several devices the fastest one.
 */
export function soloOf(solved: Solved, input: PlanInput, options: SoloOptions): PlanSolo {
  const none = (why: string): PlanSolo => ({
    ...{ host: null, weight_bytes: 0, kv_bytes: 0, why, load: "when asked" },
  });
  const { cost, stages, coordinator, past } = solved;
  const route = input.decode?.route ?? "auto";
  if (stages.length === 1) return none("the pipeline is one stage already");
  if (route === "pipeline") return none("requests are to take the pipeline");
  const { kvRows, bytes } = wholeModel(solved, input);
  const fitting = devicesFor(solved, input, options);
  if (fitting.length === 0) {
    return none(
      `no device has the memory for the whole model, ${size(bytes)}, beside its stage`,
    );
  }
  const seconds = (device: number) => {
    const whole = wholeStage(cost, device);
    return cost.stageSeconds(device, whole, { rows: 1, past, wanted: 1 }) +
      cost.hopSeconds(coordinator, device, cost.requestBytes(1));
  };
  const device = fitting.reduce((a, b) => seconds(b) < seconds(a) ? b : a);
  const whole = [wholeStage(cost, device)];
  const lengths = options.buckets.map((b) => b.prompt_tokens);
  const one = figuresOf(solved, {
    stages: whole,
    buckets: lengths.map((n) => ({ prompt_tokens: n, pieces: equalPieces(n) })),
    frames: pipelineCosts({ cost, stages: whole, coordinator, past }),
    rowsPerFrame: SHARED_ROWS,
  });
  const { head, frames } = solved;
  const pipeline = figuresOf(solved, { stages, head, frames, ...options });
  const most = shapes(input).map((shape) => {
    const [alone, together] = [requestMs(one, shape), requestMs(pipeline, shape)];
    return { ...shape, alone, together, gain: 1 - alone / together };
  }).reduce((a, b) => b.gain > a.gain ? b : a);
  const { name } = cost.devices[device];
  const compared = `a prompt of ${most.prompt} tokens and an answer of ${most.tokens} take ${
    duration(most.alone / 1000)
  } on ${name} alone, ${duration(most.together / 1000)} in the pipeline`;
  if (most.gain < -MOST_LOSS && route !== "one") {
    return none(`one device would take over ${100 * MOST_LOSS} % longer: ${compared}`);
  }
  const { weights, kv } = cost.stageBytes(whole[0], kvRows);
  return {
    host: name,
    weight_bytes: Math.round(weights),
    kv_bytes: Math.round(kv),
    why: `${compared}; its memory holds the ${size(bytes)} besides`,
    load: most.gain >= CLEAR_GAIN || route === "one" ? "at once" : "when asked",
    figures: { one, pipeline },
  };
}

const wholeStage = ({ model }: CostModel, device: number): DeviceStage => ({
  device,
  first: 0,
  last: model.layers - 1,
});

/** KV rows of one request of the workload, and the bytes of the whole model with them. */
function wholeModel({ cost }: Solved, { workload }: PlanInput) {
  const kvRows = kvNeedOf({
    ...workload,
    ...{ concurrent: 1, kvRows: Math.ceil(kvRowsOf(workload) / Math.max(1, workload.concurrent)) },
  }, cost.model);
  const { weights, kv } = cost.stageBytes({ first: 0, last: cost.model.layers - 1 }, kvRows);
  return { kvRows, bytes: weights + kv };
}

/** The devices whose memory holds the whole model, with its engine, beside their stage. */
function devicesFor(solved: Solved, input: PlanInput, { drafter }: SoloOptions): number[] {
  const { cost, problem, stages } = solved;
  const { bytes } = wholeModel(solved, input);
  const kvRows = kvNeedOf(input.workload, cost.model);
  return cost.devices.flatMap(({ name, memoryBytes, overheadBytes }, d) => {
    if (!problem.usable[d] || !problem.ends[d]) return [];
    let needed = bytes + overheadBytes + (drafter?.host === name ? drafter.bytes : 0) +
      shareBytes(cost.model.headBytes, partsOn(solved, d));
    for (const stage of stages.filter((s) => s.device === d)) {
      const { weights, kv } = cost.stageBytes(stage, kvRows);
      needed += weights + kv + overheadBytes;
    }
    return needed <= memoryBytes ? [d] : [];
  });
}

/** Pieces of {@linkcode PIECE_ROWS} rows, and the rest. */
function equalPieces(rows: number): number[] {
  const whole = new Array<number>(Math.floor(rows / PIECE_ROWS)).fill(PIECE_ROWS);
  return rows % PIECE_ROWS > 0 ? [...whole, rows % PIECE_ROWS] : whole;
}

/** The pieces of a prompt of `rows` rows. */
function cutAt(pieces: readonly number[], rows: number): number[] {
  const cut: number[] = [];
  let left = rows;
  for (const piece of pieces) {
    if (left <= 0) break;
    cut.push(Math.min(piece, left));
    left -= piece;
  }
  return cut;
}

/** Predictions of stages whose prompts are cut into these pieces. */
function figuresOf(
  { cost, coordinator }: Solved,
  { stages, head, buckets, frames, rowsPerFrame }: SoloOptions & {
    stages: DeviceStage[];
    head?: readonly HeadParts[];
    frames: PipelineCosts;
  },
): RouteFigures {
  return {
    // A prompt that is shorter than its bucket's longest has the same pieces, cut at its end: it
    // may take as long as a longer one with pieces of its own.
    first_token: buckets.flatMap(({ prompt_tokens: most, pieces }, i) => {
      const least = (buckets[i - 1]?.prompt_tokens ?? 0) + 1;
      const lengths = new Set([
        least,
        ...SHARES.map((s) => Math.round(least + s * (most - least))),
      ]);
      return [...lengths].map((prompt_tokens) => {
        const cut = cutAt(pieces, prompt_tokens);
        const ms = 1000 * promptSeconds({ cost, stages, coordinator, head }, cut);
        return { prompt_tokens, ms };
      });
    }),
    round: LANES.map((lanes) => {
      const shape = branchShape({ costs: frames, branches: lanes, maxRows: rowsPerFrame });
      return { lanes, ms: 1000 * lanes / shape.tokensPerSecond };
    }),
  };
}

/** The requests that are looked at, that of the workload included. */
function shapes({ model, workload }: PlanInput): { prompt: number; tokens: number }[] {
  return [
    ...PROMPTS.filter((n) => n <= model.context)
      .flatMap((prompt) => ANSWERS.map((tokens) => ({ prompt, tokens }))),
    { prompt: workload.promptTokens, tokens: workload.outputTokens },
  ];
}

/** Milliseconds of a plain request. */
function requestMs(
  { first_token, round }: RouteFigures,
  { prompt, tokens }: { prompt: number; tokens: number },
): number {
  const above = first_token.find((f) => f.prompt_tokens >= prompt) ?? first_token.at(-1)!;
  return above.ms * prompt / above.prompt_tokens + (tokens - 1) * round[0].ms;
}
