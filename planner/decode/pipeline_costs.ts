/**
 * The seconds that a decode frame takes in a pipeline, by its rows.
 *
 * @module
 */
import type { CostModel } from "../cost/mod.ts";
import type { DeviceStage } from "../sequence/mod.ts";

/** Costs of a frame all of whose rows want a token. Neither falls when rows grow. */
export interface PipelineCosts {
  /** Seconds from sending a frame until its tokens are back: stages, links and the answer's way. */
  latency: (rows: number) => number;
  /**
   * Seconds for which a frame occupies the busiest stage or link. Frames cannot follow each other
   * faster.
   */
  bottleneck: (rows: number) => number;
}

/** Input of {@linkcode pipelineCosts}. */
export interface PipelineCostsInput {
  /** Predicts the time of each part. */
  cost: CostModel;
  /** The stages, in pipeline order. */
  stages: DeviceStage[];
  /** Index of the device where frames start and tokens return to. */
  coordinator: number;
  /** Rows before a frame, e.g. the prompt and half of the output. */
  past: number;
}

/** Costs of a placement's decode frames. */
export function pipelineCosts(
  { cost, stages, coordinator, past }: PipelineCostsInput,
): PipelineCosts {
  const first = stages[0].device;
  const last = stages[stages.length - 1].device;
  const parts = (rows: number) => {
    const latency: number[] = [
      cost.hopSeconds(coordinator, first, cost.requestBytes(rows)),
      cost.hopSeconds(last, coordinator, cost.answerBytes(rows)),
    ];
    const busy: number[] = [
      cost.transferSeconds(coordinator, first, cost.requestBytes(rows)),
      cost.transferSeconds(last, coordinator, cost.answerBytes(rows)),
    ];
    for (const [i, stage] of stages.entries()) {
      const { device } = stage;
      const seconds = cost.stageSeconds(device, stage, { rows, past, wanted: rows });
      latency.push(seconds);
      busy.push(seconds);
      if (i === 0) continue;
      const from = stages[i - 1].device;
      latency.push(cost.hopSeconds(from, device, cost.hopBytes(rows)));
      busy.push(cost.transferSeconds(from, device, cost.hopBytes(rows)));
    }
    return { latency: latency.reduce((a, b) => a + b, 0), bottleneck: Math.max(...busy) };
  };
  const known = new Map<number, { latency: number; bottleneck: number }>();
  const at = (rows: number) => {
    let found = known.get(rows);
    if (!found) known.set(rows, found = parts(rows));
    return found;
  };
  return { latency: (rows) => at(rows).latency, bottleneck: (rows) => at(rows).bottleneck };
}
