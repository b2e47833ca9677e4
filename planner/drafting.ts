/**
 * Chooses where drafts come from and how long they are.
 *
 * @module
 */
import { OrreryError } from "../actors/mod.ts";
import { draftShape } from "./decode/mod.ts";
import { leftOn } from "./memory.ts";
import { size } from "./numbers.ts";
import type { PlacedSolution } from "./placed_solution.ts";
import type { PlanDraft, PlanInput } from "./types.ts";

/** Longest draft in tokens where the user sets no limit. */
const LONGEST = 8;
/** Most rows of a frame with a draft, where the user sets no longer draft. */
const MOST_ROWS = 16;

/** How a stream decodes with drafts. */
export interface Drafting {
  /** The plan's entry. */
  draft: PlanDraft;
  /** Rows of a frame with its draft; 1: no drafts. */
  rows: number;
  /** Tokens that a frame is expected to give. */
  tokens: number;
  /** Seconds of a token, drafting included. */
  secondsPerToken: number;
}

/**
 * Chooses the drafter's device and the draft's shape. A draft model goes to the device where
 * drafting, with the way to the coordinator and back, takes least, among devices that may see
 * tokens and have the memory left. Throws group `planner`, code `infeasible` where the device that
 * the user names lacks the memory.
 */
export function draftOf(solved: PlacedSolution, input: PlanInput): Drafting {
  const { workload: { acceptance }, decode, draft } = input;
  const none = (why: string): Drafting => ({
    draft: { source: "none", host: null, length: 0, tree: [], why: `no speculation: ${why}` },
    rows: 1,
    tokens: 1,
    secondsPerToken: solved.frames.latency(1),
  });
  if (decode?.drafter === "none") return none("switched off");
  if (acceptance === undefined) return none("the acceptance of drafts is not known");
  const longest = decode?.draftLength ?? LONGEST;
  if (longest === 0) return none("drafts of 0 tokens are asked for");
  const wanted = decode?.drafter !== "ngram" && draft ? placeDrafter(solved, input) : undefined;
  const lost = wanted !== undefined && wanted.device === undefined;
  const { length, tree, why, rows, tokensPerSecond, wastedShare } = draftShape({
    costs: solved.frames,
    acceptance,
    draftSecondsPerToken: wanted?.secondsPerToken ?? 0,
    draftLength: longest,
    maxRows: Math.max(MOST_ROWS, longest + 1),
  });
  if (length === 0) return none(why.replace(/^no speculation: /, ""));
  const found = {
    rows,
    tokens: rows * (1 - wastedShare),
    secondsPerToken: 1 / tokensPerSecond,
  };
  if (!wanted || lost) {
    const by = lost ? `drafts by prompt lookup, since ${wanted.why}` : "by prompt lookup";
    return {
      ...found,
      draft: { source: "ngram", host: null, length, tree, why: `${why}; ${by}` },
    };
  }
  const host = solved.cost.devices[wanted.device!].name;
  return {
    ...found,
    draft: { source: "model", host, length, tree, why: `${why}; ${wanted.why}` },
  };
}

/** Tokens of a draft over which the time of the way to the drafter and back is spread. */
const SHORT_DRAFT = 4;

/** Where a draft model goes. */
interface PlacedDrafter {
  /** Index of its device; undefined: it fits on none. */
  device?: number;
  /** Seconds of one drafted token, with its share of the way; undefined: it fits on no device. */
  secondsPerToken?: number;
  /** The reason, with its figures. */
  why: string;
}

/** Chooses the draft model's device. Throws `infeasible`, see {@linkcode draftOf}. */
function placeDrafter(
  solved: PlacedSolution,
  { draft, decode, constraints }: PlanInput,
): PlacedDrafter {
  const { cost, problem, coordinator } = solved;
  const { name, bytes, secondsPerToken } = draft!;
  const reach = (d: number) =>
    cost.hopSeconds(coordinator, d, cost.requestBytes(SHORT_DRAFT)) +
    cost.hopSeconds(d, coordinator, cost.answerBytes(SHORT_DRAFT));
  const candidates = cost.devices.map((device, d) => ({
    d,
    device,
    left: leftOn(solved, d),
    seconds: secondsPerToken[d] + reach(d) / SHORT_DRAFT,
  })).filter(({ d, device }) =>
    problem.usable[d] && Number.isFinite(secondsPerToken[d]) &&
    (device.trusted || !constraints.trustedEnds) &&
    (decode?.draftHost === undefined || device.name === decode.draftHost)
  );
  const fitting = candidates.filter(({ left }) => left >= bytes).sort((a, b) =>
    a.seconds - b.seconds || a.d - b.d
  );
  const best = fitting[0];
  if (best) {
    const fastest = candidates.length === fitting.length
      ? ""
      : ` of those with ${size(bytes)} left`;
    return {
      device: best.d,
      secondsPerToken: best.seconds,
      why: `${name} on ${best.device.name}, ${
        decode?.draftHost === undefined ? `the nearest in time${fastest}` : "as asked"
      }`,
    };
  }
  const nearest = candidates.toSorted((a, b) => b.left - a.left || a.d - b.d)[0];
  if (decode?.draftHost !== undefined) {
    const lack = nearest ? Math.ceil(bytes - nearest.left) : bytes;
    throw new OrreryError({
      group: "planner",
      code: "infeasible",
      message: nearest
        ? `drafter ${name} does not fit on ${decode.draftHost}: it lacks ${lack} bytes (${
          size(lack)
        }) besides its stage`
        : `drafter ${name} is to run on ${decode.draftHost}, which is excluded or not trusted`,
      metadata: { lacking: nearest ? [{ host: decode.draftHost, bytes: lack }] : [] },
    });
  }
  return {
    why: nearest
      ? `no host has ${size(bytes)} left for ${name} (${nearest.device.name} lacks ${
        size(bytes - nearest.left)
      })`
      : `no host may see what ${name} drafts`,
  };
}
