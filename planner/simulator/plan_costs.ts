/**
 * From a plan to what the simulator needs.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import { CostModel } from "../cost/mod.ts";
import type { LayerRange } from "../even_split.ts";
import type { Plan, PlanInput } from "../types.ts";
import { COORDINATOR, type FrameCosts } from "./costs.ts";
import type { FramePolicy, PipelineEvent, SimulationOptions, SimulationResult } from "./options.ts";
import { simulate } from "./simulate.ts";

/** Stages on devices, by index in the cost model's list. */
export interface PlacedPipeline {
  /** In order. */
  stages: { device: number; range: LayerRange }[];
  /** Device where requests enter and tokens return to. */
  coordinator: number;
  /** Where drafts are made; undefined: nowhere, or they cost nothing. */
  draft?: { device: number; secondsPerToken: number };
}

/** What frames cost in a placed pipeline, by the cost model. */
export function placedCosts(
  cost: CostModel,
  { stages, coordinator, draft }: PlacedPipeline,
): FrameCosts {
  const { links, devices } = cost;
  const device = (stage: number) => stage === COORDINATOR ? coordinator : stages[stage].device;
  return {
    hosts: stages.map((s) => devices[s.device].name),
    coordinator: devices[coordinator].name,
    stageSeconds: (stage, frame) =>
      cost.stageSeconds(stages[stage].device, stages[stage].range, frame),
    hop(from, to, rows) {
      const [a, b] = [device(from), device(to)];
      const bytes = to === COORDINATOR
        ? cost.answerBytes(rows)
        : from === COORDINATOR
        ? cost.requestBytes(rows)
        : cost.hopBytes(rows);
      return { bytes, latency_s: links.seconds[a][b], bytes_per_s: links.bytesPerS[a][b] };
    },
    ...(draft && {
      draft: {
        host: devices[draft.device].name,
        seconds: (tokens: number) => tokens * draft.secondsPerToken,
        reach_s: links.seconds[coordinator][draft.device],
      },
    }),
  };
}

/**
 * Where a plan's parts are. Throws group `planner`, code `unknown_host` for a host that is not
 * among the devices.
 */
export function pipelineOf(
  plan: Plan,
  input: Pick<PlanInput, "devices" | "draft">,
): PlacedPipeline {
  const index = (host: string) => {
    const found = input.devices.findIndex((d) => d.name === host);
    if (found >= 0) return found;
    throw new OrreryError({
      group: "planner",
      code: "unknown_host",
      message: `the plan names host ${host}, but the devices are ${
        input.devices.map((d) => d.name).join(", ")
      }`,
      metadata: { host },
    });
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
    ...(drafter !== undefined && input.draft && {
      draft: { device: drafter, secondsPerToken: input.draft.secondsPerToken[drafter] },
    }),
  };
}

/** A plan's way of cutting work into frames, for prompts of a length. */
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

/** What may happen to a plan's cluster. */
export type ClusterEvent =
  | Extract<PipelineEvent, { kind: "link" }>
  | {
    kind: "death";
    at_s: number;
    host: string;
    /** Until the others know it. @default 2 */
    detection_s?: number;
    /** After that, until the backups have the layers in memory. @default 0 */
    load_s?: number;
  };

/** Everything that a plan's simulation depends on. */
export interface PlanSimulation {
  /** What runs. */
  plan: Plan;
  /** What it was made for. */
  input: Pick<PlanInput, "model" | "devices" | "links" | "draft">;
  /** What is asked of it. */
  options: SimulationOptions;
  /** Instead of the plan's own. */
  policy?: Partial<FramePolicy>;
  /** What happens on the way, in any order. */
  events?: ClusterEvent[];
}

/**
 * Runs a plan in virtual time. A host that dies is replaced by the plan's backups.
 *
 * Throws group `planner`: what {@linkcode simulate} throws, `unknown_host`, and `no_backup` where
 * nobody can take a dead host's layers over.
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
    const { kind, at_s, host, detection_s = 2, load_s = 0 } = event;
    return { kind, at_s, host, detection_s, load_s, costs: placedCosts(cost, placed), replaced };
  });
  return simulate({
    costs: placedCosts(cost, pipelineOf(plan, input)),
    policy: { ...policyOf(plan, options.prompt), ...policy },
    options,
    events: happenings,
  });
}

interface Survivors {
  placed: PlacedPipeline;
  devices: PlanInput["devices"];
  dead: Set<string>;
}

/** The pipeline with the dead host's layers on their backups, which may cut a stage in several. */
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
  return {
    pipeline: { stages, coordinator: placed.coordinator, ...(draft && { draft }) },
    replaced,
  };
}
