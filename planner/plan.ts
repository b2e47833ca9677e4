/**
 * Makes the plan: which device computes which layers, how prompts are cut, how decoding speculates,
 * and the reasons.
 *
 * @module
 */
import type { Wire } from "../actors/mod.ts";
import { backupsOf } from "./backups.ts";
import { checkedDevices } from "./check_input.ts";
import { shareSeconds } from "./cost/mod.ts";
import { branchShape, promptPieces } from "./decode/mod.ts";
import { draftOf } from "./drafting.ts";
import { bottleneckOf, stageWhy } from "./explain.ts";
import { memoryOf, partsOn } from "./memory.ts";
import { headOf } from "./head_shares.ts";
import { idleOf } from "./idle.ts";
import { duration, rounded } from "./numbers.ts";
import { attempt } from "./place_named.ts";
import { kvNeedOf } from "./kv_bytes.ts";
import { SHARED_ROWS } from "./problem_of.ts";
import { bucketLengths, labelsFor } from "./sequence/mod.ts";
import { simulatePlan } from "./simulator/mod.ts";
import { soloOf } from "./solo.ts";
import { settingOf, solve } from "./solve.ts";
import { pieceLimits, type Solved } from "./solved.ts";
import type { Plan, PlanInput } from "./types.ts";
import { bindingOf, hardwareChanges } from "./what_if.ts";

/** A gap below this is only an error of rounding: the placement is optimal. */
const PROVEN = 1e-9;
/** Least gain of the objective, 0 to 1, for which hidden states are rounded to int8. */
const INT8_GAIN = 0.05;
/**
 * Most devices for which the what-if questions search for the coordinator anew. With more devices
 * they keep the plan's coordinator.
 */
const MANY_DEVICES = 8;

/**
 * Makes the best plan for the input. Pure and deterministic: equal inputs give equal bytes as JSON;
 * numbers have six significant digits.
 *
 * Under `blended` without a lambda, `objective_s`, `lower_bound` and `gap` are those of a request
 * whose prompt is cut in equal pieces. The pieces themselves are then planned for the placement.
 * Throws group `planner`, code `infeasible` (the message says which device lacks how many bytes;
 * `metadata.lacking` has them as `{host, bytes}`), and what `checkedDevices` throws.
 */
export function plan(input: PlanInput): Plan {
  const devices = checkedDevices(input);
  const { solved, wire } = withWire(input, devices);
  const { workload, constraints, model } = input;
  const kvRows = kvNeedOf(workload, model);
  const rows = { rows: 1, past: solved.past, wanted: solved.head ? 0 : 1 };
  const stages = solved.stages.map((stage, i): Plan["stages"][number] => {
    const { weights, kv } = memoryOf(solved, i, kvRows);
    return {
      host: devices[stage.device].name,
      first_layer: stage.first,
      last_layer: stage.last,
      weight_bytes: Math.round(weights),
      kv_bytes: Math.round(kv),
      seconds_per_row: solved.cost.stageSeconds(stage.device, stage, rows) +
        shareSeconds(
          solved.cost,
          { device: stage.device, parts: partsOn(solved, stage.device) },
          1,
        ),
      why: stageWhy(solved, i, constraints),
    };
  });
  const lengths = [
    ...bucketLengths(Math.max(model.context, workload.promptTokens)),
    workload.promptTokens,
  ];
  const buckets = [...new Set(lengths)].sort((a, b) => a - b).map((tokens) => ({
    prompt_tokens: tokens,
    ...promptPieces(solved, tokens, {
      ...pieceLimits(input),
      maxLabels: labelsFor(2 * stages.length - 1),
    }),
  }));
  const pieces = buckets.find((b) => b.prompt_tokens === workload.promptTokens)!.pieces;
  const resolve = (changed: PlanInput) => alternative(changed, solved, wire.format);
  const { draft, bytes } = draftOf(solved, input);
  const head = headOf(solved);
  const drafter = draft.host === null ? undefined : { host: draft.host, bytes };
  const branches = branchesOf(solved, input);
  const base: Plan = {
    model: model.name,
    objective: input.objective,
    coordinator: devices[solved.coordinator].name,
    stages,
    solo: soloOf(solved, input, { buckets, rowsPerFrame: branches.rows_per_frame, drafter }),
    ...(head && { head }),
    pieces,
    piece_buckets: buckets.map((b) => ({
      prompt_tokens: b.prompt_tokens,
      rows: b.pieces,
      ttft_s: b.seconds,
    })),
    draft,
    branches,
    wire,
    kv_rows: kvRows.rows,
    ...(model.windowed && { window_rows: kvRows.windowed }),
    backups: backupsOf(solved, drafter),
    idle: idleOf(solved, input, settingOf(input, solved.reckoned)),
    predicted: { ttft_s: solved.ttftSeconds, tpot_s: solved.tpotSeconds, tokens_per_s: 0 },
    bottleneck: bottleneckOf(solved, input.objective),
    reckoned: {
      pieces: solved.reckoned.pieces,
      frames: solved.reckoned.lanes.frames,
      rows: solved.reckoned.lanes.rows,
      tokens: solved.reckoned.lanes.tokens,
    },
    objective_s: solved.placement.value,
    lower_bound: solved.lowerBound,
    gap: solved.lowerBound > 0 ? Math.max(0, solved.placement.value / solved.lowerBound - 1) : 0,
    binding: bindingOf(input, solved, resolve),
    what_if: [],
  };
  const changes = hardwareChanges(input, solved).flatMap(({ change, input: changed }) => {
    const other = attempt(() => resolve(changed));
    if (!other) return [];
    const sketch: Plan = {
      ...base,
      coordinator: other.cost.devices[other.coordinator].name,
      stages: other.stages.map((s) => ({
        ...base.stages[0],
        host: other.cost.devices[s.device].name,
        first_layer: s.first,
        last_layer: s.last,
      })),
      pieces: other.pieces,
      piece_buckets: [],
      head: headOf(other),
      draft: draftOf(other, { ...changed, decode: { ...changed.decode, draftHost: undefined } })
        .draft,
      branches: branchesOf(other, changed),
    };
    return {
      change,
      ttft_s: other.ttftSeconds,
      tpot_s: other.tpotSeconds,
      tokens_per_s: tokensPerSecond(sketch, changed),
    };
  });
  return rounded({
    ...base,
    predicted: { ...base.predicted, tokens_per_s: tokensPerSecond(base, input) },
    gap: base.gap < PROVEN ? 0 : base.gap,
    what_if: changes,
  });
}

/** Solves a changed input, for a what-if question. */
function alternative(input: PlanInput, solved: Solved, wire: Wire): Solved {
  const devices = checkedDevices(input);
  const many = input.devices.length > MANY_DEVICES;
  const name = solved.cost.devices[solved.coordinator].name;
  const same = many && !input.constraints.exclude.includes(name) ? solved.coordinator : undefined;
  return solve(input, {
    wire,
    devices,
    coordinator: same,
    reckoned: many ? solved.reckoned : undefined,
  });
}

/** Chooses the wire format of hidden states, and solves the placement with it. */
function withWire(
  input: PlanInput,
  devices: PlanInput["devices"],
): { solved: Solved; wire: Plan["wire"] } {
  if (input.wire) {
    return {
      solved: solve(input, { wire: input.wire, devices }),
      wire: { format: input.wire, why: "as asked" },
    };
  }
  const solved = solve(input, { wire: "f16", devices });
  if (solved.stages.length === 1) {
    return { solved, wire: { format: "f16", why: "one stage: no hidden states travel" } };
  }
  // solving for the same coordinator only tells whether the whole search is worth its time
  const look = solve(input, {
    wire: "int8",
    devices,
    coordinator: solved.coordinator,
    reckoned: solved.reckoned,
  });
  const worthwhile = look.placement.value < (1 - INT8_GAIN / 2) * solved.placement.value;
  const small = worthwhile ? solve(input, { wire: "int8", devices }) : look;
  const gain = 1 - small.placement.value / solved.placement.value;
  const compared = `${duration(small.placement.value)} with int8, ${
    duration(solved.placement.value)
  } with f16`;
  return gain >= INT8_GAIN
    ? { solved: small, wire: { format: "int8", why: `links are what is slow: ${compared}` } }
    : {
      solved,
      wire: {
        format: "f16",
        why: `int8 would gain ${(100 * Math.max(0, gain)).toFixed(1)} % only (${compared})`,
      },
    };
}

/** How outline branches share frames, within the user's limit. */
function branchesOf(solved: Solved, { workload, decode }: PlanInput): Plan["branches"] {
  const branches = Math.min(workload.branches, decode?.maxBranches ?? workload.branches);
  const lanes = branches * workload.concurrent;
  const { in_flight, rows_per_frame, why } = branchShape({
    costs: solved.frames,
    branches: lanes,
    maxRows: SHARED_ROWS,
  });
  return { in_flight: Math.max(1, Math.min(in_flight, lanes)), rows_per_frame, why };
}

/** Tokens a second of one request as the plan runs it, by simulation. */
function tokensPerSecond(plan: Plan, input: PlanInput): number {
  const { promptTokens, outputTokens, branches, acceptance } = input.workload;
  const limited = Math.min(
    branches,
    input.decode?.maxBranches ?? branches,
    Math.max(1, Math.floor(outputTokens / 2)),
  );
  const { requests } = simulatePlan({
    plan,
    input,
    options: {
      prompt: promptTokens,
      tokens: outputTokens,
      branches: limited,
      acceptance: plan.draft.source === "none" ? 0 : acceptance,
    },
  });
  return requests[0].tokens_per_s;
}
