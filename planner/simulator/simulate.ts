/**
 * The simulator: runs a pipeline's frames in virtual time.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import { VirtualClock } from "./clock.ts";
import { Coordinator } from "./coordinator.ts";
import type { FrameCosts } from "./costs.ts";
import {
  type FramePolicy,
  parsed,
  type PipelineEvent,
  type PlanSimulationOptions,
  POINT_TOKENS,
  policySchema,
  simulationOptionsSchema,
  type SimulationResult,
} from "./options.ts";
import { SimulatedPipeline } from "./pipeline.ts";
import type { SimRequest } from "./request.ts";
import { type TraceSpan, utilisation } from "./trace.ts";

/** Everything that a simulation depends on. */
export interface SimulationInput {
  /** Costs of frames in the pipeline. */
  costs: FrameCosts;
  /** How the coordinator makes frames. */
  policy: FramePolicy;
  /** The requests. */
  options: PlanSimulationOptions;
  /** Events during the simulation, in any order. @default none */
  events?: PipelineEvent[];
}

/**
 * Runs requests through a pipeline in virtual time: prompts in pieces, decoding, outline branches,
 * speculation, links that change and hosts that die, by the frame rules of the real pipeline.
 * Deterministic.
 *
 * Throws group `planner`: `bad_simulation` for options that contradict each other or are out of
 * range, `bad_simulation_time` for costs that are negative, infinite or not numbers,
 * `simulation_stalled` if requests would wait for ever, `coordinator_died` for the death of the
 * coordinator's host.
 */
export function simulate(
  { costs, policy, options, events = [] }: SimulationInput,
): SimulationResult {
  const setup = {
    policy: parsed(policySchema, policy, "policy"),
    options: parsed(simulationOptionsSchema, options, "options"),
  };
  checkTokens(setup.options);
  const clock = new VirtualClock();
  const pipeline = new SimulatedPipeline(clock, costs);
  const coordinator = new Coordinator(clock, pipeline, setup);
  for (const event of events) {
    if (event.kind === "death" && event.host === costs.coordinator) {
      throw new OrreryError({
        group: "planner",
        code: "coordinator_died",
        message:
          `${event.host} is the coordinator: its requests die with it, there is nothing to simulate; ` +
          `let another host die`,
        metadata: { host: event.host },
      });
    }
    clock.at(event.at_s, () => {
      if (event.kind === "link") pipeline.changeLink(event);
      else coordinator.die(event);
    });
  }
  while (!coordinator.over && clock.step());
  if (!coordinator.over) {
    throw new OrreryError({
      group: "planner",
      code: "simulation_stalled",
      message: `simulation: nothing more happens after ${clock.now} s, but requests are not over`,
    });
  }
  const end_s = clock.now;
  coordinator.close();
  return summary(coordinator, pipeline, end_s);
}

/** Checks that each branch has at least one token. Throws `bad_simulation`. */
function checkTokens(
  options: { tokens: number; branches: number; outline: { tokens?: number; counted: boolean } },
) {
  const { tokens, branches, outline } = options;
  if (branches === 1) return;
  const rest = tokens - (outline.counted ? outline.tokens ?? POINT_TOKENS * branches : 0);
  if (rest >= branches) return;
  throw new OrreryError({
    group: "planner",
    code: "bad_simulation",
    message:
      `simulation: ${tokens} tokens leave ${rest} for ${branches} branches; ask for more tokens or fewer branches`,
    metadata: { tokens, branches },
  });
}

function summary(
  coordinator: Coordinator,
  pipeline: SimulatedPipeline,
  end_s: number,
): SimulationResult {
  const start_s = Math.min(...coordinator.requests.map((r) => r.at_s));
  const trace = sorted([...phases(coordinator.requests), ...pipeline.trace]);
  const busy = [...utilisation(trace, { start_s, end_s })].map(([lane, share]) => ({
    lane,
    utilisation: share,
  }));
  const stages = busy.filter(({ lane }) => lane.startsWith("stage "));
  const mean = stages.reduce((n, s) => n + s.utilisation, 0) / Math.max(1, stages.length);
  return {
    requests: coordinator.requests.map(resultOf),
    end_s,
    stages,
    links: busy.filter(({ lane }) => lane.includes(" → ")),
    drafter: busy.find(({ lane }) => lane.startsWith("drafter "))?.utilisation ?? 0,
    bubble_share: 1 - mean,
    wasted_row_share: coordinator.computedRows > 0
      ? coordinator.wastedRows / coordinator.computedRows
      : 0,
    rows_per_frame: coordinator.decodeFrames > 0
      ? coordinator.decodeRows / coordinator.decodeFrames
      : 0,
    frames: coordinator.frames,
    cancelled_frames: pipeline.cancelledFrames,
    paused_s: coordinator.paused_s,
    trace,
  };
}

function resultOf(request: SimRequest) {
  const { at_s, tokens } = request;
  const [first, finish_s] = [request.firstToken_s!, request.finish_s!];
  return {
    at_s,
    ttft_s: first - at_s,
    tpot_s: tokens > 1 ? (finish_s - first) / (tokens - 1) : 0,
    tokens_per_s: tokens / (finish_s - at_s),
    finish_s,
    tokens,
  };
}

/** Spans of the requests: prompt, answer or outline, branches. */
function phases(requests: SimRequest[]): TraceSpan[] {
  return requests.flatMap((request) =>
    request.phases.map(({ kind, label, start_s }, i) => ({
      lane: `request ${request.index}`,
      kind,
      label: `request ${request.index}: ${label}`,
      start_s,
      end_s: request.phases[i + 1]?.start_s ?? request.finish_s!,
    }))
  );
}

/**
 * The trace with its lanes in this order: coordinator, requests, stages, shares of the
 * head, drafter, links. Spans of a
 * lane are in the order of time.
 */
function sorted(trace: TraceSpan[]): TraceSpan[] {
  const sorts = [
    /^coordinator/,
    /^request (\d+)/,
    /^stage (\d+)/,
    /^head (\d+)/,
    /^drafter/,
    /./,
  ];
  const places = new Map<string, number[]>();
  for (const { lane } of trace) {
    if (places.has(lane)) continue;
    const sort = sorts.findIndex((s) => s.test(lane));
    places.set(lane, [sort, Number(sorts[sort].exec(lane)![1] ?? 0), places.size]);
  }
  return [...trace].sort((a, b) => {
    const [p, q] = [places.get(a.lane)!, places.get(b.lane)!];
    return p[0] - q[0] || p[1] - q[1] || p[2] - q[2] || a.start_s - b.start_s || a.end_s - b.end_s;
  });
}
