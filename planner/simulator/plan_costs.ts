/**
 * Simulates a plan: makes the simulator's input from it.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import { unknownHost } from "../check_input.ts";
import { CostModel, type HeadParts, shareSeconds } from "../cost/mod.ts";
import { promptWindow } from "../decode/mod.ts";
import { draftVariant } from "../draft_heads.ts";
import type { LayerRange } from "../even_split.ts";
import type { Plan, PlanInput } from "../types.ts";
import { COORDINATOR, type FrameCosts, type Hop } from "./costs.ts";
import type {
  FramePolicy,
  PipelineEvent,
  PlanSimulationOptions,
  SimulationResult,
} from "./options.ts";
import { simulate } from "./simulate.ts";

/**
 * A pipeline whose stages are on devices, which are given by their index in the cost model's list.
 */
export interface PlacedPipeline {
  /** The stages, in pipeline order. */
  stages: { device: number; range: LayerRange }[];
  /** Index of the device where requests enter and tokens return to. */
  coordinator: number;
  /**
   * The drafter's device, and its seconds for one token; undefined: there are no drafts, or they
   * take no time.
   */
  draft?: { device: number; secondsPerToken: number };
  /** Shares of the LM head; undefined: the last stage has the whole head. */
  head?: readonly HeadParts[];
}

/** Costs of frames in a placed pipeline, by the cost model. */
export function placedCosts(
  cost: CostModel,
  { stages, coordinator, draft, head }: PlacedPipeline,
): FrameCosts {
  const { links, devices } = cost;
  const device = (stage: number) => stage === COORDINATOR ? coordinator : stages[stage].device;
  return {
    hosts: stages.map((s) => devices[s.device].name),
    coordinator: devices[coordinator].name,
    stageSeconds: (stage, frame) =>
      cost.stageSeconds(
        stages[stage].device,
        stages[stage].range,
        head ? { ...frame, wanted: 0 } : frame,
      ),
    hop(from, to, rows) {
      const [a, b] = [device(from), device(to)];
      const bytes = to === COORDINATOR
        ? cost.answerBytes(rows)
        : from === COORDINATOR
        ? cost.requestBytes(rows)
        : cost.hopBytes(rows);
      return hopOf(cost, [a, b], bytes);
    },
    ...(head && { head: headCosts(cost, { head, last: device(stages.length - 1), coordinator }) }),
    ...(draft && {
      draft: {
        host: devices[draft.device].name,
        seconds: (tokens: number) => tokens * draft.secondsPerToken,
        reach_s: links.seconds[coordinator][draft.device],
      },
    }),
  };
}

/** A message between two devices. */
function hopOf(cost: CostModel, [a, b]: [number, number], bytes: number): Hop {
  const { seconds, bytesPerS, uplinks } = cost.links;
  const shared = uplinks && a !== b && { channel: cost.narrowest(a, b) };
  return { bytes, latency_s: seconds[a][b], bytes_per_s: bytesPerS[a][b], ...shared };
}

/** Costs of the shares of the head. */
function headCosts(
  cost: CostModel,
  { head, last, coordinator }: { head: readonly HeadParts[]; last: number; coordinator: number },
): FrameCosts["head"] {
  const { devices } = cost;
  return {
    hosts: head.map(({ device }) => devices[device].name),
    seconds: (share, wanted) => shareSeconds(cost, head[share], wanted),
    rows: (share, wanted) => hopOf(cost, [last, head[share].device], cost.headRowBytes(wanted)),
    answer: (share, wanted) =>
      hopOf(cost, [head[share].device, coordinator], cost.answerBytes(wanted)),
  };
}

/**
 * The devices of a plan's stages, head shares, coordinator and drafter. Throws group `planner`, code
 * `unknown_host` for a host that is not among the devices.
 */
export function pipelineOf(
  plan: Plan,
  input: Pick<PlanInput, "devices" | "draft">,
): PlacedPipeline {
  const index = (host: string) => {
    const found = input.devices.findIndex((d) => d.name === host);
    if (found >= 0) return found;
    throw unknownHost("the plan", host, input.devices.map((d) => d.name));
  };
  const drafter = plan.draft.source === "model" && plan.draft.host !== null
    ? index(plan.draft.host)
    : undefined;
  return {
    stages: plan.stages.map((s) => ({
      device: index(s.host),
      range: { first: s.first_layer, last: s.last_layer },
    })),
    coordinator: index(plan.coordinator),
    ...(plan.head && {
      head: plan.head.map(({ device, first_part, last_part }) => ({
        device: index(device),
        parts: last_part - first_part + 1,
      })),
    }),
    ...(drafter !== undefined && input.draft && {
      draft: {
        device: drafter,
        secondsPerToken: draftVariant(input.draft, plan.draft.vocabulary).secondsPerToken[drafter],
      },
    }),
  };
}

/** How a plan makes frames, for prompts of `prompt` tokens. */
export function policyOf(plan: Plan, prompt: number): FramePolicy {
  const bucket = plan.piece_buckets.find((b) => b.prompt_tokens >= prompt);
  return {
    pieces: [...bucket?.rows ?? plan.pieces],
    rows_per_frame: plan.branches.rows_per_frame,
    in_flight: Math.max(1, plan.branches.in_flight),
    tree: plan.draft.source === "none" ? [] : [...plan.draft.tree],
    model_drafter: plan.draft.source === "model",
  };
}

/** Default of `detection_s`. */
const DETECTION_S = 2;

/** An event of a plan's cluster. */
export type ClusterEvent =
  | Extract<PipelineEvent, { kind: "link" }>
  | {
    kind: "death";
    at_s: number;
    host: string;
    /** Seconds until the others know of the death. @default 2 */
    detection_s?: number;
    /** Seconds after that until the backups have the layers in memory. @default 0 */
    load_s?: number;
  };

/** Input of {@linkcode simulatePlan}. */
export interface PlanSimulation {
  /** The plan to run. */
  plan: Plan;
  /** The input that the plan was made from. */
  input: Pick<PlanInput, "model" | "devices" | "links" | "draft">;
  /** The requests. */
  options: PlanSimulationOptions;
  /** Replaces parts of the plan's own policy. @default none */
  policy?: Partial<FramePolicy>;
  /** Events during the simulation, in any order. @default none */
  events?: ClusterEvent[];
}

/**
 * Runs a plan in virtual time. The layers of a host that dies go to the plan's backups.
 *
 * Throws group `planner`: what {@linkcode simulate} throws, `unknown_host`, and `no_backup` where
 * no device can take over a dead host's layers.
 */
export function simulatePlan(
  { plan, input, options, policy, events = [] }: PlanSimulation,
): SimulationResult {
  const cost = new CostModel({ ...input, wire: plan.wire.format });
  let placed = pipelineOf(plan, input);
  const dead = new Set<string>();
  const happenings = [...events].sort((a, b) => a.at_s - b.at_s).map((event): PipelineEvent => {
    if (event.kind === "link") return event;
    dead.add(event.host);
    const { pipeline, replaced } = withoutHost(plan, { placed, devices: input.devices, dead });
    placed = pipeline;
    const { kind, at_s, host, detection_s = DETECTION_S, load_s = 0 } = event;
    return { kind, at_s, host, detection_s, load_s, costs: placedCosts(cost, placed), replaced };
  });
  const whole = pipelineOf(plan, input);
  const planned = policyOf(plan, options.prompt);
  const { stages, coordinator } = whole;
  const place = {
    cost,
    coordinator,
    stages: stages.map((s) => ({ ...s.range, device: s.device })),
  };
  const rows = Math.min(options.prompt, Math.max(...planned.pieces));
  const window = promptWindow(place, { rows, tokens: options.prompt });
  return simulate({
    costs: placedCosts(cost, whole),
    policy: { window, ...planned, ...policy },
    options,
    events: happenings,
  });
}

/** A pipeline and the hosts that have died. */
interface Survivors {
  placed: PlacedPipeline;
  devices: PlanInput["devices"];
  /** Names of the hosts that have died. */
  dead: Set<string>;
}

/**
 * The pipeline with the layers of dead hosts on their backups; a stage may be cut into several.
 * Where a host with a share of the head dies, the last stage computes the whole head from then on.
 * `replaced`: indices of the stages that moved. Throws `no_backup`.
 */
function withoutHost(plan: Plan, { placed, devices, dead }: Survivors) {
  const stages: PlacedPipeline["stages"] = [];
  const replaced: number[] = [];
  for (const stage of placed.stages) {
    if (!dead.has(devices[stage.device].name)) {
      stages.push(stage);
      continue;
    }
    for (let first = stage.range.first; first <= stage.range.last;) {
      const backup = plan.backups.find((b) =>
        b.first_layer <= first && first <= b.last_layer && b.host !== null && !dead.has(b.host)
      );
      if (!backup) {
        throw new OrreryError({
          group: "planner",
          code: "no_backup",
          message:
            `${
              devices[stage.device].name
            } dies and nobody is planned to take layer ${first} over; ` +
            `add a device or memory`,
          metadata: { host: devices[stage.device].name, layer: first },
        });
      }
      const last = Math.min(stage.range.last, backup.last_layer);
      replaced.push(stages.length);
      stages.push({
        device: devices.findIndex((d) => d.name === backup.host),
        range: { first, last },
      });
      first = last + 1;
    }
  }
  const draft = placed.draft && !dead.has(devices[placed.draft.device].name)
    ? placed.draft
    : undefined;
  const head = placed.head?.some(({ device }) => dead.has(devices[device].name))
    ? undefined
    : placed.head;
  return {
    pipeline: {
      stages,
      coordinator: placed.coordinator,
      ...(draft && { draft }),
      ...(head && { head }),
    },
    replaced,
  };
}
