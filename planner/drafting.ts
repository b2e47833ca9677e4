/**
 * Chooses where drafts come from and how long they are.
 *
 * @module
 */
import { OrreryError } from "../actors/mod.ts";
import { draftShape } from "./decode/mod.ts";
import { type DraftVariant, draftVariants } from "./draft_heads.ts";
import { leftOn } from "./memory.ts";
import { size } from "./numbers.ts";
import type { PlacedSolution } from "./placed_solution.ts";
import type { Device, DraftModel, PlanDraft, PlanInput } from "./types.ts";

/** Longest draft in tokens where the user sets no limit. */
const LONGEST = 8;
/** Most rows of a frame with a draft, where the user sets no longer draft. */
const MOST_ROWS = 16;

/** How a stream decodes with drafts. */
export interface Drafting {
  /** The plan's entry. */
  draft: PlanDraft;
  /** Bytes of the draft model on its device; 0: none is placed. */
  bytes: number;
  /** Rows of a frame with its draft; 1: no drafts. */
  rows: number;
  /** Tokens that a frame is expected to give. */
  tokens: number;
  /** Seconds of a token, drafting included. */
  secondsPerToken: number;
}

/**
 * Chooses the drafter's device, how many tokens its head has, and the draft's shape. A draft model
 * goes to the device where drafting, with the way to the coordinator and back, takes least, among
 * devices that may see tokens and have the memory left. A head of the frequent tokens alone is
 * taken where it gains enough, or where only that fits. Throws group `planner`, code `infeasible`
 * where the device that the user names lacks the memory.
 */
export function draftOf(solved: PlacedSolution, input: PlanInput): Drafting {
  const { workload: { acceptance }, decode, draft } = input;
  const none = (why: string): Drafting => ({
    draft: { source: "none", host: null, length: 0, tree: [], why: `no speculation: ${why}` },
    bytes: 0,
    rows: 1,
    tokens: 1,
    secondsPerToken: solved.frames.latency(1),
  });
  if (decode?.drafter === "none") return none("switched off");
  if (acceptance === undefined) return none("the acceptance of drafts is not known");
  const longest = decode?.draftLength ?? LONGEST;
  if (longest === 0) return none("drafts of 0 tokens are asked for");
  const shapeOf = (
    { secondsPerToken, covered }: Pick<PlacedDrafter, "secondsPerToken" | "covered">,
  ) =>
    draftShape({
      costs: solved.frames,
      acceptance: acceptance * covered,
      draftSecondsPerToken: secondsPerToken,
      draftLength: longest,
      maxRows: Math.max(MOST_ROWS, longest + 1),
    });
  const wanted = decode?.drafter !== "ngram" && draft ? placeDrafter(solved, input, shapeOf) : {};
  const { placed, lost } = wanted;
  const { length, tree, why, rows, tokensPerSecond, wastedShare } = shapeOf(
    placed ?? { secondsPerToken: 0, covered: 1 },
  );
  if (length === 0) return none(why.replace(/^no speculation: /, ""));
  const found = {
    rows,
    tokens: rows * (1 - wastedShare),
    secondsPerToken: 1 / tokensPerSecond,
  };
  if (!placed) {
    const by = lost === undefined ? "by prompt lookup" : `drafts by prompt lookup, since ${lost}`;
    return {
      ...found,
      bytes: 0,
      draft: { source: "ngram", host: null, length, tree, why: `${why}; ${by}` },
    };
  }
  const { device, vocabulary, bytes } = placed;
  const host = solved.cost.devices[device].name;
  return {
    ...found,
    bytes,
    draft: {
      source: "model",
      host,
      ...(vocabulary !== undefined && { vocabulary }),
      length,
      tree,
      why: `${why}; ${placed.why}`,
    },
  };
}

/** Tokens of a draft over which the time of the way to the drafter and back is spread. */
const SHORT_DRAFT = 4;
/** A smaller head is taken if it gives at least this many times the tokens a second. */
const LEAST_GAIN = 1.02;

/** A device that has room for a draft model. */
interface PlacedDrafter extends Omit<DraftVariant, "secondsPerToken"> {
  /** Its index. */
  device: number;
  /** Seconds of one drafted token there, with its share of the way. */
  secondsPerToken: number;
  /** The reason, with its figures. */
  why: string;
}

/** A device where the draft model may run. */
interface DrafterDevice {
  d: number;
  device: Device;
  /** Bytes that it has left. */
  left: number;
}

/**
 * Chooses the draft model's device and head: `placed`, or `lost` with the reason. Throws
 * `infeasible`, see {@linkcode draftOf}.
 */
function placeDrafter(
  solved: PlacedSolution,
  { draft, decode, constraints }: PlanInput,
  shapeOf: (placed: PlacedDrafter) => { tokensPerSecond: number },
): { placed?: PlacedDrafter; lost?: string } {
  const { problem, cost } = solved;
  const candidates = cost.devices.map((device, d) => ({ d, device, left: leftOn(solved, d) }))
    .filter(({ d, device }) =>
      problem.usable[d] && Number.isFinite(draft!.secondsPerToken[d]) &&
      (device.trusted || !constraints.trustedEnds) &&
      (decode?.draftHost === undefined || device.name === decode.draftHost)
    );
  const variants = draftVariants(draft!, decode);
  let best: PlacedDrafter | undefined;
  let most = 0;
  for (const variant of variants) {
    const placed = nearest(solved, candidates, {
      draft: draft!,
      variant,
      asked: decode?.draftHost !== undefined,
    });
    if (!placed) continue;
    const { tokensPerSecond } = shapeOf(placed);
    if (best && tokensPerSecond < LEAST_GAIN * most) continue;
    best = placed;
    most = tokensPerSecond;
  }
  if (best) return { placed: best };
  const { bytes } = variants.at(-1)!;
  const { name } = draft!;
  const roomiest = candidates.toSorted((a, b) => b.left - a.left || a.d - b.d)[0];
  if (decode?.draftHost !== undefined) throw unfit(name, decode.draftHost, { bytes, roomiest });
  return {
    lost: roomiest
      ? `no host has ${size(bytes)} left for ${name} (${roomiest.device.name} lacks ${
        size(bytes - roomiest.left)
      })`
      : `no host may see what ${name} drafts`,
  };
}

/** The device that drafts soonest of those with room for this head; undefined: none has. */
function nearest(
  { cost, coordinator }: PlacedSolution,
  candidates: DrafterDevice[],
  { draft: { name, head }, variant, asked }: {
    draft: DraftModel;
    variant: DraftVariant;
    /** Whether the user names the device. */
    asked: boolean;
  },
): PlacedDrafter | undefined {
  const { bytes, vocabulary, secondsPerToken } = variant;
  const reach = (d: number) =>
    cost.hopSeconds(coordinator, d, cost.requestBytes(SHORT_DRAFT)) +
    cost.hopSeconds(d, coordinator, cost.answerBytes(SHORT_DRAFT));
  const fitting = candidates.filter(({ left }) => left >= bytes);
  const [best] = fitting
    .map(({ d, device }) => ({ d, device, seconds: secondsPerToken[d] + reach(d) / SHORT_DRAFT }))
    .sort((a, b) => a.seconds - b.seconds || a.d - b.d);
  if (!best) return undefined;
  const fastest = candidates.length === fitting.length ? "" : ` of those with ${size(bytes)} left`;
  const what = vocabulary === undefined
    ? name
    : `${name} with ${vocabulary} of ${head!.vocab} tokens`;
  return {
    ...variant,
    device: best.d,
    secondsPerToken: best.seconds,
    why: `${what} on ${best.device.name}, ${asked ? "as asked" : `the nearest in time${fastest}`}`,
  };
}

/** The error for a drafter that does not fit where the user wants it. */
function unfit(
  name: string,
  host: string,
  { bytes, roomiest }: { bytes: number; roomiest: DrafterDevice | undefined },
): OrreryError {
  const lack = roomiest ? Math.ceil(bytes - roomiest.left) : bytes;
  return new OrreryError({
    group: "planner",
    code: "infeasible",
    message: roomiest
      ? `drafter ${name} does not fit on ${host}: it lacks ${lack} bytes (${
        size(lack)
      }) besides its stage`
      : `drafter ${name} is to run on ${host}, which is excluded or not trusted`,
    metadata: { lacking: roomiest ? [{ host, bytes: lack }] : [] },
  });
}
